// Window graphs with the feature sets `relative`, `profile` and `memory`, as kdgat.graphs.features defines them. Held to the Python engine by shared vectors.
//
// Frames are columns: {t: Float64Array s, id: Uint32Array, dlc: Uint8Array, payload: Uint8Array 8 a frame, label: Uint8Array}.
import {extent, median, quantileSorted} from "d3";
import {BITS, FLOOR, LIMIT} from "./constants.js";
import {COLUMNS, remembered} from "./memory.js";

const FASTEST_PERIOD = 4e-3; // s; faster IDs do not enter a profile: an attack that had begun would pass for normal traffic
const CONSTANT_FRAMES = 5; // frames an ID needs before its unchanging bytes count as constant
const CLIP = 10; // of standardised features
const RELATIVE = 23;
const PROFILE = 10;
const WIDTHS = {relative: RELATIVE, profile: RELATIVE + PROFILE, memory: RELATIVE + 2 * COLUMNS + 4};
const EDGE = 10;

const clip = (x) => Math.min(LIMIT, Math.max(-LIMIT, x));
const logRatio = (a, b) => clip(Math.log2((a + FLOOR) / (b + FLOOR)));
const middle = (values) => median(values) ?? 0;
const sum = (values) => values.reduce((a, b) => a + b, 0);
const mean = (values) => (values.length ? sum(values) / values.length : 0);
/** Standard deviation over all values. */
const std = (values, around = mean(values)) => Math.sqrt(mean(values.map((v) => (v - around) ** 2)));

/** Positions of `keys` by key, in the order of first appearance. */
function grouped(keys) {
  const groups = new Map();
  keys.forEach((key, i) => (groups.has(key) ? groups.get(key).push(i) : groups.set(key, [i])));
  return groups;
}

/** What differs between the payloads of frames f and g: share of the bits that both have, and which byte positions. */
function difference({dlc, payload}, f, g) {
  const both = Math.min(dlc[f], dlc[g]);
  let bits = 0;
  let bytes = 0;
  for (let k = 0; k < both; k += 1) {
    const changed = payload[8 * f + k] ^ payload[8 * g + k];
    bits += BITS[changed];
    bytes |= (changed !== 0) << k;
  }
  return {share: both ? bits / (8 * both) : 0, bytes};
}

/** Whether payload or DLC of frames f and g differ. */
function differs({dlc, payload}, f, g) {
  if (dlc[f] !== dlc[g]) return true;
  for (let k = 0; k < 8; k += 1) if (payload[8 * f + k] !== payload[8 * g + k]) return true;
  return false;
}

/** 1 − entropy deficit of all bytes of the frames `own`: entropy of their histogram over the log of their number. */
function byteEntropy({dlc, payload}, own) {
  const histogram = new Map();
  let n = 0;
  for (const f of own) {
    for (let k = 0; k < dlc[f]; k += 1) histogram.set(payload[8 * f + k], (histogram.get(payload[8 * f + k]) ?? 0) + 1);
    n += dlc[f];
  }
  if (n < 2) return 0;
  return Math.max(0, 1 - sum([...histogram.values()].map((h) => h * Math.log2(h))) / (n * Math.log2(n)));
}

/**
 * The graph of the `size` frames from frame `begin`.
 *
 * `features`: "relative", "profile" or "memory"; `profile` (from `fitProfile`) or null where the vehicle is unknown. For "memory" the
 * frames have a column `memory` too: what `Memory` made of each.
 * Returns ids (u32 a node), x (f32, nodes × columns), source and target (node numbers), edges (f32, edges × 10), share (f32 a node,
 * sums to 1), injected (labelled frames a node), counts (frames a node).
 */
