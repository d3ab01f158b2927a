import * as Plot from "@observablehq/plot";
import {groups, sum} from "d3";
import {figure, message} from "./lib/figure.js";
import {scenarioLabel} from "./lib/registry.js";
import {distinct} from "./lib/rows.js";
import {base, categoryColor, labelColor, labelRoom, sparse} from "./lib/theme.js";

/** Frames of every capture, injected ones apart. `rows`: rows of `datasets`. */
export function captures(rows, {width = 640} = {}) {
  if (!rows.length) return message("No capture was selected.");
  const short = (row) => row.capture.split("/").at(-1).replace(/\.\w+$/, "");
  const name = (row) => (width < 520 ? short(row) : `${scenarioLabel(row.split)}  ${short(row)}`);
  const bars = rows.flatMap((row) => [
    {...row, kind: "injected", count: row.injected},
    {...row, kind: "not injected", count: row.frames - row.injected}
  ]);
  const chart = Plot.plot({
    ...base({width}),
    height: 70 + rows.length * 20,
    marginLeft: labelRoom(rows.map(name), width),
    marginBottom: 42,
    x: {label: "frames →", labelOffset: 36, grid: true, tickFormat: "~s", ticks: width < 520 ? 3 : 6},
    y: {label: null, domain: rows.map((row) => row.capture), tickFormat: (capture) => name(rows.find((row) => row.capture === capture))},
    color: {domain: ["not injected", "injected"], range: [labelColor(false), labelColor(true)], legend: true},
    marks: [
      Plot.barX(bars, {
        x: "count", y: "capture", fill: "kind", order: ["not injected", "injected"],
        title: (bar) => `${bar.capture}\n${scenarioLabel(bar.split)} (${bar.split})\n${bar.vehicle}, ${bar.attack}, ${bar.data_kind}\n${bar.count} frames ${bar.kind}`
      })
    ]
  });
  const columns = ["dataset", "split", "capture", "vehicle", "attack", "data_kind", "frames", "injected", "quarantined", "ids", "seconds", "windows", "positives", "duplicate_of", "sha256"];
  return figure(chart, {label: "Frames of every capture, injected ones apart", rows, columns});
}

/**
 * What was read of each vehicle, real and synthetic captures apart: a row each for a table. `rows`: rows of `datasets`. Captures whose
 * content stands elsewhere count as duplicates only.
 */
export function vehicles(rows) {
  const range = (of, digits) => [Math.min(...of), Math.max(...of)].map((value) => value.toFixed(digits)).filter((text, i, all) => i === 0 || text !== all[0]).join("–");
  return groups(rows, (row) => row.vehicle, (row) => row.data_kind).flatMap(([vehicle, kinds]) =>
    kinds.map(([data, all]) => {
      const read = all.filter((row) => !row.duplicate_of && row.seconds > 0);
      return {
        vehicle,
        data,
        captures: read.length,
        duplicates: all.filter((row) => row.duplicate_of).length,
        attacks: [...new Set(all.map((row) => row.attack))].filter((attack) => attack !== "benign").sort().join(", ") || "none",
        minutes: Number((sum(read, (row) => row.seconds) / 60).toFixed(1)),
        "frames a second": read.length ? range(read.map((row) => row.frames / row.seconds), 0) : null,
        "window (ms)": read.length ? range(read.map((row) => (1000 * row.seconds) / Math.max(row.windows, 1)), 0) : null,
        windows: sum(read, (row) => row.windows),
        attacked: sum(read, (row) => row.positives),
        "rows not readable": sum(all, (row) => row.quarantined)
      };
    })
  );
}

/** How busy each bus is: CAN IDs against frames a second; a cross is synthetic. `rows`: rows of `datasets`. */
export function rates(rows, {width = 640} = {}) {
  const points = rows.filter((row) => row.seconds > 0).map((row) => ({...row, rate: row.frames / row.seconds, "window (ms)": (1000 * row.seconds) / Math.max(row.windows, 1)}));
  if (!points.length) return message("No capture was selected.");
  const names = distinct(points, "vehicle");
  const kinds = distinct(points, "data_kind");
  const chart = Plot.plot({
    ...base({width}),
    height: 320,
    marginLeft: 56,
    marginBottom: 42,
    x: {label: "distinct CAN IDs →", labelOffset: 36, grid: true, type: "log", tickFormat: sparse, inset: 14},
    y: {label: "frames a second", grid: true, zero: true, nice: true},
    color: {domain: names, range: names.map((_, i) => categoryColor(i)), legend: true},
    symbol: {domain: ["real", "synthetic"], range: ["circle", "times"], legend: kinds.length > 1},
    marks: [
      Plot.dot(points, {
        x: "ids", y: "rate", stroke: "vehicle", symbol: "data_kind", r: 5, strokeWidth: 2,
        title: (row) => `${row.capture}\n${row.vehicle}, ${row.attack}, ${row.data_kind}\n${row.ids} IDs, ${row.rate.toFixed(0)} frames/s`
      })
    ]
  });
  return figure(chart, {label: "CAN IDs against frame rate of every capture", rows: points, columns: ["dataset", "capture", "vehicle", "attack", "data_kind", "ids", "rate", "window (ms)"]});
}
