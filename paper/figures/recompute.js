// A number of the release computed again in the reader's browser: metrics of windows, from the frozen scores and operating points.
import {bisectLeft, bisectRight, mean, median, sum} from "d3";
import {confusionAt, scores} from "./lib/scores.js";

const SHOWN = 1e-5; // of a value: thresholds, scores and means are frozen as 32-bit numbers

/** Metrics that follow from window scores and a threshold: name → `(prepared, confusion) → value`, null where it is undefined. */
export const metrics = {
  f1: (_, at) => at.f1,
  precision: (_, at) => at.precision,
  recall: (_, at) => at.recall,
  false_alarms: (_, at) => at.fp,
  false_alarms_per_hour: (_, at) => at.falseAlarmsPerHour,
  roc_auc: ({attacked, benign}) =>
    attacked.length && benign.length
      ? sum(attacked, (score) => (bisectLeft(benign, score) + bisectRight(benign, score)) / 2) / (attacked.length * benign.length)
      : null,
  tpr_at_fpr_1pct: ({attacked, benign}) => {
    if (!attacked.length || !benign.length) return null;
    const limit = benign[benign.length - 1 - Math.floor(0.01 * benign.length + 1e-9)]; // the highest score that must not alarm
    return (attacked.length - bisectRight(attacked, limit)) / attacked.length;
  },
  event_recall: (_, at) => (at.segments ? at.detected / at.segments : null),
  detection_delay: (_, at) => median(at.delays) ?? null
};

/** What a query of one row of `summary` asks for; null for any other, or where scores do not tell. `manifest`: of the release. */
export function asked(query, manifest) {
  const [, conditions] = /^select mean,.* from summary where (.*)$/.exec(query) ?? [];
  if (!conditions) return null;
  const place = Object.fromEntries([...conditions.matchAll(/(\w+) = '([^']*)'/g)].map(([, column, value]) => [column, value]));
  const {columns = {}} = manifest.tables.predictions ?? {};
  return place.attack === "all" && place.metric in metrics && place.model in columns && place.scenario !== "pooled" ? place : null;
}

/** The value of every seed whose scores the release holds, `[{seed, value}]`, and their mean. */
export async function recompute({dataset, scenario, model, protocol, metric}, release) {
  const points = (await release.table("operating_points")).filter((row) => row.dataset === dataset && row.model === model && row.protocol === protocol);
  const groups = await release.groups("predictions", ["seed"], {dataset, scenario});
  const values = [];
  for (const {seed} of groups.sort((a, b) => a.seed - b.seed)) {
    const rows = await release.rows("predictions", {dataset, scenario, protocol, seed}, ["capture", "window", "t0", "duration", "injected", model]);
    const prepared = scores(rows, model);
    const point = points.find((row) => row.seed === seed);
    if (prepared.windows && point) values.push({seed, value: metrics[metric](prepared, confusionAt(prepared, point.threshold))});
  }
  return {values, mean: mean(values, ({value}) => value) ?? null};
}

/** Whether a value computed here is the frozen one. */
export const agrees = (here, frozen) => here !== null && Math.abs(here - frozen) <= SHOWN * Math.max(1, Math.abs(frozen));
