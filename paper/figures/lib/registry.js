// The project's lists of models and metrics, the same files that the analysis reads.
import {ascending} from "d3";
import metrics from "../../../kdgat/evaluation/metrics.json";
import models from "../../../kdgat/models/models.json";

const byName = (entries) => new Map(entries.map((entry) => [entry.name, entry]));
const MODELS = byName(models);
const METRICS = byName(metrics);

/** Colour of a model; undefined for one that only an older release holds. */
export const colorOf = (model) => MODELS.get(model)?.color;

/** Name of a model for readers; its own name for one that only an older release holds. */
export const modelLabel = (model) => MODELS.get(model)?.label ?? model;

/** Name of a metric for readers. */
export const metricLabel = (metric) => METRICS.get(metric)?.label ?? metric;

/** Orders models as every figure and table shows them; names that the list does not have come last. */
export const byModel = (a, b) => (MODELS.get(a)?.rank ?? Infinity) - (MODELS.get(b)?.rank ?? Infinity) || ascending(a, b);
