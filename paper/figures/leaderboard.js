import * as Plot from "@observablehq/plot";
import {ascending, descending, mean, rollup} from "d3";
import published from "../../analysis/reference/published.json";
import {element, figure, message} from "./lib/figure.js";
import {directionOf, isBound, isScored, metricLabel, modelLabel, scenarioLabel, unitOf} from "./lib/registry.js";
import {distinct, models, number} from "./lib/rows.js";
import {base, fitted, labelRoom, modelColor, modelSymbol, panelTitles} from "./lib/theme.js";

/** How models may be ordered: by their mean over the scenarios, or as the method builds them. */
export const orders = ["best first", "method", "highest first", "lowest first"];

/** Values that others printed for these scenarios, as rows beside those of `summary`; cited, not measured here. */
export function asPublished({dataset, protocol, metric, attack}) {
  const tables = Object.values(published).filter((table) => table.dataset === dataset && table.metric === metric);
  if (protocol !== "zero-shot" || attack !== "all") return [];
  return tables.flatMap(({rows}) =>
    rows.flatMap(({model, values}) => Object.entries(values).map(([scenario, mean]) => ({dataset, scenario, protocol, metric, attack, model: `${model} (cited)`, mean, kind: "published"})))
  );
}

/** What a metric is worth where every window is called an attack: a row's floor, null where that is not told. */
export function floorOf({metric, positives, negatives}) {
  if (!positives) return null;
  return {f1: (2 * positives) / (2 * positives + negatives), precision: positives / (positives + negatives)}[metric] ?? null;
}

/**
 * One metric of every model, one panel per scenario: the mean over seeds and its 95 % interval. A dashed line is the floor; what others
 * printed and bounds, which know the labels, stand below the ranking, hollow.
 * `rows`: rows of `summary`, of one dataset, protocol, attack and metric. `order`: one of `orders`.
 */
export function leaderboard(rows, {width = 640, metric = rows.length ? rows[0].metric : "", order = "best first", cited = []} = {}) {
  const measured = rows.filter((row) => row.mean != null).map((row) => ({...row, kind: isBound(row.model) ? "bound" : "measured"}));
  if (!measured.length) return message("No value of this metric: the scenario holds one class only, or nothing was selected.");
  const scenarios = distinct(measured, "scenario");
  const shown = [...measured, ...cited.filter((row) => scenarios.includes(row.scenario))];
  const of = (kind) => shown.filter((row) => row.kind === kind);
  const names = [...ordered(of("measured"), order, metric), ...distinct(of("published"), "model"), ...models(of("bound"))];
  const label = (model) => (isBound(model) && width >= 520 ? `${modelLabel(model)} (bound)` : modelLabel(model));
  const floors = scenarios.flatMap((scenario) => measured.filter((row) => row.scenario === scenario).slice(0, 1)).map((row) => ({...row, floor: floorOf(row)})).filter(({floor}) => floor !== null);
  const stacked = width < 640 || scenarios.length > 6; // else the panels stand side by side, and a model is one line across
  const panel = stacked ? "fy" : "fx";
  const size = stacked ? 10.5 : 12;
  const room = labelRoom(names.map(label), width, size);
  const [lines, apart] = [names.length * 18, 56]; // pixels of a panel, and between two
  const row = {y: "model", [panel]: "scenario"};
  const hollow = of("published").concat(of("bound"));
  const counted = unitOf(metric) === "1/h"; // over orders of magnitude, and down to none
  const chart = Plot.plot({
    ...base({width}),
    marginLeft: room,
    marginTop: stacked ? 22 : 40,
    marginRight: 12,
    marginBottom: 42,
    height: stacked ? 64 + scenarios.length * (apart + lines) : 82 + names.length * 21,
    x: {
      label: `${metricLabel(metric)}${unitOf(metric) ? ` (${unitOf(metric)})` : ""} →`, labelOffset: 36, grid: true, insetLeft: 5, insetRight: 5,
      ...(counted ? {type: "symlog"} : {nice: true})
    },
    y: {domain: names, label: null, axis: null},
    [panel]: {domain: scenarios, label: null, axis: null, padding: stacked ? apart / (apart + lines) : 0.16},
    color: {domain: names, range: names.map(modelColor)},
    marks: [
      panelTitles(scenarios, scenarioLabel, panel),
      Plot.axisY({tickFormat: (model) => fitted(label(model), room, size), title: (model) => model, fontSize: size}),
      // one panel below the other: each has its own ticks
      Plot.axisX({facetAnchor: stacked ? null : "bottom", ...(counted ? {ticks: [0, 10, 1000, 100_000], tickFormat: "~s"} : {ticks: stacked ? 4 : 3})}),
      Plot.ruleY(shown, {...row, stroke: "currentColor", strokeOpacity: 0.1}),
      Plot.ruleX(floors, {[panel]: "scenario", x: "floor", stroke: "currentColor", strokeDasharray: "3 3", strokeOpacity: 0.7}),
      Plot.ruleY(measured, {...row, x1: "ci_low", x2: "ci_high", stroke: "model", strokeWidth: 2.5}),
      Plot.dot(of("measured"), {...row, x: "mean", fill: "model", symbol: (d) => modelSymbol(d.model), r: 4.5, title: describe, href: windowsOf}),
      Plot.dot(hollow, {...row, x: "mean", stroke: "currentColor", strokeWidth: 1.5, symbol: (d) => (d.kind === "bound" ? "circle" : "diamond"), r: 4.5, title: describe})
    ]
  });
  chart.querySelectorAll("a").forEach(toClick);
  const columns = ["model", "scenario", "protocol", "mean", "ci_low", "ci_high", "n_seeds", "recordings", "positives", "negatives", ...(hollow.length ? ["kind"] : [])];
  const node = figure(chart, {
    label: `${metric} by scenario and model, mean over seeds with 95 % interval`, rows: sorted(shown, names), columns,
    link: (row) => (row.kind === "published" ? null : runsOf(row)), keys: {mean: (row) => (row.kind === "published" ? null : keyOf(row))}
  });
  const says = [floors.length && "dashed: every window called an attack", of("published").length && "diamonds: as printed by others, not measured here", of("bound").length && "hollow circles: bounds that know the labels, out of the ranking"].filter(Boolean);
  if (says.length) node.insertBefore(element("p", {class: "kdgat-readout"}, `${says.join("; ")}.`), node.lastChild);
  return node;
}

