// What a detector remembers of each identifier: the columns of the feature set `memory`, as kdgat.graphs.kernels.memory computes them.
import {BITS, FLOOR, LIMIT} from "./constants.js";

const FRAME = 18; // columns of a frame by the state alone
export const COLUMNS = FRAME + 6; // and against the profile
const WARM = 64; // frames of an identifier from which on each second counts as much as another, however many frames it has
const [STEP, SPEED] = [1 / 64, 1 / 8]; // octaves that a frame, and a second, can then move a running gap by
const SOFT = 0.25; // octaves from which on a deviation counts no more than this
const [RISE, FALL] = [1 / 512, 1 / 8]; // how the least gap goes back up, and down
const [CHANGE, CHANGE_SPEED] = [1 / 32, 1 / 4]; // weight of a frame, and of a second, in the running payload change
const [WIDEN, WIDEN_SPEED] = [1 / 4, 4]; // share of the distance by which a value widens its range: of a frame, and of a second
const LEAK = 1 / 512; // share of its width by which a value's range narrows, for each frame
const GENERATION = 512; // frames after which the older generation of flipped bits is forgotten
const LEAST_JITTER = 0.05; // octaves
const [BACK, PAUSE] = [1, 2]; // s; a longer step back is another recording, after a longer silence the bus has slept
const [LATE, GONE, REGULAR] = [2, 5, 0.5]; // octaves over its running gap at which an identifier is overdue, and has left; its jitter
const FADE = 10; // s

const clip = (x, low = -LIMIT, high = LIMIT) => Math.min(high, Math.max(low, x));
const logGap = (seconds) => Math.log2(Math.max(seconds, 0) + FLOOR);
const halves = (payload) => Array.from({length: 16}, (_, k) => (payload[k >> 1] >> (4 * (k & 1))) & 15);

/** The state of a recording's identifiers. `profile`: the vehicle's, from `fitProfile`, or null. */
export class Memory {
  constructor(profile = null) {
    Object.assign(this, {profile, states: new Map(), order: [], epoch: 0, gaps: 0, turn: 0, overdue: 0});
  }

  /** Takes in the next frame {t, id, dlc, payload}; returns its columns. */
  frame({t, id, dlc, payload}) {
    const out = new Float64Array(COLUMNS);
    this.#bus(t, out);
    let s = this.states.get(id);
    let gap = null;
    let fresh = [];
    if (s) {
      const elapsed = s.epoch === this.epoch ? Math.max(t - s.t, 0) : 0;
      if (s.epoch === this.epoch) {
        gap = timing(t, s, out);
        this.#overdue(s, false);
      } else Object.assign(s, {before: null, deltas: []});
      fresh = changes({payload, dlc, elapsed}, s, out);
    } else {
      s = {first: t, joined: out[15], count: 0, gaps: 0, late: 0, before: null, deltas: [], change: 0,
        low: Array.from(payload), high: Array.from(payload), move: new Float64Array(8), flipped: [new Uint8Array(8), new Uint8Array(8)]};
      this.states.set(id, s);
      this.order.push(s);
    }
    Object.assign(s, {epoch: this.epoch, dlc, t, payload: Uint8Array.from(payload), count: s.count + 1});
    out[13] = s.joined * 2 ** (-Math.max(0, t - s.first) / FADE);
    out[14] = Math.min(Math.log2(s.count), LIMIT);
    out[17] = this.#look(t);
    if (this.profile) againstProfile({t, dlc, payload, s, gap, fresh}, this.profile, this.profile.ids.get(id), out);
    return out;
  }

  #bus(t, out) {
    const gap = t - this.last;
    if (!(gap >= -BACK && gap <= PAUSE)) {
      this.epoch += 1;
      this.since = t;
      this.overdue = 0;
    } else {
      const now = logGap(gap);
      if (this.gaps) {
        out[16] = clip(this.running - now);
        this.running += Math.max(1 / (this.gaps + 1), STEP) * clip((now - this.running) / SOFT, -1, 1);
      } else this.running = now;
      this.gaps += 1;
    }
    this.last = t;
    out[15] = Math.min(Math.log2(1 + Math.max(0, t - this.since)), LIMIT);
  }

  #overdue(s, late) {
    this.overdue += Number(late) - Number(s.late === this.epoch);
    s.late = late ? this.epoch : 0;
  }

  /** Looks at the next identifier in turn; the share of those that are overdue. */
  #look(t) {
    const at = this.turn % this.order.length;
    this.turn = at + 1;
    const s = this.order[at];
    if (s.epoch === this.epoch && s.gaps > 2 && s.jitter < REGULAR) {
      const silent = logGap(t - s.t) - s.gap;
      this.#overdue(s, silent > LATE && silent < GONE);
    }
    return this.overdue / this.order.length;
  }
}

/** Weight of an identifier's k-th value in a running one: first as in a mean, then no more than its time allows. */
const weight = (k, most, speed, elapsed) => (k <= WARM ? Math.max(1 / k, most) : Math.min(most, speed * elapsed));

