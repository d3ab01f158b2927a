import * as Plot from "@observablehq/plot";
import {ascending, descending, mean, rollup} from "d3";
import {figure, message} from "./lib/figure.js";
import {metricLabel} from "./lib/registry.js";
import {distinct, models, number} from "./lib/rows.js";
import {base, labelRoom, modelColor} from "./lib/theme.js";

/** How models may be ordered: as the method builds them, or by their mean over the scenarios. */
export const orders = ["method", "highest first", "lowest first"];

/**
 * One metric of every model, one panel per scenario: the mean over seeds and its 95 % interval.
 * `rows`: rows of `summary`, of one dataset, protocol, attack and metric. `order`: one of `orders`.
 */
export function leaderboard(rows, {width = 640, metric = rows.length ? rows[0].metric : "", order = "method"} = {}) {
  const shown = rows.filter((row) => row.mean != null);
  if (!shown.length) return message("No value of this metric: the scenario holds one class only, or nothing was selected.");
  const names = ordered(shown, order);
  const scenarios = distinct(shown, "scenario");
  const stacked = width < 640 || scenarios.length > 6; // else the panels stand side by side, and a model is one line across
  const panel = stacked ? "fy" : "fx";
  const title = {[panel]: (name) => name, text: (name) => name, fontWeight: 600, frameAnchor: "top-left", dy: -14};
  const row = {y: "model", [panel]: "scenario"};
  const chart = Plot.plot({
    ...base({width}),
    marginLeft: labelRoom(names, width),
    marginTop: stacked ? 22 : 28,
    marginRight: 12,
    marginBottom: 42,
    height: stacked ? 64 + scenarios.length * (28 + names.length * 18) : 70 + names.length * 21,
    x: {label: `${metricLabel(metric)} →`, labelOffset: 36, grid: true, nice: true, ticks: stacked ? 4 : 3, insetLeft: 5, insetRight: 5},
    y: {domain: names, label: null},
    [panel]: {domain: scenarios, label: null, axis: null, padding: stacked ? 0.12 : 0.16},
    color: {domain: names, range: names.map(modelColor)},
    marks: [
      Plot.text(scenarios, title),
      Plot.ruleY(shown, {...row, stroke: "currentColor", strokeOpacity: 0.1}),
      Plot.ruleY(shown, {...row, x1: "ci_low", x2: "ci_high", stroke: "model", strokeWidth: 3, strokeOpacity: 0.5}),
      Plot.dot(shown, {...row, x: "mean", fill: "model", r: 4.5, title: describe, href: runsOf})
    ]
  });
  chart.querySelectorAll("a").forEach(toClick);
  const columns = ["model", "scenario", "protocol", "mean", "ci_low", "ci_high", "n_seeds", "recordings", "positives", "negatives"];
  return figure(chart, {label: `${metric} by scenario and model, mean over seeds with 95 % interval`, rows: sorted(shown, names), columns, link: runsOf, keys: {mean: keyOf}});
}

/** Rows by scenario, within it in the order of the chart. */
const sorted = (rows, names) => rows.toSorted((a, b) => ascending(a.scenario, b.scenario) || names.indexOf(a.model) - names.indexOf(b.model));

function ordered(rows, order) {
  const names = models(rows);
  if (order === "method") return names;
  const level = rollup(rows, (of) => mean(of, (row) => row.mean), (row) => row.model);
  names.sort((a, b) => descending(level.get(a), level.get(b)));
  return order === "highest first" ? names : names.reverse();
}

/** A chart is one image to a screen reader, so it may hold no links: they work by click here, and as links in the data table. */
function toClick(link) {
  const [dot] = link.children;
  const target = link.getAttribute("href");
  dot.setAttribute("data-href", target);
  dot.setAttribute("cursor", "pointer");
  dot.addEventListener("click", () => location.assign(target));
  link.replaceWith(dot);
}

/** The page of the runs behind a row. */
const runsOf = ({dataset, model}) => `runs.html?${new URLSearchParams({dataset, model})}`;

/** The name of a mean, as analysis.numbers makes it; splits by attack are left to the SQL page. */
const keyOf = ({dataset, scenario, attack, model, protocol, metric}) =>
  attack === "all" && scenario.includes("test") ? `${[dataset, scenario, model, protocol].map(slug).join(".")}.${metric}` : null;
const slug = (name) => name.toLowerCase().replace(/[^a-z0-9_]+/g, "_");

const describe = (row) =>
  `${row.model}, ${row.scenario}, ${row.protocol}\n${row.metric} ${number(row.mean)} (${number(row.ci_low)}–${number(row.ci_high)})\n` +
  `${row.n_seeds} seeds, ${row.recordings} recordings, ${row.positives} attacked and ${row.negatives} benign windows`;
