import * as Plot from "@observablehq/plot";
import {figure, message} from "./lib/figure.js";
import {metricLabel, scenarioLabel} from "./lib/registry.js";
import {distinct, number} from "./lib/rows.js";
import {base, labelRoom, modelColor, panelTitles} from "./lib/theme.js";

/**
 * What one changed factor does: the paired difference from the reference and its 95 % interval, one panel per scenario. A filled dot: the
 * interval excludes zero. `rows`: rows of `ablations` of one dataset, protocol and metric.
 */
export function forest(rows, {width = 640} = {}) {
  const shown = rows.filter((row) => !row.reference && row.difference != null).map((row) => ({...row, change: `${row.factor}: ${row.level}`}));
  if (!shown.length) return message("This release holds no ablations for the selection; flows/ablation_flow.py makes them.");
  const changes = distinct(shown, "change");
  const scenarios = distinct(shown, "scenario");
  const narrow = width < 620;
  const panel = narrow ? "fy" : "fx";
  const metric = shown[0].metric;
  const color = modelColor("gat-student");
  const row = {y: "change", [panel]: "scenario"};
  const chart = Plot.plot({
    ...base({width}),
    height: narrow ? 60 + scenarios.length * (30 + changes.length * 29) : 70 + changes.length * 21,
    marginLeft: narrow ? 8 : labelRoom(changes, width),
    marginTop: narrow ? 24 : 40,
    marginBottom: 42,
    x: {label: `${metricLabel(metric)}, difference from the reference →`, labelOffset: 36, grid: true, nice: true, ticks: narrow ? 4 : 2, insetLeft: 6, insetRight: 6},
    y: {domain: changes, label: null, axis: narrow ? null : "left", insetTop: narrow ? 16 : 0},
    fx: {label: null, axis: null},
    fy: {label: null, axis: null},
    marks: [
      panelTitles(scenarios, scenarioLabel, panel),
      Plot.ruleX([0], {strokeOpacity: 0.6}),
      narrow ? Plot.text(shown, {...row, text: "change", frameAnchor: "left", dy: -11, fontSize: 11, fill: "currentColor", stroke: "var(--kdgat-paper, #fff)", strokeWidth: 5}) : null,
      Plot.ruleY(shown, {...row, x1: "difference_low", x2: "difference_high", stroke: color, strokeWidth: 2}),
      Plot.dot(shown, {...row, x: "difference", stroke: color, strokeWidth: 1.6, r: 3.8, fill: (d) => (told(d) ? color : "var(--kdgat-paper, #fff)"), title: describe})
    ]
  });
  const columns = ["factor", "level", "scenario", "protocol", "difference", "difference_low", "difference_high", "mean", "n_seeds", "parameters"];
  return figure(chart, {label: `${metric} of a model with one factor changed, minus the reference, with 95 % interval`, rows, columns});
}

/** Whether the interval of a difference excludes zero. */
const told = ({difference_low: low, difference_high: high}) => low != null && high != null && (low > 0 || high < 0);

const describe = (row) =>
  `${row.change}, ${scenarioLabel(row.scenario)} (${row.scenario}), ${row.protocol}\n${row.metric} ${number(row.difference)} (${number(row.difference_low)} to ${number(row.difference_high)}) ` +
  `from the reference\n${row.n_seeds} seeds, ${row.parameters} parameters`;
