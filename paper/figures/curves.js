import * as Plot from "@observablehq/plot";
import {brushX, extent, select} from "d3";
import {figure, message} from "./lib/figure.js";
import {modelLabel} from "./lib/registry.js";
import {distinct, models} from "./lib/rows.js";
import {base, modelColor, modelDash, modelSymbol} from "./lib/theme.js";

/** First and last epoch of `rows`. */
export const epochsOf = (rows) => (rows.length ? extent(rows, (row) => row.epoch) : [0, 0]);

/**
 * Training curves, one panel per metric, one line per run, coloured by model.
 * `rows`: rows of `curves`; `smoothing` is the number of epochs of a centred moving average (1: none); `epochs` the span that is drawn;
 * `zoom`: the input that holds that span, which brushing over a panel then sets.
 */
export function curves(rows, {width = 640, smoothing = 1, epochs = epochsOf(rows), zoom} = {}) {
  const shown = rows.filter((row) => row.value != null && row.epoch >= epochs[0] && row.epoch <= epochs[1]);
  if (!shown.length) return message("No training curve was selected.");
  const names = models(shown);
  const metrics = distinct(shown, "metric");
  const line = Plot.windowY({k: smoothing, anchor: "middle", strict: false}, {
    x: "epoch", y: "value", z: (row) => `${row.run} ${row.metric}`, stroke: "model", strokeWidth: 1.8
  });
  const dashes = distinct(names.map((model) => ({dash: modelDash(model)})), "dash");
  const panels = metrics.map((metric) => {
    const own = shown.filter((row) => row.metric === metric);
    return Plot.plot({
      ...base({width}),
      height: 185,
      marginBottom: 40,
      marginLeft: 56,
      x: {labelOffset: 34, label: metric === metrics.at(-1) ? "epoch →" : null, domain: epochs, ticks: Math.max(1, Math.min(10, epochs[1] - epochs[0])), tickFormat: "d"},
      y: {label: metric.replaceAll("_", " "), grid: true, nice: true},
      color: {domain: names, range: names.map(modelColor)},
      symbol: {domain: names, range: names.map(modelSymbol), legend: metric === metrics[0], tickFormat: modelLabel},
      marks: [
        ...dashes.map((dash) => Plot.line(own.filter((row) => modelDash(row.model) === dash), {...line, strokeDasharray: dash})),
        Plot.dot(own, {
          x: "epoch", y: "value", fill: "model", symbol: "model", r: 2, title: (row) => `${modelLabel(row.model)}, seed ${row.seed}, epoch ${row.epoch}: ${row.value}`
        })
      ]
    });
  });
  if (zoom) panels.forEach((panel) => brushed(panel, zoom));
  const chart = document.createElement("div");
  chart.append(...panels);
  return figure(chart, {label: "Training curves by epoch", rows: shown, columns: ["dataset", "model", "seed", "metric", "epoch", "value", "run"]});
}

/** Dragging over a panel asks `zoom` for the epochs under the brush. It lies below the dots, which keep their titles. */
function brushed(panel, zoom) {
  const svg = panel.matches("svg") ? panel : panel.querySelector(":scope > svg:last-of-type");
  const [x, y] = ["x", "y"].map((name) => panel.scale(name));
  const brush = brushX()
    .extent([[x.range[0], y.range[1]], [x.range[1], y.range[0]]])
    .on("end", ({selection, sourceEvent}) => {
      if (!selection || !sourceEvent) return;
      const [from, to] = [Math.ceil(x.invert(selection[0])), Math.floor(x.invert(selection[1]))];
      if (to <= from) return;
      zoom.value = [from, to];
      zoom.dispatchEvent(new CustomEvent("input"));
    });
  const layer = select(svg).insert("g", "[aria-label=dot]").attr("class", "kdgat-brush");
  layer.call(brush);
}
