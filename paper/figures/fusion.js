import * as Plot from "@observablehq/plot";
import {max, mean, rollups} from "d3";
import {figure, message} from "./lib/figure.js";
import {scenarioLabel} from "./lib/registry.js";
import {benignFirst, number} from "./lib/rows.js";
import {base, labelRoom} from "./lib/theme.js";

const SCALE = {scheme: "cividis", legend: true, marginLeft: 12};
const EDGE = {inset: 0.5, stroke: "currentColor", strokeOpacity: 0.35}; // by which the darkest cells are seen on a dark page, too
const NONE = "This release holds no fusion policy for the selection.";

/** How often each weight α was chosen, one row per attack. `rows`: rows of `policy` of one dataset and model. */
export function alphaByAttack(rows, {width = 640} = {}) {
  if (!rows.length) return message(NONE);
  const cells = rollups(rows, (group) => group.length, (row) => row.attack, (row) => Math.round(row.alpha * 20) / 20).flatMap(([attack, counts]) => {
    const total = counts.reduce((sum, [, n]) => sum + n, 0);
    return counts.map(([alpha, windows]) => ({attack, alpha, windows, share: windows / total}));
  });
  const attacks = benignFirst(cells, "attack");
  const chart = Plot.plot({
    ...base({width}),
    height: 70 + attacks.length * 30,
    marginLeft: 100,
    marginBottom: 42,
    x: {label: "α: weight of the classifier →", labelOffset: 36, domain: [-0.025, 1.025], ticks: 6},
    y: {domain: attacks, label: null},
    color: {...SCALE, label: "share of the attack's windows"},
    marks: [
      Plot.barX(cells, {
        x1: (cell) => cell.alpha - 0.025, x2: (cell) => cell.alpha + 0.025, y: "attack", fill: "share", ...EDGE,
        title: (cell) => `${cell.attack}: α = ${cell.alpha} in ${cell.windows} windows (${number(cell.share * 100)} %)`
      })
    ]
  });
  return figure(chart, {label: "Chosen fusion weight by attack", rows: cells});
}

/** The mean weight over the state: calibrated anomaly score against attack probability. */
export function policyMap(rows, {width = 640, bins = 12} = {}) {
  if (!rows.length) return message(NONE);
  const index = (value) => Math.min(bins - 1, Math.floor(value * bins));
  const cells = rollups(
    rows,
    (group) => ({windows: group.length, alpha: mean(group, (row) => row.alpha), regret: mean(group, (row) => row.regret)}),
    (row) => index(row.anomaly),
    (row) => index(row.p_attack)
  ).flatMap(([i, column]) => column.map(([j, cell]) => ({anomaly: i / bins, "attack probability": j / bins, ...cell})));
  const side = Math.min(width, 440);
  const chart = Plot.plot({
    ...base({width: side}),
    height: side * 0.9,
    marginLeft: 52,
    marginTop: 30,
    marginBottom: 42,
    x: {label: "anomaly score →", labelOffset: 36, domain: [0, 1]},
    y: {label: "attack probability", domain: [0, 1]},
    color: {...SCALE, domain: [0, 1], label: "mean α"},
    marks: [
      Plot.rect(cells, {
        x1: "anomaly", x2: (cell) => cell.anomaly + 1 / bins, y1: "attack probability", y2: (cell) => cell["attack probability"] + 1 / bins,
        fill: "alpha", ...EDGE, title: (cell) => `${cell.windows} windows, mean α ${number(cell.alpha)}, mean regret ${number(cell.regret)}`
      })
    ]
  });
  return figure(chart, {label: "Mean fusion weight over the two scores", rows: cells});
}

/** Regret against the best weight in hindsight: the mean, and the share of windows where another weight had earned more. */
export function regret(rows, {width = 640} = {}) {
  if (!rows.length) return message(NONE);
  const bars = rollups(
    rows,
    (group) => ({windows: group.length, "mean regret": mean(group, (row) => row.regret), "windows with regret": mean(group, (row) => Number(row.regret > 0))}),
    (row) => row.scenario,
    (row) => row.attack
  ).flatMap(([scenario, inner]) => inner.map(([attack, cell]) => ({scenario, attack, ...cell})));
  const key = (bar) => `${bar.scenario} ${bar.attack}`;
  const names = [...new Set(bars.map(key))].sort();
  const narrow = width < 520;
  const lines = (name) => bars.filter((bar) => key(bar) === name).slice(0, 1).flatMap(({scenario, attack}) => (narrow ? [scenarioLabel(scenario), attack] : [`${scenarioLabel(scenario)}: ${attack}`]));
  const chart = Plot.plot({
    ...base({width}),
    height: 60 + names.length * (narrow ? 30 : 20),
    marginLeft: labelRoom(names.flatMap(lines), width),
    marginBottom: 42,
    x: {label: "mean regret →", labelOffset: 36, grid: true, domain: [0, max(bars, (bar) => bar["mean regret"]) || 1]},
    y: {domain: names, label: null, tickFormat: (name) => lines(name).join("\n")},
    marks: [
      Plot.barX(bars, {
        x: "mean regret", y: key, fill: "#009E73",
        title: (bar) => `${scenarioLabel(bar.scenario)} (${bar.scenario}), ${bar.attack}\n${bar.windows} windows, mean regret ${number(bar["mean regret"])}, ${number(bar["windows with regret"] * 100)} % with any`
      }),
      Plot.ruleX([0])
    ]
  });
  return figure(chart, {label: "Mean regret of the fusion policy by scenario and attack", rows: bars});
}
