import * as Plot from "@observablehq/plot";
import {max} from "d3";
import {figure, message} from "./lib/figure.js";
import {distinct, number} from "./lib/rows.js";
import {base, labelRoom} from "./lib/theme.js";
import {hex} from "./lib/window.js";

/** Violet for 0, orange for 1, the paper in between: nothing is where there is nothing to see, also in the dark. */
const shade = (t) => (t < 0.5 ? `rgb(139 102 194 / ${1 - 2 * t})` : `rgb(224 122 20 / ${2 * t - 1})`);

/**
 * What pushed the detector towards “attack” (orange) or away from it (violet): integrated gradients, one row per node feature, one column per
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
  const ids = distinct(nodes, "source").map(hex);
  const marginLeft = labelRoom(names, width);
  const every = Math.ceil((13 * ids.length) / (width - marginLeft - 20)); // labels that would overlap are left out
  const chart = Plot.plot({
    ...base({width}),
    height: 110 + names.length * 17,
    marginLeft,
    marginBottom: 52,
    x: {domain: ids, ticks: ids.filter((_, i) => i % every === 0), label: "CAN ID", tickRotate: -90, labelOffset: 46},
    y: {domain: names, label: null},
    color: {type: "diverging-sqrt", domain: [-limit, limit], pivot: 0, interpolate: shade, legend: true, ticks: 3, label: "away from ← attribution → towards “attack”"},
    marks: [
      Plot.frame({strokeOpacity: 0.2}),
      Plot.cell(cells, {x: "ID", y: "feature", fill: "value", inset: 0.5, title: (cell) => `${cell.feature} of ${cell.ID}: ${number(cell.value)}`})
    ]
  });
  return figure(chart, {label: `Integrated gradients of the ${names.length} strongest node features by CAN ID`, rows: cells});
}