/** The gap to the identifier's last frame against what it was so far, learned from afterwards; log2 of it. */
function timing(t, s, out) {
  const now = logGap(t - s.t);
  s.gaps += 1;
  if (s.gaps === 1) Object.assign(s, {gap: now, least: now, jitter: SOFT});
  else {
    const short = s.gap - now;
    out[0] = clip(short);
    out[1] = clip(s.least - now);
    out[2] = clip(short / Math.max(s.jitter, LEAST_JITTER));
    if (s.before !== null) out[3] = clip(s.gap + 1 - logGap(t - s.before));
    out[4] = clip(-short, 0);
    const step = weight(s.gaps, STEP, SPEED, Math.max(t - s.t, 0));
    s.jitter = Math.max(0, s.jitter + step * clip((Math.min(Math.abs(short), 1) - s.jitter) / SOFT, -1, 1));
    s.gap -= step * clip(short / SOFT, -1, 1);
    const below = s.least - now;
    s.least -= below > 0 ? Math.max(1 / s.gaps, FALL) * Math.min(below, 1) : RISE * Math.max(below, -1);
  }
  out[5] = s.jitter;
  s.before = s.t;
  return now;
}

/** The payload against the identifier's last one, `elapsed` s before, learned from afterwards; the bits that flip for the first time, by byte. */
function changes({payload, dlc, elapsed}, s, out) {
  const both = Math.min(dlc, s.dlc);
  const flips = Array.from({length: 8}, (_, j) => (j < both ? payload[j] ^ s.payload[j] : 0));
  const share = both ? flips.reduce((n, byte) => n + BITS[byte], 0) / (8 * both) : 0;
  const step = weight(s.count, CHANGE, CHANGE_SPEED, elapsed);
  const widen = weight(s.count, WIDEN, WIDEN_SPEED, elapsed);
  out[6] = share;
  if (s.count > 1) out[7] = clip(Math.log2((share + 0.02) / (s.change + 0.02)));
  s.change += step * (share - s.change);
  let [jump, outside] = [1, 0];
  for (let j = 0; j < dlc; j += 1) {
    const value = payload[j];
    if (j >= both) {
      s.low[j] = s.high[j] = value;
      s.move[j] = 0;
      continue;
    }
    const move = Math.abs(value - s.payload[j]);
    jump = Math.max(jump, (move + 1) / (s.move[j] + 1));
    s.move[j] += step * (move - s.move[j]);
    const [low, high] = [s.low[j], s.high[j]];
    const leak = LEAK * (high - low);
    s.high[j] += value > high ? widen * (value - high) : -leak;
    s.low[j] -= value < low ? widen * (low - value) : -leak;
    outside = Math.max(outside, (value - high) / 255, (low - value) / 255);
  }
  out[8] = Math.log2(jump);
  out[11] = outside;
  const fresh = flips.map((byte, j) => byte & ~(s.flipped[0][j] | s.flipped[1][j]) & 255);
  out[9] = Math.log2(1 + fresh.reduce((n, byte) => n + BITS[byte], 0));
  flips.forEach((byte, j) => (s.flipped[1][j] |= byte));
  if (s.count % GENERATION === 0) s.flipped = [s.flipped[1], new Uint8Array(8)];
  const old = halves(s.payload);
  const delta = halves(payload).map((half, k) => (half - old[k]) & 15);
  if (s.deltas.length === 4) {
    const [last, ...earlier] = s.deltas;
    const broken = delta.filter((d, k) => k < 2 * both && last[k] && earlier.every((one) => one[k] === last[k]) && d !== last[k]);
    out[10] = Math.log2(1 + broken.length);
  }
  s.deltas = [delta, ...s.deltas.slice(0, 3)];
  out[12] = Number(dlc !== s.dlc);
  return fresh;
}

/** The last columns: a frame against what the profile says of its identifier, or how strange it is that it says nothing. */
function againstProfile({t, dlc, payload, s, gap, fresh}, {seconds}, known, out) {
  if (!known) {
    const expected = s.gaps ? seconds / 2 ** s.gap : seconds;
    out[FRAME] = Math.min(Math.log2(1 + expected), LIMIT) * 2 ** (-Math.max(0, t - s.first) / FADE);
    return;
  }
  if (gap !== null && known.period > 0) {
    out[FRAME + 1] = clip(logGap(known.period) - gap);
    out[FRAME + 2] = clip(logGap(known.least) - gap);
  }
  out[FRAME + 3] = Math.log2(1 + fresh.reduce((n, byte, j) => n + BITS[byte & ~known.flipped[j]], 0));
  let outside = 0;
  for (let j = 0; j < Math.min(dlc, known.dlc); j += 1) outside = Math.max(outside, payload[j] - known.high[j], known.low[j] - payload[j]);
  out[FRAME + 4] = Math.min(outside / 255, out[11]);
  out[FRAME + 5] = Number(dlc !== known.dlc);
}

/**
 * The columns of x that `memory` adds to `relative`, for each of the nodes whose frames are `own`: worst and mean of the frames' columns
 * (`frames.memory`), then the window's counts against the profile.
 */
export function remembered({frames, own, ids, duration, size}, profile) {
  const known = [...(profile?.ids.values() ?? [])];
  const codes = [...(profile?.ids.keys() ?? [])];
  let missing = known.reduce((total, {rate}) => total + rate * duration, 0);
  const rows = own.map((list, u) => {
    const columns = Array.from({length: COLUMNS}, (_, k) => list.map((f) => frames.memory[f][k]));
    const at = codes.indexOf(ids[u]);
    const expected = at < 0 ? 0 : known[at].rate * duration;
    if (at >= 0) missing -= Math.min(expected, list.length);
    return [
      ...columns.map((values) => Math.max(...values)),
      ...columns.map((values) => values.reduce((a, b) => a + b, 0) / list.length),
      at < 0 ? 0 : (list.length - expected) / size,
      at < 0 ? 0 : clip(Math.log2(list.length / Math.max(expected, FLOOR)))
    ];
  });
  return rows.map((row) => [...row, profile ? Math.max(0, missing) / size : 0, profile ? 1 : 0]);
}
