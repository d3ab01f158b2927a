import * as Plot from "@observablehq/plot";
import {figure, message} from "./lib/figure.js";
import {distinct} from "./lib/rows.js";
import {base, labelColor} from "./lib/theme.js";
import {hex} from "./lib/window.js";

/** The frames of one window on a time axis, one line per ID; injected frames stand out. `rows`: rows of `graphs` of one window. */
export function windowFrames(rows, {width = 640} = {}) {
  if (!rows.length) return message("No window was selected.");
  const ids = distinct(rows, "id");
  const shown = rows.map((row) => ({frame: row.frame, "offset (ms)": row.offset * 1000, ID: hex(row.id), injected: row.label ? "yes" : "no"}));
  const chart = Plot.plot({
    ...base({width}),
    marginBottom: 42,
    height: 64 + ids.length * 15,
    marginLeft: 64,
    x: {labelOffset: 36, label: "time after the window's first frame (ms) →", grid: true},
    y: {domain: ids.map(hex), label: "CAN ID"},
    color: {domain: ["no", "yes"], range: [labelColor(false), labelColor(true)]},
    symbol: {domain: ["no", "yes"], range: ["circle", "times"]},
    marks: [
      Plot.dot(shown, {
        x: "offset (ms)", y: "ID", stroke: "injected", symbol: "injected", r: 3, strokeWidth: 1.6,
        title: (row) => `frame ${row.frame}, ID ${row.ID}, ${row["offset (ms)"].toFixed(2)} ms${row.injected === "yes" ? ", injected" : ""}`
      })
    ]
  });
  return figure(chart, {label: `The ${rows.length} frames of the window by time and CAN ID`, rows: shown});
}
