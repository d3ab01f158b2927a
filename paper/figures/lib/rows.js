// Small questions about rows.
import {ascending} from "d3";

/** Sorted distinct values of a column. */
export const distinct = (rows, column) => [...new Set(rows.map((row) => row[column]))].sort(ascending);

/** Rows whose columns have the given values. */
export const where = (rows, values) => rows.filter((row) => Object.entries(values).every(([column, value]) => row[column] === value));

/** The models in the order in which every figure and table shows them: in the order of the method, teacher before student. */
const FAMILIES = ["vgae", "gat", "fusion-dqn", "fusion-linucb", "fusion-mean", "fusion", "gbm", "interarrival", "frequency"];
const ROLES = ["teacher", "student", "baseline"];
export function byModel(a, b) {
  const rank = (model) => {
    const family = FAMILIES.findIndex((name) => model.startsWith(name));
    const role = ROLES.findIndex((name) => model.endsWith(name));
    return (family < 0 ? FAMILIES.length : family) * 10 + role;
  };
  return rank(a) - rank(b) || ascending(a, b);
}

/** The models of `rows`, in that order. */
export const models = (rows) => distinct(rows, "model").sort(byModel);

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