export function windowGraph(frames, begin, size, features, profile = null) {
  const {t, id, dlc, label} = frames;
  const at = Array.from({length: size}, (_, i) => begin + i);
  const nodes = grouped(at.map((f) => id[f]));
  const ids = [...nodes.keys()];
  const number = new Map(ids.map((code, u) => [code, u]));
  const node = at.map((f) => number.get(id[f]));
  const links = grouped(at.slice(1).map((_, i) => node[i] * size + node[i + 1]));
  const ends = [...links.keys()].map((key) => [Math.floor(key / size), key % size]);
  const linked = new Set(links.keys());

  const duration = Math.max(0, t[begin + size - 1] - t[begin]);
  const busGaps = at.slice(1).map((f) => Math.max(0, t[f] - t[f - 1]));
  const busGap = middle(busGaps);
  const logGap = busGaps.map((gap) => logRatio(gap, busGap));
  const own = [...nodes.values()].map((positions) => positions.map((i) => begin + i));
  const counts = own.map((list) => list.length);
  const gapsOf = own.map((list) => list.slice(1).map((f, j) => Math.max(0, t[f] - t[list[j]])));
  const medianCount = middle(counts);
  const medianMeanGap = middle(gapsOf.filter((gaps) => gaps.length).map(mean));
  const [inDegree, outDegree, loops] = [0, 1, 2].map(() => new Float64Array(ids.length));
  ends.forEach(([u, v], e) => {
    if (u === v) loops[u] = links.get(u * size + v).length;
    else [outDegree[u], inDegree[v]] = [outDegree[u] + 1, inDegree[v] + 1];
  });

  const width = WIDTHS[features];
  const x = new Float32Array(ids.length * width);
  own.forEach((list, u) => {
    const c = counts[u];
    const positions = nodes.get(ids[u]);
    const gaps = gapsOf[u];
    const meanGap = mean(gaps);
    const repeats = list.slice(1).map((f, j) => ({...difference(frames, f, list[j]), changed: differs(frames, f, list[j]), dlc: dlc[f] !== dlc[list[j]]}));
    const hamming = repeats.map(({share}) => share);
    const lowDlc = Math.min(...list.map((f) => dlc[f]));
    const varying = repeats.reduce((mask, {bytes}) => mask | bytes, 0) & ((1 << lowDlc) - 1);
    const before = positions.filter((i) => i > 0).map((i) => logGap[i - 1]);
    const after = positions.filter((i) => i < size - 1).map((i) => logGap[i]);
    const lower = counts.filter((other) => other < c).length;
    const ties = counts.filter((other) => other === c).length - 1;
    const hammingMean = mean(hamming);
    x.set([
      c / size,
      ids.length > 1 ? (lower + 0.5 * ties) / (ids.length - 1) : 0,
      clip(Math.log2(c / medianCount)),
      Number(c === 1),
      meanGap > 0 ? std(gaps, meanGap) / meanGap : 0,
      meanGap > 0 ? Math.min(...gaps) / meanGap : 0,
      meanGap > 0 ? Math.log1p(Math.max(...gaps) / meanGap) : 0,
      c > 1 ? logRatio(meanGap, medianMeanGap) : 0,
      duration > 0 ? Math.min(1, Math.max(0, t[list.at(-1)] - t[list[0]]) / duration) : 0,
      positions.filter((i) => i < size / 2).length / c,
      hammingMean,
      Math.sqrt(Math.max(0, mean(hamming.map((h) => h * h)) - hammingMean ** 2)),
      mean(repeats.map(({changed}) => Number(changed))),
      lowDlc ? BITS[varying] / lowDlc : 0,
      mean(repeats.map((repeat) => Number(repeat.dlc))),
      byteEntropy(frames, list),
      mean(before),
      before.length ? Math.min(...before) : 0,
      mean(after),
      after.length ? Math.min(...after) : 0,
      inDegree[u] / c,
      outDegree[u] / c,
      loops[u] / c
    ], u * width);
  });
  if (features === "profile") againstProfile({frames, own, gapsOf, ids, duration, size, width, x}, profile);
  if (features === "memory") remembered({frames, own, ids, duration, size}, profile).forEach((row, u) => x.set(row, u * width + RELATIVE));

  const edges = new Float32Array(ends.length * EDGE);
  ends.forEach(([u, v], e) => {
    const positions = links.get(u * size + v);
    const c = positions.length;
    const gaps = positions.map((i) => logGap[i]);
    edges.set([
      c / (size - 1),
      c / counts[u],
      c / counts[v],
      Number(u !== v && linked.has(v * size + u)),
      Number(u === v),
      mean(gaps),
      Math.min(...gaps),
      std(gaps),
      mean(positions.map((i) => difference(frames, begin + i, begin + i + 1).share)),
      mean(positions.map((i) => Number(dlc[begin + i] === dlc[begin + i + 1])))
    ], e * EDGE);
  });
  return {
    ids, counts, x, edges,
    source: ends.map(([u]) => u),
    target: ends.map(([, v]) => v),
    transitions: ends.map(([u, v]) => links.get(u * size + v).length),
    share: Float32Array.from(counts, (c) => c / size),
    injected: own.map((list) => sum(list.map((f) => Number(label[f] !== 0))))
  };
}

