import * as Plot from "@observablehq/plot";
import {figure, message} from "./lib/figure.js";
import {modelLabel} from "./lib/registry.js";
import {base, categoryColor, fitted, labelRoom} from "./lib/theme.js";

const STAGES = ["prepare", "vgae", "gat", "fusion", "baseline", "evaluate", "ablation"];

/** Runs that trained or scored a model (`metrics` says which): all of them for "all". A mean of scores has no training of its own. */
export function runsOf(runs, metrics, model) {
  if (model === "all") return runs;
  const scored = new Set(metrics.filter((row) => row.model === model).map((row) => row.run));
  return runs.filter((row) => row.model === model || scored.has(row.run));
}

/** When each run of the flow ran and for how long. `rows`: rows of `runs`. */
export function timeline(rows, {width = 640} = {}) {
  if (!rows.length) return message("No run was selected.");
  const origin = Math.min(...rows.map((row) => Date.parse(row.started)));
  const bars = rows
    .map((row) => ({...row, name: `${row.model ? modelLabel(row.model) : row.stage}, ${row.seed}`, begin: (Date.parse(row.started) - origin) / 1000}))
    .sort((a, b) => a.begin - b.begin || (a.run < b.run ? -1 : 1));
  const room = labelRoom(bars.map((bar) => bar.name), width);
  const least = (bars.at(-1).begin + bars.at(-1).seconds) / width; // one pixel: what took no time is seen, too
  const chart = Plot.plot({
    ...base({width}),
    height: 70 + bars.length * 16,
    marginLeft: room,
    marginBottom: 42,
    x: {label: "seconds after the first run began →", labelOffset: 36, grid: true, ticks: width < 520 ? 3 : 8},
    y: {label: "model, seed", labelAnchor: "top", labelArrow: "none", domain: bars.map((bar) => bar.run), tickFormat: (run) => fitted(bars.find((bar) => bar.run === run).name, room)},
    color: {domain: STAGES, range: STAGES.map((_, i) => categoryColor(i)), legend: true},
    marks: [
      Plot.barX(bars, {
        x1: "begin", x2: (bar) => bar.begin + Math.max(bar.seconds, 2 * least), y: "run", fill: "stage",
        title: (bar) => `${bar.run}\n${bar.name}\n${bar.seconds.toFixed(1)} s, commit ${bar.commit.slice(0, 10)}, configuration ${bar.config_hash.slice(0, 10)}`
      })
    ]
  });
  const columns = ["run", "stage", "model", "dataset", "seed", "preset", "commit", "dirty", "config_hash", "data_hash", "data_kind", "started", "seconds", "parameters", "machine"];
  return figure(chart, {label: "Runs of the flow over time", rows: bars, columns});
}
