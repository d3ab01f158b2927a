import * as Plot from "@observablehq/plot";
import {figure, message} from "./lib/figure.js";
import {distinct, models} from "./lib/rows.js";
import {base, modelColor} from "./lib/theme.js";

/**
 * Training curves, a panel a metric, a line a run, coloured by model.
 * `rows`: rows of `curves`; `smoothing` is the number of epochs of a centred moving average (1: none).
 */
export function curves(rows, {width = 640, smoothing = 1} = {}) {
  const shown = rows.filter((row) => row.value != null);
  if (!shown.length) return message("No training curve was selected.");
  const names = models(shown);
  const metrics = distinct(shown, "metric");
  const line = Plot.windowY({k: smoothing, anchor: "middle", strict: false}, {
    x: "epoch", y: "value", z: (row) => `${row.run} ${row.metric}`, stroke: "model", strokeWidth: 1.8
  });
  const panels = metrics.map((metric) =>
    Plot.plot({
      ...base({width}),
      height: 185,
      marginBottom: 40,
      marginLeft: 56,
      x: {labelOffset: 34, label: metric === metrics.at(-1) ? "epoch →" : null, ticks: Math.min(10, 1 + Math.max(...shown.map((row) => row.epoch))), tickFormat: "d"},
      y: {label: metric, grid: true, nice: true},
      color: {domain: names, range: names.map(modelColor), legend: metric === metrics[0]},
      marks: [
        Plot.line(shown.filter((row) => row.metric === metric), line),
        Plot.dot(shown.filter((row) => row.metric === metric), {
          x: "epoch", y: "value", fill: "model", r: 2, title: (row) => `${row.model}, seed ${row.seed}, epoch ${row.epoch}: ${row.value}`
        })
      ]
    })
  );
  const chart = document.createElement("div");
  chart.append(...panels);
  return figure(chart, {label: "Training curves by epoch", rows: shown, columns: ["dataset", "model", "seed", "metric", "epoch", "value", "run"]});
}
