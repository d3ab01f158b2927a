// The project's lists of models and metrics and its words for scenarios, the same files that the analysis reads.
import {ascending, rollup} from "d3";
import {scenarios} from "../../../analysis/reference/palette.json";
import list from "../../../kdgat/evaluation/metrics.json";
import models from "../../../kdgat/models/models.json";

const byName = (entries) => new Map(entries.map((entry) => [entry.name, entry]));
const MODELS = byName(models);
const METRICS = byName(list);

/** Colour of a model; undefined for one that only an older release holds. */
export const colorOf = (model) => MODELS.get(model)?.color;

/** Name of a model for readers; its own name for one that only an older release holds. */
export const modelLabel = (model) => MODELS.get(model)?.label ?? model;

/** What a model is: `teacher`, `student` or `baseline`; undefined for one that only an older release holds. */
export const roleOf = (model) => MODELS.get(model)?.role;

/** A scenario in words, as analysis.reference.labels has them: what a detector knows of car and attack where the folder's name tells, else that name. */
export const scenarioLabel = (scenario) => scenarios[scenario] ?? scenario.replaceAll("_", " ").replaceAll(/-(?=test|left)/g, " ");

/** Name of a metric for readers. */
export const metricLabel = (metric) => METRICS.get(metric)?.label ?? metric;

/** The metrics of `rows`, in the order of the list. */
export const metrics = (rows) => {
  const held = new Set(rows.map((row) => row.metric));
  return [...METRICS.keys()].filter((name) => held.has(name)).concat([...held].filter((name) => !METRICS.has(name)).sort(ascending));
};

/** Unit of a metric, empty for a share; which way is good, `high`, `low` or null. */
export const unitOf = (metric) => METRICS.get(metric)?.unit ?? "";
export const directionOf = (metric) => METRICS.get(metric)?.direction ?? null;

/** The kinds of detector that the table or figure `label` compares, each with its models, by rank: kind → names. */
export const kindsOf = (label) => {
  const entries = models.filter((entry) => entry.compared?.includes(label)).sort((a, b) => a.rank - b.rank);
  return rollup(entries, (of) => of.map(({name}) => name), ({kind}) => kind);
};

/** Whether a model knows the labels, and bounds what others can reach. */
export const isBound = (model) => MODELS.get(model)?.bound ?? false;

/** Whether releases keep a model's window scores. */
export const isScored = (model) => MODELS.get(model)?.scored ?? false;

/** Orders models as every figure and table shows them; names that the list does not have come last. */
export const byModel = (a, b) => (MODELS.get(a)?.rank ?? Infinity) - (MODELS.get(b)?.rank ?? Infinity) || ascending(a, b);
