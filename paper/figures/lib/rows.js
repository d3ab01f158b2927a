// Small questions about rows.
import {ascending} from "d3";
import {byModel} from "./registry.js";

/** Sorted distinct values of a column. */
export const distinct = (rows, column) => [...new Set(rows.map((row) => row[column]))].sort(ascending);

/** Rows whose columns have the given values. */
export const where = (rows, values) => rows.filter((row) => Object.entries(values).every(([column, value]) => row[column] === value));

/** The models of `rows`, in that order. */
export const models = (rows) => distinct(rows, "model").sort(byModel);

/** The models of `points` (rows of `operating_points`) whose window scores the release keeps. */
export const scored = (points, {tables}) => models(points).filter((model) => model in (tables.predictions?.columns ?? {}));

/** The scenario of a dataset in which a model misjudges the largest share of windows without any traffic of the car. `rows`: rows of `confusion`. */
export function hardest(rows, dataset, model = "gat-student") {
  const of = where(rows, {dataset, attack: "all", protocol: "zero-shot"});
  const own = of.some((row) => row.model === model) ? where(of, {model}) : of;
  const share = (scenario) => where(own, {scenario}).reduce(([wrong, all], {tp, fp, tn, fn}) => [wrong + fp + fn, all + tp + fp + tn + fn], [0, 0]);
  const rate = (scenario) => share(scenario)[0] / share(scenario)[1];
  return distinct(own, "scenario").sort((a, b) => rate(b) - rate(a))[0];
}

/** Runs of the method, or of its ablations, whose models are named `<model> (<factor>: <level>)`. */
export const parts = ["method", "ablations"];
export const ofPart = (rows, part) => rows.filter((row) => row.model.endsWith(")") === (part === "ablations"));

/** Sorted distinct values of a column, `benign` first: its colour is then the same everywhere. */
export const benignFirst = (rows, column) => distinct(rows, column).sort((a, b) => (b === "benign") - (a === "benign"));

/** A number for reading: four significant figures at most, `n/a` for what is undefined. */
export function number(value) {
  if (value == null || Number.isNaN(value)) return "n/a";
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}
