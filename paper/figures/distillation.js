import * as Plot from "@observablehq/plot";
import {mean, rollups, sum} from "d3";
import {figure, message} from "./lib/figure.js";
import {modelLabel} from "./lib/registry.js";
import {models, number} from "./lib/rows.js";
import {base, modelColor, modelSymbol, sparse} from "./lib/theme.js";

/** Similarity (linear CKA) of teacher and student layers. `rows`: rows of `cka` of one dataset and model; means over seeds. */
export function similarity(rows, {width = 640} = {}) {
  if (!rows.length) return message("This release holds no similarity of layers for the selection.");
  const cells = rollups(rows, (group) => mean(group, (row) => row.value), (row) => row.teacher_layer, (row) => row.student_layer).flatMap(
    ([teacher, inner]) => inner.map(([student, value]) => ({teacher, student, value}))
  );
  const teachers = new Set(cells.map((cell) => cell.teacher)).size;
  const chart = Plot.plot({
    ...base({width: Math.min(width, 520)}),
    height: 90 + teachers * 44,
    marginLeft: 110,
    marginBottom: 44,
    x: {label: "student layer", labelOffset: 38},
    y: {label: "teacher layer"},
    color: {scheme: "cividis", domain: [0, 1], legend: true, marginLeft: 12, label: "linear CKA"},
    marks: [
      Plot.cell(cells, {x: "student", y: "teacher", fill: "value", inset: 1}),
      Plot.text(cells, {x: "student", y: "teacher", text: (cell) => cell.value.toFixed(2), fill: (cell) => (cell.value > 0.55 ? "#000" : "#fff")})
    ]
  });
  return figure(chart, {label: "Similarity of teacher and student layers", rows: cells});
}

/**
 * Size against score: counted parameters of a model and the mean of one metric over the scenarios; dashed, the Pareto front. A fusion runs
 * on top of two detectors, so it is left out.
 * `summary`: rows of one dataset, protocol, metric and attack `all`; `parameters`: rows of `parameters` of that dataset.
 */
export function sizeAgainstScore(summary, parameters, {width = 640} = {}) {
  const sizes = new Map(rollups(parameters, (rows) => sum(rows, (row) => row.count), (row) => row.model));
  const points = rollups(
    summary.filter((row) => row.mean != null && row.scenario.includes("test") && sizes.has(row.model) && !row.model.startsWith("fusion")),
    (rows) => ({score: mean(rows, (row) => row.mean), scenarios: rows.length, worst: Math.min(...rows.map((row) => row.mean))}),
    (row) => row.model
  ).map(([model, rest]) => ({model, parameters: sizes.get(model), ...rest}));
  if (!points.length) return message("No model of this selection has counted parameters and a score.");
  const names = models(points);
  const chart = Plot.plot({
    ...base({width}),
    height: 320,
    marginLeft: 56,
    marginRight: 30,
    marginBottom: 42,
    x: {type: "log", label: "parameters →", labelOffset: 36, grid: true, tickFormat: sparse},
    y: {label: "mean and worst over scenarios", grid: true, nice: true},
    color: {domain: names, range: names.map(modelColor)},
    symbol: {domain: names, range: names.map(modelSymbol), legend: true, fill: "color", tickFormat: modelLabel},
    marks: [
      Plot.line(front(points), {x: "parameters", y: "score", curve: "step-after", strokeOpacity: 0.45, strokeDasharray: "3 3"}),
      Plot.ruleX(points, {x: "parameters", y1: "worst", y2: "score", stroke: "model", strokeOpacity: 0.5, strokeWidth: 2}),
      Plot.dot(points, {x: "parameters", y: "worst", stroke: "model", symbol: "model", r: 3.5}),
      Plot.dot(points, {
        x: "parameters", y: "score", fill: "model", symbol: "model", r: 6,
        title: (point) => `${modelLabel(point.model)}: ${point.parameters} parameters, mean ${number(point.score)}, worst ${number(point.worst)}`
      })
    ]
  });
  return figure(chart, {label: "Counted parameters against the mean score over scenarios", rows: points});
}

/** The models that no smaller one matches, smallest first: the Pareto front. */
export function front(points) {
  const found = [];
  for (const point of points.toSorted((a, b) => a.parameters - b.parameters || b.score - a.score)) {
    if (!found.length || point.score > found.at(-1).score) found.push(point);
  }
  return found;
}
