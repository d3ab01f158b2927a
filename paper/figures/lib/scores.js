// Window scores of one model, prepared once so that every threshold is answered by binary search.
import {ascending, bin, bisectLeft, extent, group, sort} from "d3";

const BINS = 60;

/**
 * `rows`: rows of `predictions` of one dataset, scenario, protocol and seed; `model`: the score column.
 *
 * Returns sorted scores of both classes, the range, histogram bins (share of each class), the seconds of benign traffic and the attack
 * segments, each with its windows in order, and the ROC curve.
 */
export function scores(rows, model) {
  const shown = rows.filter((row) => row[model] != null);
  const of = (attacked) => Float64Array.from(shown.filter((row) => row.injected > 0 === attacked), (row) => row[model]).sort();
  const attacked = of(true);
  const benign = of(false);
  const [low = 0, high = 1] = extent(shown, (row) => row[model]);
  const edges = Array.from({length: BINS + 1}, (_, i) => low + ((high - low || 1) * i) / BINS);
  const histogram = bin().domain([edges[0], edges[BINS]]).thresholds(edges.slice(1, -1));
  const share = (values, label) =>
    histogram(values).map((b) => ({x0: b.x0, x1: b.x1, label, windows: b.length, share: b.length / (values.length || 1)}));
  const prepared = {
    model,
    windows: shown.length,
    attacked,
    benign,
    low,
    high,
    bins: [...share(benign, "benign"), ...share(attacked, "attacked")],
    benignSeconds: shown.reduce((sum, row) => sum + (row.injected > 0 ? 0 : row.duration), 0),
    segments: segments(shown, model)
  };
  return {...prepared, roc: roc(prepared)};
}

/** Attack segments of a capture: attacked windows less than half a second apart are one event, as in kdgat.evaluation.metrics. */
function segments(rows, model) {
  const groups = [];
  for (const capture of group(rows, (row) => row.capture).values()) {
    let current = null;
    for (const row of sort(capture, (a, b) => ascending(a.window, b.window))) {
      if (row.injected > 0) {
        if (!current || row.t0 - current.at(-1).end >= 0.5) groups.push((current = []));
        current.push({begin: row.t0, end: row.t0 + row.duration, score: row[model]});
      }
    }
  }
  return groups;
}

const over = (sorted, threshold) => sorted.length - bisectLeft(sorted, threshold);

/** Counts and rates when every window whose score is at or over `threshold` is called an attack. */
export function confusionAt({attacked, benign, benignSeconds, segments}, threshold) {
  const tp = over(attacked, threshold);
  const fp = over(benign, threshold);
  const [fn, tn] = [attacked.length - tp, benign.length - fp];
  const ratio = (a, b) => (b ? a / b : null);
  const delays = segments
    .map((windows) => {
      const first = windows.find((window) => window.score >= threshold);
      return first && first.end - windows[0].begin;
    })
    .filter((delay) => delay !== undefined)
    .sort(ascending);
  return {
    tp, fp, tn, fn,
    recall: ratio(tp, tp + fn),
    precision: ratio(tp, tp + fp),
    f1: ratio(2 * tp, 2 * tp + fp + fn),
    fpr: ratio(fp, fp + tn),
    falseAlarmsPerHour: benignSeconds ? (fp / benignSeconds) * 3600 : null,
    detected: delays.length,
    segments: segments.length,
    delays,
    medianDelay: delays.length ? delays[delays.length >> 1] : null
  };
}

/** The ROC curve as at most `points` + 2 points `{threshold, fpr, recall}`, from the highest threshold to the lowest. */
function roc({attacked, benign, low, high}, points = 400) {
  if (!attacked.length || !benign.length) return [];
  const all = Float64Array.from([...attacked, ...benign]).sort();
  const step = Math.max(1, Math.floor(all.length / points));
  const thresholds = [Infinity];
  for (let i = all.length - 1; i >= 0; i -= step) thresholds.push(all[i]);
  thresholds.push(Math.min(low, high));
  return thresholds.map((threshold) => ({
    threshold,
    fpr: over(benign, threshold) / benign.length,
    recall: over(attacked, threshold) / attacked.length
  }));
}
