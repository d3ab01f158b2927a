import * as Plot from "@observablehq/plot";
import {element, figure, message} from "./lib/figure.js";
import {benignFirst, number} from "./lib/rows.js";
import {confusionAt} from "./lib/scores.js";
import {base, labelColor} from "./lib/theme.js";

const CLASSES = {domain: ["benign", "attacked"], range: [labelColor(false), labelColor(true)]};
const SIGN = {benign: -1, attacked: 1};

/** Scores of attacked windows upwards, of benign ones downwards, as shares of their class, with the threshold. */
export function scoreHistogram(prepared, {threshold, width = 640} = {}) {
  if (!prepared.windows) return message("This model has no scores for the selection.");
  const chart = Plot.plot({
    ...base({width}),
    height: 230,
    marginLeft: 56,
    marginBottom: 42,
    x: {label: `score of ${prepared.model} →`, labelOffset: 36, domain: [prepared.low, prepared.high]},
    y: {label: "share of its class (square-root scale)", type: "sqrt", grid: true, tickFormat: (share) => `${Math.abs(share * 100).toFixed(0)} %`},
    color: {...CLASSES, legend: true},
    marks: [
      Plot.rectY(prepared.bins, {
        x1: "x0", x2: "x1", y: (row) => SIGN[row.label] * row.share, fill: "label", inset: 0.4,
        title: (row) => `${row.windows} ${row.label} windows, ${number(row.x0)} to ${number(row.x1)}`
      }),
      Plot.ruleY([0]),
      Plot.ruleX([threshold], {strokeWidth: 2, strokeDasharray: "4 3"})
    ]
  });
  const label = `Histogram of the scores of ${prepared.model} over ${prepared.windows} windows; threshold ${number(threshold)}`;
  return figure(chart, {label, rows: prepared.bins.filter((row) => row.windows)});
}

/** Recall against false-positive rate over all thresholds, with the chosen one. */
export function rocCurve(prepared, {threshold, width = 640} = {}) {
  const points = prepared.roc;
  if (!points.length) return message("One class only: there is no ROC curve.");
  const at = confusionAt(prepared, threshold);
  const side = Math.min(width, 380);
  const chart = Plot.plot({
    ...base({width: side}),
    height: side * 0.85,
    marginLeft: 52,
    marginBottom: 42,
    x: {label: "false-positive rate →", labelOffset: 36, domain: [0, 1], grid: true},
    y: {label: "recall", domain: [0, 1], grid: true},
    marks: [
      Plot.line([[0, 0], [1, 1]], {strokeOpacity: 0.3, strokeDasharray: "2 3"}),
      Plot.line(points, {x: "fpr", y: "recall", stroke: labelColor(true), strokeWidth: 2, curve: "step-before"}),
      Plot.dot([at], {x: "fpr", y: "recall", r: 6, fill: "currentColor"})
    ]
  });
  return figure(chart, {label: `ROC curve of ${prepared.model}; at the threshold recall ${number(at.recall)}, false-positive rate ${number(at.fpr)}`, rows: points});
}

/** What the threshold means: the confusion matrix, false alarms an hour, detection of attack segments. */
export function confusionTable(prepared, {threshold} = {}) {
  const at = confusionAt(prepared, threshold);
  const row = (head, ...cells) =>
    element("tr", {}, element("th", {scope: "row"}, head), ...cells.map((cell) => element("td", {}, number(cell))));
  const head = element("tr", {}, ...["windows", "called attack", "called benign"].map((text) => element("th", {scope: "col"}, text)));
  const matrix = element(
    "table", {class: "kdgat-confusion"},
    element("caption", {}, `${prepared.model} at ${number(threshold)}`),
    element("thead", {}, head),
    element("tbody", {}, row("attacked", at.tp, at.fn), row("benign", at.fp, at.tn))
  );
  const facts = {
    F1: at.f1,
    precision: at.precision,
    recall: at.recall,
    "false alarms an hour of benign traffic": at.falseAlarmsPerHour === null ? null : Number(at.falseAlarmsPerHour.toPrecision(3)),
    "attack segments found": `${at.detected} of ${at.segments}`,
    "median delay (s)": at.medianDelay
  };
  const list = element("dl", {class: "kdgat-facts"});
  for (const [name, value] of Object.entries(facts)) list.append(element("div", {}, element("dt", {}, name), element("dd", {}, number(value))));
  return element("div", {class: "kdgat-figure kdgat-threshold", "aria-live": "polite"}, matrix, list);
}

const PARTS = {node_error: "node features", neighbour_error: "neighbourhood", id_error: "identity"};

/** Reconstruction error of the autoencoder by part and attack. `rows`: rows of `reconstruction` of one dataset, scenario and model. */
export function reconstruction(rows, {width = 640} = {}) {
  if (!rows.length) return message("This release holds no reconstruction errors for the selection.");
  const long = rows.flatMap((row) =>
    Object.entries(PARTS).map(([column, part]) => ({part, attack: row.attack, error: row[column], capture: row.capture, window: row.window}))
  );
  const attacks = benignFirst(rows, "attack");
  const chart = Plot.plot({
    ...base({width}),
    height: 60 + 3 * (20 + attacks.length * 26),
    marginLeft: 110,
    marginBottom: 42,
    x: {label: "error →", labelOffset: 36, grid: true},
    y: {domain: attacks, label: null},
    fy: {label: null, domain: Object.values(PARTS), axis: null},
    color: {range: [labelColor(false), labelColor(true)], domain: [false, true]},
    marks: [
      Plot.text(Object.values(PARTS), {fy: (part) => part, text: (part) => part, frameAnchor: "top-left", dy: -12, fontWeight: 600}),
      Plot.boxX(long, {x: "error", y: "attack", fy: "part", fill: (row) => row.attack !== "benign", fillOpacity: 0.55, r: 1.5})
    ]
  });
  return figure(chart, {label: "Reconstruction error by part and attack", rows: long});
}
