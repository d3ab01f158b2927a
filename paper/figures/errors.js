import * as Plot from "@observablehq/plot";
import {group, quantileSorted, range} from "d3";
import {element, figure, message} from "./lib/figure.js";
import {follow} from "./lib/inputs.js";
import {modelLabel} from "./lib/registry.js";
import {benignFirst, number} from "./lib/rows.js";
import {confusionAt} from "./lib/scores.js";
import {base, labelColor} from "./lib/theme.js";

const CLASSES = {domain: ["benign", "attacked"], range: [labelColor(false), labelColor(true)]};
const SIGN = {benign: -1, attacked: 1};

/** Adds an SVG element to a chart of Plot, on top of its marks. */
function overlay(chart, tag, attributes) {
  const svg = chart.matches("svg") ? chart : chart.querySelector(":scope > svg:last-of-type");
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  svg.append(node);
  return node;
}

/**
 * Scores of attacked windows upwards, of benign ones downwards, as shares of their class, with the threshold: an input, whose changes move
 * the line and nothing else.
 */
export function scoreHistogram(prepared, {threshold, width = 640} = {}) {
  if (!prepared.windows) return message("This model has no scores for the selection.");
  const chart = Plot.plot({
    ...base({width}),
    height: 260,
    marginLeft: 46,
    marginBottom: 42,
    x: {label: `score of ${modelLabel(prepared.model)} →`, labelOffset: 36, domain: [prepared.low, prepared.high], ticks: width < 520 ? 5 : 10},
    y: {label: "share of its class (square-root scale)", type: "sqrt", grid: true, tickFormat: (share) => `${Math.abs(share * 100).toFixed(0)} %`},
    color: {...CLASSES, legend: true},
    marks: [
      Plot.rectY(prepared.bins, {
        x1: "x0", x2: "x1", y: (row) => SIGN[row.label] * row.share, fill: "label", inset: 0.4,
        title: (row) => `${row.windows} ${row.label} windows, ${number(row.x0)} to ${number(row.x1)}`
      }),
      Plot.ruleY([0])
    ]
  });
  const [x, y] = ["x", "y"].map((name) => chart.scale(name));
  const line = overlay(chart, "line", {y1: y.range[0], y2: y.range[1], stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": "4 3"});
  const node = figure(chart, {label: "Histogram of scores", rows: prepared.bins.filter((row) => row.windows)});
  const picture = node.querySelector("[role=img]");
  follow(threshold, node, (value) => {
    const place = x.apply(Math.min(prepared.high, Math.max(prepared.low, value)));
    line.setAttribute("x1", place);
    line.setAttribute("x2", place);
    picture.setAttribute("aria-label", `Histogram of the scores of ${prepared.model} over ${prepared.windows} windows; threshold ${number(value)}`);
  });
  return node;
}

const RARE = 0.001; // a false-positive rate below which the axis is linear, down to none
const CHANCE = range(0, 1.01, 0.01).map((x) => [x ** 3, x ** 3]);

/** Recall against false-positive rate, on a logarithmic axis, over all thresholds; a dot at that of the input `threshold`. */
export function rocCurve(prepared, {threshold, width = 640} = {}) {
  const points = prepared.roc;
  if (!points.length) return message("One class only: there is no ROC curve.");
  const chart = Plot.plot({
    ...base({width}),
    height: 285,
    marginLeft: 40,
    marginTop: 32,
    marginBottom: 42,
    x: {label: "false-positive rate →", labelOffset: 36, type: "symlog", constant: RARE, domain: [0, 1], grid: true, ticks: [0, 0.001, 0.01, 0.1, 1], tickFormat: String},
    y: {label: "recall", domain: [0, 1], grid: true},
    marks: [
      Plot.line(CHANCE, {strokeOpacity: 0.3, strokeDasharray: "2 3"}),
      Plot.line(points, {x: "fpr", y: "recall", stroke: labelColor(true), strokeWidth: 2, curve: "step-before"})
    ]
  });
  const [x, y] = ["x", "y"].map((name) => chart.scale(name));
  const dot = overlay(chart, "circle", {r: 6, fill: "currentColor"});
  const node = figure(chart, {label: "ROC curve", rows: points});
  const picture = node.querySelector("[role=img]");
  follow(threshold, node, (value) => {
    const {fpr, recall} = confusionAt(prepared, value);
    dot.setAttribute("cx", x.apply(fpr));
    dot.setAttribute("cy", y.apply(recall));
    picture.setAttribute("aria-label", `ROC curve of ${prepared.model}; at the threshold recall ${number(recall)}, false-positive rate ${number(fpr)}`);
  });
  return node;
}

const COUNTS = [["attacked", "tp", "fn"], ["benign", "fp", "tn"]];
const FACTS = {
  F1: (at) => at.f1 ?? "n/a: no attack, no alarm",
  precision: (at) => at.precision ?? "n/a: no alarm",
  recall: (at) => at.recall ?? "n/a: no attack",
  "false alarms an hour of benign traffic": (at) => (at.falseAlarmsPerHour === null ? "n/a: no benign traffic" : Number(at.falseAlarmsPerHour.toPrecision(3))),
  "attack segments found": (at) => `${at.detected} of ${at.segments}`,
  "median delay (s)": (at) => at.medianDelay ?? "n/a: none found"
};

/** What the input `threshold` means: the confusion matrix, false alarms an hour, detection of attack segments. */
export function confusionTable(prepared, {threshold} = {}) {
  if (!prepared.windows) return message("This model has no scores for the selection.");
  const head = element("tr", {}, ...["windows", "called attack", "called benign"].map((text) => element("th", {scope: "col"}, text)));
  const rows = COUNTS.map(([name]) => element("tr", {}, element("th", {scope: "row"}, name), element("td"), element("td")));
  const caption = element("caption");
  const matrix = element("table", {class: "kdgat-confusion"}, caption, element("thead", {}, head), element("tbody", {}, ...rows));
  const facts = Object.keys(FACTS).map((name) => element("div", {}, element("dt", {}, name), element("dd")));
  const node = element("div", {class: "kdgat-figure kdgat-threshold", "aria-live": "polite"}, matrix, element("dl", {class: "kdgat-facts"}, ...facts));
  const cells = [...matrix.querySelectorAll("td")];
  follow(threshold, node, (value) => {
    const at = confusionAt(prepared, value);
    caption.textContent = `${modelLabel(prepared.model)} at ${number(value)}`;
    COUNTS.flatMap(([, ...names]) => names).forEach((name, i) => (cells[i].textContent = number(at[name])));
    Object.values(FACTS).forEach((of, i) => (facts[i].lastChild.textContent = number(of(at))));
  });
  return node;
}

const PARTS = {node_error: "node features", neighbour_error: "neighbourhood", id_error: "identity"};

/**
 * Reconstruction error of the autoencoder by part and attack: the median, the middle half of the windows, and a line from the 1st to the
 * 99th percentile. `rows`: rows of `reconstruction` of one dataset, scenario and model.
 */
export function reconstruction(rows, {width = 640} = {}) {
  if (!rows.length) return message("This release holds no reconstruction errors for the selection.");
  const spread = Object.entries(PARTS).flatMap(([column, part]) =>
    Array.from(group(rows, (row) => row.attack), ([attack, of]) => {
      const errors = Float64Array.from(of, (row) => row[column]).sort();
      const [p1, p25, median, p75, p99] = [0.01, 0.25, 0.5, 0.75, 0.99].map((share) => quantileSorted(errors, share));
      return {part, attack, windows: errors.length, p1, p25, median, p75, p99};
    })
  );
  const attacks = benignFirst(rows, "attack");
  const place = {y: "attack", fy: "part", stroke: (row) => (row.attack === "benign" ? "benign" : "attacked")};
  const chart = Plot.plot({
    ...base({width}),
    height: 60 + 3 * (34 + attacks.length * 22),
    marginLeft: 90,
    marginTop: 26,
    marginBottom: 42,
    x: {label: "error →", labelOffset: 36, grid: true, zero: true, ticks: width < 520 ? 4 : 8},
    y: {domain: attacks, label: null},
    fy: {label: null, domain: Object.values(PARTS), axis: null, padding: 0.28},
    color: {...CLASSES, legend: true},
    marks: [
      Plot.text(Object.values(PARTS), {fy: (part) => part, text: (part) => part, frameAnchor: "top-left", dy: -13, dx: -90, fontWeight: 600}),
      Plot.ruleY(spread, {...place, x1: "p1", x2: "p99", strokeWidth: 1.5}),
      Plot.ruleY(spread, {...place, x1: "p25", x2: "p75", strokeWidth: 9, strokeOpacity: 0.6}),
      Plot.tickX(spread, {
        ...place, x: "median", strokeWidth: 2.5, stroke: "currentColor", insetTop: 4, insetBottom: 4,
        title: (row) => `${row.attack}, ${row.part}, ${row.windows} windows\nmedian ${number(row.median)}, half of them in ${number(row.p25)} to ${number(row.p75)}`
      })
    ]
  });
  return figure(chart, {label: "Reconstruction error by part and attack", rows: spread});
}
