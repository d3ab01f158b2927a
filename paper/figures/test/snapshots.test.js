// @vitest-environment jsdom
// Every figure as it is drawn from fixed rows: a change of a drawing shows in its file under snapshots/ (`npm test -- -u` accepts it).
import {beforeAll, expect, test} from "vitest";
import * as rows from "./rows.js";
import {forest} from "../ablations.js";
import {attributionMap} from "../attributions.js";
import {costs} from "../costs.js";
import {curves} from "../curves.js";
import {captures, rates} from "../datasets.js";
import {similarity, sizeAgainstScore} from "../distillation.js";
import {embedding} from "../embedding.js";
import {confusionTable, reconstruction, rocCurve, scoreHistogram} from "../errors.js";
import {windowFrames} from "../frames.js";
import {alphaByAttack, policyMap, regret} from "../fusion.js";
import {windowGraph} from "../graph.js";
import {leaderboard} from "../leaderboard.js";
import {lanes, ring, strip} from "../live/drawing.js";
import {scores} from "../lib/scores.js";
import {readings} from "../readings.js";
import {speeds} from "../speeds.js";
import {timeline} from "../timeline.js";

const prepared = scores(rows.predictions, "gat-student");
const at = (value) => Object.assign(new EventTarget(), {value}); // an input
const FIGURES = {
  forest: () => forest(rows.ablations, {width: 800}),
  readings: () => readings(rows.readings, {released: ["KDGATFlow/1"]}),
  speeds: () => speeds(rows.benchmarks),
  attributionMap: () => attributionMap(rows.attributions),
  costs: () => costs(rows.costs),
  curves: () => curves(rows.curves),
  captures: () => captures(rows.datasets),
  rates: () => rates(rows.datasets),
  similarity: () => similarity(rows.cka),
  sizeAgainstScore: () => sizeAgainstScore(rows.summary, rows.parameters),
  confusionTable: () => confusionTable(prepared, {threshold: at(0.5)}),
  reconstruction: () => reconstruction(rows.reconstruction),
  rocCurve: () => rocCurve(prepared, {threshold: at(0.5)}),
  scoreHistogram: () => scoreHistogram(prepared, {threshold: at(0.5)}),
  windowFrames: () => windowFrames(rows.frames),
  alphaByAttack: () => alphaByAttack(rows.policy),
  policyMap: () => policyMap(rows.policy),
  regret: () => regret(rows.policy),
  windowGraph: () => windowGraph(rows.frames),
  leaderboard: () => leaderboard(rows.summary),
  timeline: () => timeline(rows.runs)
};
const history = rows.predictions.map(({window, injected, "gat-student": score}) => ({
  window, begin: window / 10, score, traffic: injected ? "dos" : "benign", called: score > 0.5 ? "attack" : "benign",
  "rule's score": injected ? 0.999 : 0.5, "called by the rule": injected ? "attack" : "benign"
}));
const DRAWINGS = {
  embedding: () => embedding(rows.embeddings).querySelector("canvas"),
  ring: () => {
    const canvas = document.createElement("canvas");
    ring(canvas, {ids: [0x100, 0x200, 0x700], counts: [3, 2, 1], injected: [0, 0, 1], source: [0, 1, 0], target: [1, 0, 2], transitions: [2, 1, 1]}, 300);
    return canvas;
  },
  strip: () => {
    const canvas = document.createElement("canvas");
    strip(canvas, history, {lanes: lanes({student: 0.5, rule: 0.99}), width: 400});
    return canvas;
  }
};

/** Numbers to two decimals: what differs beyond them cannot be seen, and may differ between machines. */
const rounded = (text) => text.replace(/-?\d+\.\d{3,}(e-?\d+)?/g, (digits) => String(Number(Number(digits).toFixed(2)) + 0));

const calls = [];
beforeAll(() => {
  // jsdom has no canvas: a context that writes down what is asked of it
  const note = (line) => calls.push(rounded(line));
  const context = new Proxy({}, {
    get: (_, name) => (...values) => note(`${name}(${values.join(", ")})`),
    set: (_, name, value) => (note(`${name} = ${value}`), true)
  });
  HTMLCanvasElement.prototype.getContext = () => context;
  HTMLCanvasElement.prototype.toDataURL = () => "data:,";
});

test.each(Object.entries(FIGURES))("%s", async (name, draw) => {
  const text = rounded(draw().outerHTML.replace(/></g, ">\n<"));
  await expect(text).toMatchFileSnapshot(`snapshots/${name}.html`);
});

test.each(Object.entries(DRAWINGS))("%s, on canvas", async (name, draw) => {
  calls.length = 0;
  const canvas = draw();
  await expect([`${canvas.width} × ${canvas.height}`, ...calls].join("\n")).toMatchFileSnapshot(`snapshots/${name}.txt`);
});