/** Rows by scenario, within it in the order of the chart. */
const sorted = (rows, names) => rows.toSorted((a, b) => ascending(a.scenario, b.scenario) || names.indexOf(a.model) - names.indexOf(b.model));

function ordered(rows, order, metric) {
  const names = models(rows);
  if (order === "method") return names;
  const level = rollup(rows, (of) => mean(of, (row) => row.mean), (row) => row.model);
  names.sort((a, b) => descending(level.get(a), level.get(b)));
  const low = order === "lowest first" || (order === "best first" && directionOf(metric) === "low");
  return low ? names.reverse() : names;
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

/** The page of the windows behind a row where the release keeps their scores, else of its runs. */
const windowsOf = (row) =>
  isScored(row.model) ? `errors.html?${new URLSearchParams({dataset: row.dataset, scenario: row.scenario, protocol: row.protocol, model: row.model})}` : runsOf(row);

/** The page of the runs behind a row. */
const runsOf = ({dataset, model}) => `runs.html?${new URLSearchParams({dataset, model})}`;

/** The name of a mean, as analysis.numbers makes it; splits by attack are left to the SQL page. */
const keyOf = ({dataset, scenario, attack, model, protocol, metric}) =>
  attack === "all" && scenario.includes("test") ? `${[dataset, scenario, model, protocol].map(slug).join(".")}.${metric}` : null;
const slug = (name) => name.toLowerCase().replace(/[^a-z0-9_]+/g, "_");

const describe = (row) =>
  row.kind === "published" ? `${row.model}, ${scenarioLabel(row.scenario)} (${row.scenario})\n${row.metric} ${number(row.mean)}, not measured here` :
  `${modelLabel(row.model)} (${row.model}), ${scenarioLabel(row.scenario)} (${row.scenario}), ${row.protocol}\n${row.metric} ${number(row.mean)} (${number(row.ci_low)}–${number(row.ci_high)})\n` +
  `${row.n_seeds} seeds, ${row.recordings} recordings, ${row.positives} attacked and ${row.negatives} benign windows`;
