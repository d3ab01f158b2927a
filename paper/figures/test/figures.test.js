// @vitest-environment jsdom
import {describe, expect, test} from "vitest";
import * as fixed from "./rows.js";
import {forest} from "../ablations.js";
import {curves, epochsOf} from "../curves.js";
import {vehicles} from "../datasets.js";
import {front} from "../distillation.js";
import {loopOf, outcomes, written} from "../embedding.js";
import {windowFrames} from "../frames.js";
import {windowGraph} from "../graph.js";
import {asPublished, floorOf, leaderboard} from "../leaderboard.js";
import {dataTable, separated} from "../lib/figure.js";
import {span} from "../lib/inputs.js";
import {byModel} from "../lib/registry.js";
import {number, where} from "../lib/rows.js";
import {rgb} from "d3";
import palette from "../../../analysis/reference/palette.json";
import list from "../../../kdgat/models/models.json";
import {categoryColor, modelColor} from "../lib/theme.js";
import {confusionAt, scores} from "../lib/scores.js";
import {readings} from "../readings.js";
import {costs} from "../costs.js";
import {speeds} from "../speeds.js";
import {examples} from "../sql.js";
import {runsOf} from "../timeline.js";
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
  test("has one node per identifier and one edge per transition, with counts", () => {
    const {nodes, edges} = toGraph(frames);
    expect(nodes).toEqual([{id: 0x100, count: 2, injected: 0}, {id: 0x200, count: 1, injected: 0}, {id: 0x300, count: 1, injected: 1}]);
    expect(edges.map((e) => [hex(e.source), hex(e.target), e.count])).toEqual([["100", "200", 1], ["200", "100", 1], ["100", "300", 1]]);
  });
  test("is drawn with one circle per node and one arrow per edge", () => {
    const node = windowGraph(frames, {width: 400});
    expect(node.querySelectorAll("circle").length).toBe(3);
    expect(node.querySelectorAll("path").length).toBe(3);
    expect(node.querySelector("[role=img]").getAttribute("aria-label")).toContain("3 IDs, 3 transitions");
  });
  test("says its score, the threshold and the verdict", () => {
    const facts = (rows) => [...windowGraph(rows).querySelectorAll(".kdgat-verdict dd")].map((dd) => dd.textContent);
    expect(facts(frames)).toEqual(["0.5"]);
    expect(facts(frames.map((row) => ({...row, outcome: "missed", threshold: 0.75})))).toEqual(["0.5", "0.75", "called benign: an attack missed"]);
    const [title] = windowGraph(frames).querySelectorAll(".kdgat-verdict p");
    expect([title.textContent, title.title]).toEqual(["v, dos (known car, known attack), window 3", "test_01"]);
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

test.each(["#fff", "#16191d"])("colours of models and categories stand out from %s", (ground) => {
  const luminance = (color) => {
    const {r, g, b} = rgb(color);
    const [red, green, blue] = [r, g, b].map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (color) => {
    const [low, high] = [luminance(color), luminance(ground)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const faint = [...list.map(({name}) => modelColor(name)), ...palette.categories.map((_, i) => categoryColor(i))].filter((color) => contrast(color) < 3);
  expect(faint).toEqual([]);
});

describe("the leaderboard", () => {
  test("draws one dot per value, in the model's colour", () => {
    const node = leaderboard(summary, {width: 600});
    const dots = [...node.querySelectorAll("[aria-label=dot] path")];
    expect(dots.length).toBe(4);
    expect(new Set(dots.map((dot) => dot.getAttribute("fill")))).toEqual(new Set(["gat-student", "gbm-baseline"].map(modelColor)));
  });
  test("leads to the windows behind a dot, or to its runs", () => {
    const unscored = summary.map((row) => ({...row, model: "always-baseline"}));
    const links = (rows) => new Set([...leaderboard(rows, {width: 600}).querySelectorAll("[aria-label=dot] path")].map((dot) => dot.dataset.href));
    expect(links(where(summary, {model: "gat-student"})).has("errors.html?dataset=d&scenario=test_01&protocol=zero-shot&model=gat-student")).toBe(true);
    expect(links(unscored)).toEqual(new Set(["runs.html?dataset=d&model=always-baseline"]));
    const runs = [{run: "a", model: "gat-student"}, {run: "b", model: "fusion-dqn-student"}];
    const metrics = [{run: "b", model: "fusion-mean-student"}];
    expect(["all", "gat-student", "fusion-mean-student"].map((model) => runsOf(runs, metrics, model).length)).toEqual([2, 1, 1]);
  });
  test("orders models by their mean when asked to", () => {
    const names = (order) => [...leaderboard(summary, {order}).querySelectorAll("[aria-label='y-axis tick label'] text")].slice(0, 2).map((text) => text.querySelector("title").textContent);
    expect(names("highest first")).toEqual(["gat-student", "gbm-baseline"]);
    expect(names("lowest first")).toEqual(["gbm-baseline", "gat-student"]);
  });
  test("begins with the best, which for alarms is the lowest", () => {
    const first = (metric) => leaderboard(summary.map((row) => ({...row, metric})), {metric}).querySelector("[aria-label='y-axis tick label'] title").textContent;
    expect(["f1", "false_alarms_per_hour"].map(first)).toEqual(["gat-student", "gbm-baseline"]);
  });
  test("shows the floor, what others printed and bounds, none of which is ranked", () => {
    const bound = summary.map((row) => ({...row, model: "fusion-oracle-student", mean: 1}));
    const cited = asPublished({dataset: "hcrl-sa", protocol: "zero-shot", metric: "f1", attack: "all"});
    const node = leaderboard([...summary, ...bound], {cited});
    const names = [...node.querySelectorAll("[aria-label='y-axis tick label'] text")].map((text) => text.firstChild.textContent);
    expect(names).toEqual(["GAT student", "Gradient boosting", "GAT (cited)", "VGAE + GAT + DQN (cited)", "Fusion (oracle) student (bound)"]);
    expect(node.querySelector(".kdgat-readout").textContent).toMatch(/^dashed: every window called an attack; diamonds: .*; hollow circles: .*\.$/);
    expect(floorOf({metric: "f1", positives: 5, negatives: 5})).toBeCloseTo(2 / 3);
    expect([floorOf({metric: "roc_auc", positives: 5, negatives: 5}), floorOf({metric: "f1", positives: 0, negatives: 5})]).toEqual([null, null]);
    expect(asPublished({dataset: "hcrl-sa", protocol: "calibrated", metric: "f1", attack: "all"})).toEqual([]);
  });
  test("leaves out what is undefined, and says so where nothing is left", () => {
    expect(leaderboard(summary.map((row) => ({...row, mean: null}))).textContent).toContain("one class only");
    expect(leaderboard([]).getAttribute("role")).toBe("status");
  });
});

test("training curves draw one line per run and metric", () => {
  const rows = ["a", "b"].flatMap((run) => [0, 1, 2].map((epoch) => ({run, epoch, metric: "train_loss", value: epoch, model: "gat-student", seed: 0, dataset: "d"})));
  expect(curves(rows).querySelectorAll("[aria-label=line] path").length).toBe(2);
  expect(curves([]).getAttribute("role")).toBe("status");
});

describe("what dragging and typing ask for", () => {
  test("a span of epochs is what is drawn", () => {
    const rows = [0, 1, 2, 3].map((epoch) => ({run: "a", epoch, metric: "train_loss", value: epoch, model: "gat-student", seed: 0, dataset: "d"}));
    expect(epochsOf(rows)).toEqual([0, 3]);
    expect(curves(rows, {epochs: [1, 2]}).querySelectorAll("[aria-label=dot] path").length).toBe(2);
  });
  test("the span is typed, put in order, kept in the address and given up", () => {
    history.replaceState(null, "", "?epochs=1-x");
    const node = span("epochs", [0, 9]);
    expect(node.value).toEqual([1, 9]);
    const asked = [];
    node.addEventListener("input", () => asked.push(node.value));
    const [from, to] = node.querySelectorAll("input");
    from.value = "7";
    to.value = "3";
    to.dispatchEvent(new Event("change"));
    node.querySelector("button").click();
    expect(asked).toEqual([[3, 7], [0, 9]]);
    expect([from.value, to.value, location.search]).toEqual(["0", "9", "?epochs=0-9"]);
  });
  test("brushing a panel sets the span", () => {
    const rows = [0, 10].map((epoch) => ({run: "a", epoch, metric: "train_loss", value: epoch, model: "gat-student", seed: 0, dataset: "d"}));
    const zoom = span("zoomed", [0, 10]);
    const overlay = curves(rows, {zoom}).querySelector(".kdgat-brush .overlay");
    expect(overlay.getAttribute("width") > 0).toBe(true);
    expect(overlay.closest("svg").querySelector("[aria-label=dot]").compareDocumentPosition(overlay) & Node.DOCUMENT_POSITION_PRECEDING).toBeTruthy();
  });
});

describe("ablations", () => {
  test("draw one dot per changed level and scenario, filled where the interval excludes zero", () => {
    const node = forest(fixed.ablations, {width: 800});
    const dots = [...node.querySelectorAll("circle")];
    expect(dots.length).toBe(4);
    expect(dots.filter((dot) => dot.getAttribute("fill") === modelColor("gat-student")).length).toBe(2);
    expect(forest([]).textContent).toContain("no ablations");
  });
});

test("a loop stands in the address in thousandths of the drawing, and nothing else is read as one", () => {
  const loop = [[0, 0], [320, -5], [640, 480], [0, 480]];
  const text = written(loop, 640, 480);
  expect(text).toBe("0.0-500.0-1000.1000-0.1000");
  expect(loopOf(text, 64, 48)).toEqual([[0, 0], [32, 0], [64, 48], [0, 48]]);
  expect(["", null, "1.1-2.2", "a", "1.1-2.2-<b>", "1-2-3"].map((other) => loopOf(other, 1, 1))).toEqual(Array(6).fill(null));
  expect(written(Array.from({length: 400}, (_, i) => [i, i]), 400, 400).split("-").length).toBe(40);
});

describe("what became of a window", () => {
  const row = (attack, score) => ({dataset: "d", model: "gat-student", seed: 0, attack, score});
  const points = [{dataset: "d", model: "gat-student", seed: 0, protocol: "zero-shot", threshold: 0.5}];
  test("follows the operating point", () => {
    const rows = [row("dos", 0.5), row("dos", 0.4), row("benign", 0.9), row("benign", 0.1)];
    expect(outcomes(rows, points).map((r) => r.outcome)).toEqual(["found", "missed", "false alarm", "benign"]);
    expect(outcomes(rows, [])[0].outcome).toBe("unknown");
  });
});

test("vehicles count what was read of them, real and synthetic apart", () => {
  const twin = {...fixed.datasets[0], capture: "train/again.csv", duplicate_of: "train/benign-soul.csv", quarantined: 2};
  const rows = vehicles([...fixed.datasets, twin]);
  expect(rows.map(({vehicle, data, captures, duplicates}) => [vehicle, data, captures, duplicates])).toEqual([["soul", "real", 1, 1], ["spark", "synthetic", 1, 0]]);
  expect(rows[0]).toMatchObject({attacks: "none", "frames a second": "100", "window (ms)": "1000", windows: 10, "rows not readable": 2});
  expect(rows[1]).toMatchObject({attacks: "dos", "window (ms)": "500", attacked: 3});
});

test("readings are counted as evaluations, not as captures", () => {
  expect(readings(fixed.readings, {released: ["KDGATFlow/1"]}).querySelector("[role=img]").getAttribute("aria-label")).toMatch(/^2 evaluations .* 2 configurations/);
  expect(readings([]).textContent).toContain("no count was kept");
});

test("costs tell the slope of each kind of work that was measured at several sizes", () => {
  const titles = [...costs(fixed.costs).querySelectorAll("svg > g[aria-label=text] text")].map((node) => node.textContent).filter((text) => text.includes(" per "));
  // (30 − 5) s over 9,900,000 frames; (130 − 40) s over 3 seeds; one size has no slope
  expect(titles).toEqual(["detect: 2.5 µs per frame", "run: 30 s per seed"]);
});

test("speeds have one panel per benchmark", () => {
  expect(speeds(fixed.benchmarks).querySelectorAll("svg").length).toBe(2);
  expect(speeds([]).textContent).toContain("make bench");
});

test("the Pareto front leaves out what a smaller model matches", () => {
  expect(front([{parameters: 1, score: 1}, {parameters: 2, score: 0.5}, {parameters: 3, score: 2}]).map((p) => p.parameters)).toEqual([1, 3]);
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

describe("scores of windows", () => {
  const row = (window, injected, score, capture = "a", t0 = window) => ({window, injected, capture, t0, duration: 1, "gat-student": score});
  const rows = [row(0, 0, 0.1), row(1, 3, 0.2), row(2, 1, 0.9), row(3, 0, 0.6), row(4, 2, 0.7), row(0, 0, 0.3, "b")];
  const prepared = scores(rows, "gat-student");

  test("give the confusion matrix of any threshold, a score at the threshold being an alarm", () => {
    expect(confusionAt(prepared, 0.6)).toMatchObject({tp: 2, fp: 1, tn: 2, fn: 1, recall: 2 / 3, falseAlarmsPerHour: 1200});
    expect(confusionAt(prepared, -1)).toMatchObject({tp: 3, fp: 3, tn: 0, fn: 0});
    expect(confusionAt(prepared, 2)).toMatchObject({tp: 0, fp: 0, recall: 0, precision: null, medianDelay: null});
  });
  test("give attack segments and the delay of their detection", () => {
    expect(confusionAt(prepared, 0.6)).toMatchObject({segments: 2, detected: 2, medianDelay: 2});
  });
  test("join attacked windows less than half a second apart", () => {
    const near = scores([row(0, 1, 0.9, "a", 0), row(1, 0, 0.1, "a", 1), row(2, 1, 0.9, "a", 1.4), row(3, 1, 0.9, "a", 3)], "gat-student");
    expect(near.segments.map((segment) => segment.length)).toEqual([2, 1]);
  });
  test("give a ROC curve from (0, 0) to (1, 1) that never falls", () => {
    const points = prepared.roc;
    expect(points[0]).toMatchObject({fpr: 0, recall: 0});
    expect(points.at(-1)).toMatchObject({fpr: 1, recall: 1});
    for (let i = 1; i < points.length; i += 1) expect(points[i].recall).toBeGreaterThanOrEqual(points[i - 1].recall);
  });
  test("are empty where the model was not scored", () => {
    expect(scores(rows, "gbm-baseline").windows).toBe(0);
    expect(scores([], "gat-student").roc).toEqual([]);
  });
});

test("the examples of the SQL page are the named queries of the release", () => {
  const found = examples("-- about the file\n\n-- name: one\n-- What it answers\nselect 1\nfrom x;\n\n-- name: two\n-- Other\nselect 2;\n");
  expect(found).toEqual([{name: "one", about: "What it answers", sql: "select 1\nfrom x"}, {name: "two", about: "Other", sql: "select 2"}]);
});

describe("a data table", () => {
  const rows = Array.from({length: 12}, (_, i) => ({name: `row ${i}`, value: i === 3 ? null : (i * 5) % 12}));
  const column = (node, i) => [...node.querySelectorAll("tbody tr")].map((row) => row.children[i].textContent);
  test("sorts by a head, what is missing last, and back", () => {
    const node = dataTable(rows, ["name", "value"], "Values");
    const head = node.querySelectorAll(".kdgat-sort")[1];
    head.click();
    expect(column(node, 1)).toEqual(["0", "1", "2", "4", "5", "6", "7", "8", "9", "10", "11", "n/a"]);
    head.click();
    expect([column(node, 1)[0], column(node, 1).at(-1), head.parentNode.getAttribute("aria-sort")]).toEqual(["11", "n/a", "descending"]);
  });
  test("shows the rows that hold every word", () => {
    const node = dataTable(rows, ["name", "value"], "Values");
    const search = node.querySelector("input");
    search.value = "ROW 1 5";
    search.dispatchEvent(new Event("input"));
    expect(column(node, 0)).toEqual(["row 1", "row 5"]); // of which the value is 1
    expect(node.querySelector("caption").textContent).toBe("Values (2 rows)");
  });
  test("is copied and saved with values as they are", () => {
    expect(separated([{a: 0.123456789, b: 'x, "y"'}, {a: null, b: "z"}], ["a", "b"], ",")).toBe('a,b\n0.123456789,"x, ""y"""\n,z');
  });
});
