// @vitest-environment jsdom
// What stands in the address comes from whoever made the link: hundreds of them, none of which may become more than text.
import {describe, expect, it} from "vitest";
import {checkbox, select} from "../lib/inputs.js";
import {sqlConsole} from "../sql.js";

/** Repeatable random numbers in [0, 1) (mulberry32). */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const PIECES = ["<img src=x onerror=alert(1)>", "<script>", "\"'>", "javascript:", "f1", "recall", ",", "%00", "__proto__", "constructor",
  "1e999", "-0", "NaN", "Infinity", "0x10", " ", "é", "\u202e", "\ud800", "&metric=f1", "#", "{{", "${1}", "a".repeat(300), "0.5", "3"];

/** An address of random pieces for the named inputs. */
function address(chance) {
  const text = () => Array.from({length: Math.floor(chance() * 4)}, () => PIECES[Math.floor(chance() * PIECES.length)]).join("");
  return `?metric=${encodeURIComponent(text().toWellFormed())}&models=${encodeURIComponent(text().toWellFormed())}&q=${encodeURIComponent(text().toWellFormed())}&view=${text().replace(/[^\w]/g, "")}`;
}

const METRICS = ["f1", "recall", "precision"];

describe("the address", () => {
  it("chooses among what there is, for any text", () => {
    const chance = random(1);
    for (let i = 0; i < 150; i++) {
      history.replaceState(null, "", address(chance));
      const one = select("metric", METRICS);
      const some = checkbox("models", METRICS);
      expect(METRICS).toContain(one.value);
      expect(some.value.every((value) => METRICS.includes(value))).toBe(true);
      for (const input of [one, some]) expect(input.querySelector("img, script, iframe")).toBe(null);
    }
  });

  it("is what it was after an input has changed, for the rest", () => {
    history.replaceState(null, "", `?other=${encodeURIComponent("<b>&")}#here`);
    const one = select("metric", METRICS);
    const menu = one.querySelector("select");
    menu.selectedIndex = 1;
    menu.dispatchEvent(new Event("input", {bubbles: true}));
    const query = new URLSearchParams(location.search);
    expect([query.get("other"), query.get("metric"), location.hash]).toEqual(["<b>&", "recall", "#here"]);
  });

  it("puts a query into the editor as text and never into the page", () => {
    const chance = random(2);
    for (let i = 0; i < 100; i++) {
      history.replaceState(null, "", address(chance));
      const query = new URLSearchParams(location.search).get("q");
      const page = sqlConsole({base: "about:blank"}, {tables: {runs: {}}});
      expect(page.querySelector("textarea").value).toBe(query.replace(/\r\n?/g, "\n"));
      expect(page.querySelector("img, script, iframe")).toBe(null);
      expect(["table", "bars", "dots", "lines"]).toContain(page.querySelector("#kdgat-view").value);
    }
  });
});
