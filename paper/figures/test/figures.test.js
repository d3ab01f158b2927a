// @vitest-environment jsdom
import {describe, expect, test} from "vitest";
import {curves} from "../curves.js";
import {windowFrames} from "../frames.js";
import {windowGraph} from "../graph.js";
import {leaderboard} from "../leaderboard.js";
import {dataTable} from "../lib/figure.js";
import {byModel, number, where} from "../lib/rows.js";
import {modelColor} from "../lib/theme.js";
import {hex, toGraph} from "../lib/window.js";

const summary = ["test_01", "test_02"].flatMap((scenario) =>
  ["gat-student", "gbm-baseline"].map((model, i) => ({
    dataset: "d", scenario, attack: "all", model, protocol: "zero-shot", metric: "f1", mean: 0.9 - i / 10, ci_low: 0.8 - i / 10,
    ci_high: 0.95, n_seeds: 2, recordings: 1, segments: 1, positives: 5, negatives: 5
  }))
);
const frames = [0x100, 0x200, 0x100, 0x300].map((id, frame) => ({
  graph: 0, frame, id, label: Number(id === 0x300), offset: frame / 1000, vehicle: "v", attack: "dos", score: 0.5, scenario: "test_01", window: 3
}));

describe("a window as a graph", () => {
  test("has a node an ID and an edge a transition, with counts", () => {
    const {nodes, edges} = toGraph(frames);
    expect(nodes).toEqual([{id: 0x100, count: 2, injected: 0}, {id: 0x200, count: 1, injected: 0}, {id: 0x300, count: 1, injected: 1}]);
    expect(edges.map((e) => [hex(e.source), hex(e.target), e.count])).toEqual([["100", "200", 1], ["200", "100", 1], ["100", "300", 1]]);
  });
  test("is drawn with a circle a node and an arrow an edge", () => {
    const node = windowGraph(frames, {width: 400});
    expect(node.querySelectorAll("circle").length).toBe(3);
    expect(node.querySelectorAll("path").length).toBe(3);
    expect(node.querySelector("[role=img]").getAttribute("aria-label")).toContain("3 IDs, 3 transitions");
  });
  test("does not change its rows", () => {
    const before = JSON.stringify(frames);
    windowGraph(frames);
    windowFrames(frames);
    expect(JSON.stringify(frames)).toBe(before);
  });
  test("draws arrows by attention where it is given", () => {
    const wide = windowGraph(frames, {attention: [{source: 0x100, target: 0x200, weight: 1}]});
    const widths = [...wide.querySelectorAll("path")].map((path) => Number(path.getAttribute("stroke-width")));
    expect(Math.max(...widths)).toBe(widths[0]);
  });
});

describe("the leaderboard", () => {
  test("draws a dot a value, in the model's colour", () => {
    const node = leaderboard(summary, {width: 600});
    const dots = [...node.querySelectorAll("circle")];
    expect(dots.length).toBe(4);
    expect(new Set(dots.map((dot) => dot.getAttribute("fill")))).toEqual(new Set(["gat-student", "gbm-baseline"].map(modelColor)));
  });
  test("leaves out what is undefined, and says so where nothing is left", () => {
    expect(leaderboard(summary.map((row) => ({...row, mean: null}))).textContent).toContain("one class only");
    expect(leaderboard([]).getAttribute("role")).toBe("status");
  });
});

test("training curves draw a line a run and metric", () => {
  const rows = ["a", "b"].flatMap((run) => [0, 1, 2].map((epoch) => ({run, epoch, metric: "train_loss", value: epoch, model: "gat-student", seed: 0, dataset: "d"})));
  expect(curves(rows).querySelectorAll("[aria-label=line] path").length).toBe(2);
  expect(curves([]).getAttribute("role")).toBe("status");
});

test("a data table says how many rows it leaves out", () => {
  const rows = Array.from({length: 600}, (_, i) => ({i}));
  const table = dataTable(rows, ["i"], "Numbers");
  expect(table.querySelectorAll("tbody tr").length).toBe(500);
  expect(table.querySelector("caption").textContent).toBe("Numbers (first 500 of 600 rows)");
});

test("models stand in the order of the method", () => {
  const names = ["gbm-baseline", "gat-student", "fusion-mean-student", "gat-teacher", "vgae-student", "unknown", "fusion-dqn-student"];
  expect(names.sort(byModel)).toEqual(["vgae-student", "gat-teacher", "gat-student", "fusion-dqn-student", "fusion-mean-student", "gbm-baseline", "unknown"]);
});

test("numbers are written for reading", () => {
  expect([number(null), number(NaN), number(3), number(0.123456), number("x")]).toEqual(["n/a", "n/a", "3", "0.1235", "x"]);
});

test("rows are chosen by column values", () => {
  expect(where(summary, {scenario: "test_01", model: "gat-student"})).toEqual([summary[0]]);
});
