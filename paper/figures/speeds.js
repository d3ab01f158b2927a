import * as Plot from "@observablehq/plot";
import {format} from "d3";
import {SIZED} from "./costs.js";
import {figure, message} from "./lib/figure.js";
import {distinct, number} from "./lib/rows.js";
import {base, categoryColor} from "./lib/theme.js";

/**
 * Measured speeds, release by release: one panel per benchmark, from zero. `rows`: rows of `benchmarks` of several releases, each with its
 * `release`, in the order of time.
 */
export function speeds(rows, {width = 640} = {}) {
  if (!rows.length) return message("No release holds measured speeds; `make bench` makes them.");
  const releases = [...new Set(rows.map((row) => row.release))];
  const names = distinct(rows, "name").filter((name) => !SIZED.test(name)); // those are drawn as costs
  const columns = width < 520 ? 1 : width < 960 ? 2 : 3;
  const chart = document.createElement("div");
  chart.className = "kdgat-multiples";
  for (const name of names) {
    const mine = rows.filter((row) => row.name === name);
    chart.append(
      Plot.plot({
        ...base({width: Math.floor(width / columns) - 12}),
        height: 112,
        marginLeft: 58,
        marginBottom: 26,
        marginTop: 30,
        x: {type: "point", domain: releases, label: null, ticks: [...new Set([releases[0], releases.at(-1)])]}, // the names of all would overlap
        y: {label: null, grid: true, zero: true, nice: true, ticks: 2, tickFormat: (value) => (value < 1000 ? String(value) : format("~s")(value))},
        marks: [
          Plot.text([mine[0].unit ? `${name} (${mine[0].unit})` : name], {text: (title) => title, frameAnchor: "top-left", dx: -50, dy: -22, fontWeight: 600, textAnchor: "start", lineWidth: width / columns / 12 - 2, textOverflow: "ellipsis"}),
          Plot.line(mine, {x: "release", y: "value", stroke: categoryColor(0), strokeOpacity: 0.6}),
          Plot.dot(mine, {
            x: "release", y: "value", fill: categoryColor(0), r: 4,
            title: (row) => `${row.release}: ${number(row.value)} ${row.unit}, ${row.n} repetitions\n${row.machine}`
          })
        ]
      })
    );
  }
  return figure(chart, {label: "Measured speeds by release", rows, columns: ["release", "name", "value", "unit", "n", "machine"]});
}
