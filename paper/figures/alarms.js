import * as Plot from "@observablehq/plot";
import {group, quantileSorted} from "d3";
import {figure, message} from "./lib/figure.js";
import {alarms, recordings} from "./lib/events.js";
import {modelLabel} from "./lib/registry.js";
import {distinct, number} from "./lib/rows.js";
import {base, modelColor, modelDash, modelSymbol} from "./lib/theme.js";

const TENS = [1, 10, 100, 1000, 10_000, 100_000];
const THRESHOLDS = 60; // of a curve: quantiles of the model's scores

/**
 * Attack events found against alarm events an hour far from attacks: one panel per car, one line per model over all thresholds, a dot at its
 * operating point. An alarm sounds while `k` of the last `n` windows are over the threshold.
 * `rows`: rows of `predictions` of one dataset, scenario, protocol and seed, with a column for each of `models`; `points`: their rows of
 * `operating_points`; `captures`: rows of `datasets`.
 */
export function alarmCurves(rows, {models = [], points = [], captures = [], k = 1, n = 1, width = 640} = {}) {
  const cars = new Map(captures.map((row) => [row.capture, row.vehicle]));
  const scored = models.filter((model) => rows.some((row) => row[model] != null));
  const lines = Array.from(group(rows, (row) => cars.get(row.capture) ?? "vehicle"), ([car, of]) => {
    const recorded = recordings(of);
    return scored.flatMap((model) => {
      const sorted = Float64Array.from(of, (row) => row[model] ?? 0).sort();
      const at = (threshold, used) => ({car, model, threshold, used, ...alarms(recorded, model, threshold, Math.min(k, n), n)});
      const point = points.find((row) => row.model === model);
      const curve = Array.from({length: THRESHOLDS + 1}, (_, i) => at(quantileSorted(sorted, i / THRESHOLDS), false));
      return [...curve, ...(point ? [at(point.threshold, true)] : [])];
    });
  }).flat();
  const shown = lines.filter((row) => row.events && row.perHour !== null);
  if (!shown.length) return message("No model with scores was selected, or this test has no attack, or no traffic far from attacks.");
  const least = Math.min(...shown.filter((row) => row.alarms).map((row) => row.perHour / row.alarms), 3600) / 2; // half of one alarm: none
  const place = (row) => row.perHour || least;
  const most = Math.max(...shown.map(place));
  const names = distinct(shown, "car");
  const side = width >= 640 && names.length > 1;
  const panel = side ? "fx" : "fy";
  const title = (row) => `${modelLabel(row.model)}, ${row.car}, threshold ${number(row.threshold)}\n${row.found} of ${row.events} attacks found\n${row.alarms} alarms, ${number(row.perHour)} an hour`;
  const chart = Plot.plot({
    ...base({width}),
    height: side ? 300 : 40 + 240 * names.length,
    marginLeft: 46,
    marginTop: 34,
    marginBottom: 42,
    x: {type: "log", label: width < 520 ? "alarms an hour (left edge: none) →" : "alarm events an hour, over 1 s from attacks (left edge: none) →", labelOffset: 36, ticks: TENS.filter((rate) => rate > least && rate <= most), tickFormat: (rate) => rate.toLocaleString("en"), grid: true},
    y: {label: "attack events found", domain: [0, 1], tickFormat: "%", grid: true},
    [panel]: {domain: names, label: null, axis: null, padding: 0.12},
    color: {domain: scored, range: scored.map(modelColor)},
    symbol: {domain: scored, range: scored.map(modelSymbol), legend: true, tickFormat: modelLabel},
    marks: [
      Plot.text(names, {[panel]: (name) => name, text: (name) => name, fontWeight: 600, frameAnchor: "top-right", dy: -16}),
      ...distinct(scored.map((model) => ({dash: modelDash(model)})), "dash").map((dash) =>
        Plot.line(shown.filter((row) => !row.used && modelDash(row.model) === dash).toSorted((a, b) => b.threshold - a.threshold), {
          [panel]: "car", x: place, y: (row) => row.found / row.events, z: "model", stroke: "model", strokeWidth: 2, strokeDasharray: dash
        })
      ),
      Plot.dot(shown.filter((row) => row.used), {
        [panel]: "car", x: place, y: (row) => row.found / row.events, fill: "model", symbol: "model", r: 5, title
      })
    ]
  });
  const table = shown.map(({car, model, threshold, used, perHour, alarms: counted, found, events}) => ({
    car, model, threshold, "operating point": used ? "yes" : "no", alarms: counted, "alarms an hour": perHour, found, events
  }));
  return figure(chart, {label: `Attack events found against alarm events an hour, ${Math.min(k, n)} of ${n} windows, by car`, rows: table});
}
