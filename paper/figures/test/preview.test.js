// @vitest-environment jsdom
// What stands behind a number, in short: by focus, by a tap, gone with Escape; a loop around points, drawn by keyboard.
import {beforeEach, describe, expect, it, vi} from "vitest";
import {embedding} from "../embedding.js";
import {install} from "../lib/preview.js";
import {install as installTraces, summary} from "../provenance.js";

const trace = {
  release: "r", data_kind: "real", runs: {a: {commit: "0123456789abcdef"}, b: {commit: "0123456789abcdef"}},
  numbers: {k: {text: "0.9", low: 0.8, high: 0.95, n_seeds: 2, runs: ["a", "b"], query: "select", recompute: "python"}}
};
globalThis.matchMedia = () => ({matches: false});
const box = () => document.querySelector("#kdgat-preview");
const tap = (node) => {
  const event = new MouseEvent("click", {bubbles: true, cancelable: true});
  Object.defineProperty(event, "pointerType", {value: "touch"});
  node.dispatchEvent(event);
  return event;
};

describe("a preview", () => {
  const root = document.body.appendChild(document.createElement("main"));
  const acted = vi.fn();
  install(root, ".told", (node) => (node.id === "none" ? null : document.createTextNode(`about ${node.id}`)));
  root.addEventListener("click", acted);
  beforeEach(() => {
    dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
    root.innerHTML = '<b class="told" id="one" tabindex="0"></b><b class="told" id="none"></b>';
    acted.mockClear();
  });

  it("opens at the first tap, acts at the second", async () => {
    const one = root.querySelector("#one");
    expect(tap(one).defaultPrevented).toBe(true);
    await vi.waitFor(() => expect(box().hidden).toBe(false));
    expect([box().textContent, one.getAttribute("aria-describedby"), acted.mock.calls.length]).toEqual(["about one", "kdgat-preview", 0]);
    expect(tap(one).defaultPrevented).toBe(false);
    expect([box().hidden, acted.mock.calls.length]).toEqual([true, 1]);
  });

  it("opens by pointing, closes with Escape", async () => {
    const one = root.querySelector("#one");
    one.dispatchEvent(new MouseEvent("pointerover", {bubbles: true}));
    await vi.waitFor(() => expect(box().hidden).toBe(false));
    dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
    expect([box().hidden, one.hasAttribute("aria-describedby")]).toEqual([true, false]);
  });

  it("stays away where there is nothing to say", async () => {
    tap(root.querySelector("#none"));
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(box().hidden).toBe(true);
  });
});

it("a number says its interval, seeds, runs and commit", () => {
  const text = summary("k", trace).textContent;
  for (const part of ["0.9", "0.8 – 0.95", "2 seeds", "2 runs", "commit 0123456789", "release r (real data)", "whole trace"]) expect(text).toContain(part);
  expect(summary("unknown", trace)).toBe(null);
});

it("numbers lose their native title, which would cover the preview", () => {
  const page = document.body.appendChild(document.createElement("section"));
  page.innerHTML = '<span class="num" data-key="k" title="95 % interval">0.9</span>';
  installTraces(page, "trace.json");
  expect(page.querySelector(".num").hasAttribute("title")).toBe(false);
});

it("a loop is drawn by keyboard: arrows, corners, the loop closed, and undone", () => {
  const row = (x, y) => ({x, y, attack: "dos", vehicle: "v", capture: "c", window: 0, score: 0.5});
  const rows = [row(0, 0), row(0.5, 0.5), row(1, 1)];
  const node = embedding(rows, {width: 400});
  const canvas = node.querySelector("canvas");
  expect(canvas.tabIndex).toBe(0);
  const press = (key) => canvas.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const corner = (...keys) => [...keys, " "].forEach(press);
  corner("ArrowLeft", "ArrowUp");
  corner("ArrowRight", "ArrowRight");
  corner("ArrowDown", "ArrowDown");
  corner("ArrowLeft", "ArrowLeft");
  expect(node.querySelector("[role=status]").textContent).toBe("Corner 4 set.");
  press("Enter");
  expect(node.value).toEqual([rows[1]]);
  expect(new URLSearchParams(location.search).get("loop").split("-").length).toBe(4);
  press("Escape");
  expect(node.value).toEqual([]);
});