/** The last ten columns of `profile`: how each node deviates from the vehicle's profile. */
function againstProfile({frames, own, gapsOf, ids, duration, size, width, x}, profile) {
  if (!profile) return; // nothing is known: zeros
  const {t, dlc, payload} = frames;
  let missing = sum([...profile.ids.values()].map(({rate}) => rate * duration));
  own.forEach((list, u) => {
    const row = u * width + RELATIVE;
    const c = list.length;
    const known = profile.ids.get(ids[u]);
    x[row + 4] = 1; // gap_over_period without a gap or period
    x[row + 9] = 1;
    if (!known) {
      x[row] = 1;
      return;
    }
    const expected = known.rate * duration;
    missing -= Math.min(expected, c);
    x[row + 1] = (c - expected) / size;
    x[row + 2] = clip(Math.log2(c / Math.max(expected, FLOOR)));
    if (c > 1 && known.period > 0) {
      const fast = list.slice(1).filter((f, j) => t[f] - t[list[j]] < 0.5 * known.period).length;
      x[row + 3] = fast / (c - 1);
      x[row + 4] = Math.min(2, Math.min(...gapsOf[u]) / known.period);
    }
    x[row + 5] = list.filter((f) => dlc[f] !== known.dlc).length / c;
    x[row + 6] = c > 1 ? x[u * width + 12] - known.changeRate : 0;
    const broken = list.filter((f) => known.constant.some((constant, k) => constant && k < dlc[f] && payload[8 * f + k] !== known.value[k]));
    x[row + 7] = broken.length / c;
  });
  own.forEach((_, u) => (x[u * width + RELATIVE + 8] = Math.max(0, missing) / size));
}

/**
 * What the first `seconds` of `frames` say about the vehicle's IDs; labels are not looked at. `quiet`: each ID is described by the half of
 * them in which it sends least, and left out if it is silent in 40 % of them.
 */
export function fitProfile(frames, seconds, {quiet = false} = {}) {
  const {t, id, dlc, payload} = frames;
  const late = t.findIndex((time) => time - t[0] >= seconds);
  const n = late < 0 ? t.length : late;
  const [first = 0, last = 0] = extent(t.subarray(0, n));
  const span = Math.max(last - first, 1e-6);
  const bins = Math.max(Math.round(span), 2);
  const second = (f) => Math.min(bins - 1, Math.max(0, Math.trunc(((t[f] - t[0]) * bins) / span)));
  const ids = new Map();
  for (const [code, all] of grouped(Array.from(id.subarray(0, n)))) {
    let own = all;
    let gaps = all.slice(1).map((f, j) => Math.max(0, t[f] - t[all[j]]));
    let rate = all.length / span;
    if (quiet) {
      const sent = new Array(bins).fill(0);
      for (const f of all) sent[second(f)] += 1;
      if (sent.filter((count) => count === 0).length >= 0.4 * bins) continue;
      const calm = sent.map((_, bin) => bin).sort((a, b) => sent[a] - sent[b] || a - b).slice(0, (bins + 1) >> 1);
      own = all.filter((f) => calm.includes(second(f)));
      gaps = gaps.filter((_, j) => second(all[j]) === second(all[j + 1]) && calm.includes(second(all[j + 1])));
      rate = own.length / ((span * calm.length) / bins);
    }
    const period = middle(gaps);
    if (gaps.length && period < FASTEST_PERIOD) continue;
    const lowDlc = Math.min(...own.map((f) => dlc[f]));
    const same = (k) => own.every((f) => payload[8 * f + k] === payload[8 * own[0] + k]);
    ids.set(code, {
      period,
      rate,
      changeRate: mean(own.slice(1).map((f, j) => Number(differs(frames, f, own[j])))),
      dlc: mostFrequent(own.map((f) => dlc[f])),
      constant: Array.from({length: 8}, (_, k) => k < lowDlc && own.length >= CONSTANT_FRAMES && same(k)),
      value: Array.from(payload.subarray(8 * own[0], 8 * own[0] + 8)),
      least: gaps.length ? gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length / 100)] : 0,
      ...values(frames, own)
    });
  }
  return {frames: n, ids, seconds};
}

/** Bits that flip between the frames `own`, and the range of each byte; 0 to 255 for one that no frame has. */
function values({dlc, payload}, own) {
  const [flipped, low, high] = [0, 255, 0].map((value) => new Uint8Array(8).fill(value));
  for (let k = 0; k < 8; k += 1) {
    const having = own.filter((f) => k < dlc[f]);
    for (const f of having) [low[k], high[k]] = [Math.min(low[k], payload[8 * f + k]), Math.max(high[k], payload[8 * f + k])];
    if (!having.length) [low[k], high[k]] = [0, 255];
    own.slice(1).forEach((f, j) => {
      if (k < Math.min(dlc[f], dlc[own[j]])) flipped[k] |= payload[8 * f + k] ^ payload[8 * own[j] + k];
    });
  }
  return {flipped, low, high};
}

/** The value that occurs most often, the smallest of several. */
function mostFrequent(values) {
  const [[value]] = [...grouped(values)].sort(([a, one], [b, two]) => two.length - one.length || a - b);
  return value;
}

/** Rows of features standardised by a scaler `{mean, scale}` of a release: a new array. */
export function standardise(rows, {mean, scale}) {
  const width = mean.length;
  return rows.map((value, i) => Math.min(CLIP, Math.max(-CLIP, (value - mean[i % width]) / scale[i % width])));
}

/** The p-quantile of measured values; undefined for none. */
export const percentile = (values, p) => quantileSorted(Float64Array.from(values).sort(), p);
