// @vitest-environment jsdom
// What every page has at its end, under both renderers.
import {readFileSync} from "node:fs";
import {afterEach, expect, test} from "vitest";
import {checkbox, select, span} from "../lib/inputs.js";
import {chosen, joinPages, skipNumbers} from "../page.js";

const TREES = "../../tests/paper/quarto"; // from this package

const DRAFT = `<header class="bar"><nav><a class="brand" href="index.html">KD-GAT</a><ul><li><a href="index.html">Overview</a></li>
  <li><details><summary>Results</summary><ul><li><a href="a.html">A</a></li><li><a href="b.html">B</a></li></ul></details></li></ul></nav></header><main></main>`;
const QUARTO = `<header id="quarto-header"><nav class="navbar"><a class="navbar-brand" href="./index.html">KD-GAT</a>
  <a class="nav-link" href="./index.html"> <span class="menu-text">Overview</span></a><a class="nav-link dropdown-toggle" href="#">Results</a>
  <a class="dropdown-item" href="./a.html"><span>A</span></a><a class="dropdown-item" href="./b.html"><span>B</span></a>
  <a href="" class="quarto-color-scheme-toggle"></a></nav></header><main></main>`;

afterEach(() => (document.body.innerHTML = ""));

test.each([["a draft", DRAFT], ["Quarto", QUARTO]])("pages of %s lead to the ones before and after", (_, markup) => {
  const joined = (page) => {
    document.body.innerHTML = markup;
    joinPages(document.body, new URL(page, location.href));
    return [...document.querySelectorAll(".kdgat-joined a")].map((link) => [link.rel, link.textContent]);
  };
  expect(joined("index.html")).toEqual([["next", "A →"]]);
  expect(joined("./")).toEqual([["next", "A →"]]);
  expect(joined("a.html")).toEqual([["prev", "← Overview"], ["next", "B →"]]);
  expect(joined("b.html")).toEqual([["prev", "← A"]]);
  expect(joined("elsewhere.html")).toEqual([]);
});

test.each(["1.9.38", "1.10.18"])("a page that Quarto %s rendered leads to its neighbours", (version) => {
  history.replaceState(null, "", "/paper/results/leaderboard.html");
  document.body.innerHTML = readFileSync(`${TREES}/${version}/leaderboard.html`, "utf8");
  joinPages(document.body);
  expect([...document.querySelectorAll("main .kdgat-joined a")].map((link) => [link.rel, new URL(link.href).pathname])).toEqual([
    ["prev", "/paper/talk.html"], ["next", "/paper/results/errors.html"]
  ]);
  history.replaceState(null, "", "/");
});

test("a printed page says what is chosen", () => {
  history.replaceState(null, "", "?models=a,c");
  const controls = document.createElement("div");
  controls.append(select("dataset", ["d", "e"]), checkbox("models", ["a", "b", "c"]), checkbox("factors", ["x"]), span("epochs", [1, 9]));
  expect(chosen(controls)).toBe("dataset: d; models: a, c; factors: all; epochs: 1 to 9");
});

test("a table of many numbers can be passed by", () => {
  const table = (n) => `<table>${'<tr><td><span class="num" data-key="k">1</span></td></tr>'.repeat(n)}</table>`;
  document.body.innerHTML = `<main>${table(8)}${table(9)}</main>`;
  skipNumbers(document.body);
  const [skip, ...others] = document.querySelectorAll(".kdgat-skip");
  expect([skip.textContent, others.length]).toEqual(["Skip 9 numbers", 0]);
  expect(document.querySelector(skip.getAttribute("href"))).toBe(document.querySelector("main").lastChild);
});
