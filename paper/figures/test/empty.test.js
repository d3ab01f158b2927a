// @vitest-environment jsdom
// Every figure without rows is a sentence in its place, and says what could not be read where that is why.
import {afterEach, expect, test, vi} from "vitest";
import * as kdgat from "../index.js";
import {panel} from "../provenance.js";
import {forget, instead} from "../lib/problems.js";

const threshold = () => Object.assign(new EventTarget(), {value: 0.5});
const nothing = kdgat.scores([], "gat-student");
const release = {base: "about:blank", manifest: async () => ({tables: {}, weights: {}})};
const FIGURES = {
  alarmCurves: () => kdgat.alarmCurves([]),
  alphaByAttack: () => kdgat.alphaByAttack([]),
  attributionMap: () => kdgat.attributionMap([]),
  captures: () => kdgat.captures([]),
  confusionTable: () => kdgat.confusionTable(nothing, {threshold: threshold()}),
  costs: () => kdgat.costs([]),
  curves: () => kdgat.curves([]),
  embedding: () => kdgat.embedding([]),
  forest: () => kdgat.forest([]),
  leaderboard: () => kdgat.leaderboard([]),
  list: () => kdgat.list([], {label: "Selected windows"}),
  liveDetector: () => kdgat.liveDetector(release, [], {}),
  misjudged: () => kdgat.misjudged([]),
  mistakes: () => kdgat.mistakes([], nothing, {threshold: threshold()}),
  ownCapture: () => kdgat.ownCapture(release, [], {}),
  policyMap: () => kdgat.policyMap([]),
  rates: () => kdgat.rates([]),
  readings: () => kdgat.readings([]),
  reconstruction: () => kdgat.reconstruction([]),
  regret: () => kdgat.regret([]),
  rocCurve: () => kdgat.rocCurve(nothing, {threshold: threshold()}),
  runCard: () => kdgat.runCard([], []),
  scoreHistogram: () => kdgat.scoreHistogram(nothing, {threshold: threshold()}),
  similarity: () => kdgat.similarity([]),
  sizeAgainstScore: () => kdgat.sizeAgainstScore([], []),
  speeds: () => kdgat.speeds([]),
  lines: () => kdgat.lines([], [], {models: []}),
  schemaPane: () => kdgat.schemaPane({tables: {}}, {}),
  sqlConsole: () => kdgat.sqlConsole(release, {tables: {}}),
  timeline: () => kdgat.timeline([]),
  unseen: () => kdgat.unseen({rows: [], points: []}),
  windowFrames: () => kdgat.windowFrames([]),
  windowGraph: () => kdgat.windowGraph([])
};
/** What index.js offers that draws nothing of rows. */
const OTHERS = [
  "asPublished", "beside", "benchmarks", "checkbox", "colourings", "compared", "distinct", "epochsOf", "hardest", "judged", "metricLabel", "metrics", "modelLabel", "models", "ofPart", "open", "openDetector", "orders", "outcomes",
  "parts", "range", "runsOf", "scenarioLabel", "scored", "scores", "select", "selectAttention", "selectStudent", "selectWindow", "span", "students", "threshold", "unknownCar", "vehicles", "where"
];

afterEach(() => {
  forget();
  vi.unstubAllGlobals();
});

test("every figure that pages use stands below", () => {
  expect(Object.keys(kdgat).sort()).toEqual([...Object.keys(FIGURES), ...OTHERS].sort());
});

test.each(Object.entries(FIGURES))("%s without rows is a sentence", (_, draw) => {
  const node = draw();
  expect(node.getAttribute("role")).toBe("status");
  expect(node.textContent).toMatch(/^\S.{10,}[.]$/);
  expect(node.querySelector("svg, canvas, table")).toBe(null);
});

test.each(Object.entries(FIGURES))("%s without rows says what could not be read", (_, draw) => {
  instead([])(new Error("x.parquet cannot be read."));
  const node = draw();
  expect([node.getAttribute("role"), node.textContent]).toEqual(["alert", "x.parquet cannot be read."]);
});

test.each(Object.entries({
  selectWindow: () => kdgat.selectWindow("graph", []),
  selectAttention: () => kdgat.selectAttention("weight", []),
  selectStudent: () => kdgat.selectStudent("student", []),
  select: () => kdgat.select("dataset", []),
  checkbox: () => kdgat.checkbox("models", []),
  span: () => kdgat.span("epochs", kdgat.epochsOf([]))
}))("%s without rows is an input without a choice", (_, make) => {
  expect(make().tagName).toBe("FORM");
});

test.each([
  ["no answer", () => Promise.reject(new TypeError("Failed to fetch"))],
  ["answer 404", async () => new Response("", {status: 404})],
  ["damaged", async () => new Response("<html>")]
])("a release that cannot be read (%s) is empty, and says so", async (why, fetch) => {
  vi.stubGlobal("fetch", fetch);
  const broken = kdgat.open(new URL("http://localhost/assets/release/"));
  expect(await broken.table("summary")).toEqual([]);
  expect(await broken.groups("predictions", ["dataset"])).toEqual([]);
  expect(await kdgat.benchmarks(new URL("http://localhost/assets/releases/"))).toEqual([]);
  const text = kdgat.leaderboard([]).textContent;
  expect(text).toContain(`manifest.json cannot be read (${why})`);
  expect(text).toContain("Load the page again");
});

test("a table that cannot be read is named, the rest is there", async () => {
  const manifest = {tables: {runs: {}, predictions: {bytes: 9, rows: 1, columns: {dataset: "string"}}}, weights: {}};
  vi.stubGlobal("fetch", async (url) => (String(url).endsWith("manifest.json") ? Response.json(manifest) : new Response("no Parquet")));
  const broken = kdgat.open(new URL("http://localhost/assets/release/"));
  expect(await broken.table("runs")).toEqual([]);
  expect(await broken.groups("predictions", ["dataset"])).toEqual([]);
  expect(await broken.rows("predictions", {dataset: "d"}, [])).toEqual([]);
  const text = kdgat.timeline([]).textContent;
  expect(text).toMatch(/runs\.parquet cannot be read \(damaged\)/);
  expect(text).toMatch(/predictions\.parquet cannot be read \(damaged, or no answer\)/);
});

test("a number without a trace says so", () => {
  expect(panel("a.b", {numbers: {}}).textContent).toBe("The release has no trace of a.b.");
});
