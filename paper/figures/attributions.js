import * as Plot from "@observablehq/plot";
import {max} from "d3";
import {figure, message} from "./lib/figure.js";
import {distinct, number} from "./lib/rows.js";
import {base} from "./lib/theme.js";
import {hex} from "./lib/window.js";

/**
 * What pushed the detector towards “attack” (orange) or away from it (violet): integrated gradients, a row a node feature, a column a
 * CAN ID. `rows`: rows of `attributions` of one graph. The strongest features come first.
 */
export function attributionMap(rows, {width = 640, features = 16} = {}) {
  const nodes = rows.filter((row) => row.kind === "node");
  if (!nodes.length) return message("This release holds no attributions of this window.");
  const strength = new Map();
  for (const row of nodes) strength.set(row.feature, (strength.get(row.feature) ?? 0) + Math.abs(row.value));
  const names = [...strength.keys()].sort((a, b) => strength.get(b) - strength.get(a)).slice(0, features);
  const cells = nodes.filter((row) => names.includes(row.feature)).map((row) => ({feature: row.feature, ID: hex(row.source), value: row.value}));
  const limit = max(cells, (cell) => Math.abs(cell.value)) || 1;
  const chart = Plot.plot({
    ...base({width}),
    height: 110 + names.length * 17,
    marginLeft: Math.min(170, width * 0.4),
    marginBottom: 52,
    x: {domain: distinct(nodes, "source").map(hex), label: "CAN ID", tickRotate: -60, labelOffset: 46},
    y: {domain: names, label: null},
    color: {scheme: "PuOr", domain: [-limit, limit], pivot: 0, type: "diverging", legend: true, label: "attribution to the attack margin"},
    marks: [Plot.cell(cells, {x: "ID", y: "feature", fill: "value", inset: 0.5, title: (cell) => `${cell.feature} of ${cell.ID}: ${number(cell.value)}`})]
  });
  return figure(chart, {label: `Integrated gradients of the ${names.length} strongest node features by CAN ID`, rows: cells});
}
