// A synthetic CAN bus that runs as long as one looks: the same kind of vehicle as kdgat.synthetic draws, and its attacks, frame by frame.
import {randomExponential, randomInt, randomLcg, randomNormal} from "d3";
import ranges from "./bus-ranges.json";

const BIT_TIME = 2e-6; // s, 500 kbit/s without stuffing: the least that frames on one bus can be apart
const SLICE = 0.02; // s of traffic made at once; a whole number of arbitration rounds
const ROUND = 1e-3; // s: frames due within one leave by priority
const HISTORY = 4000; // benign frames that replay and masquerade may draw on
const KINDS = ["constant", "enum", "physical", "counter", "checksum", "noise"];

/** What the reader may let loose; `rate` and `id` say whether the slider of that name means anything. */
export const ATTACKS = {
  dos: {about: "flood of the highest priority", rate: true},
  fuzzing: {about: "random IDs and payloads", rate: true},
  payload_fuzzing: {about: "the vehicle's own IDs with random payloads", rate: true},
  systematic: {about: "IDs swept in order", rate: true},
  replay: {about: "an earlier stretch sent again", rate: true},
  spoofing: {about: "one ID with one made-up payload", rate: true, id: true},
  malfunction: {about: "one ID whose payload jumps", rate: true, id: true},
  masquerade: {about: "one ID's frames replaced at their own times, a byte forged", id: true},
  suppress: {about: "one ID falls silent: nothing is injected", id: true},
  evade_midpoint: {about: "evader: one ID's frames added midway between its own", id: true},
  evade_before: {about: "evader: one ID's frames added just before its own", id: true},
  evade_least_gap: {about: "evader: one ID's frames added by the least gap that it ever showed", id: true},
  evade_drift: {about: "evader: one ID's frames with a byte moved further and further", id: true}
};
const EARLY = 1e-3; // s by which an evader comes before a genuine frame

/** Columns of frames, as `features.js` takes them; `memory` holds what a monitor remembers at each, if it does. */
export function columns(frames) {
  return {
    t: Float64Array.from(frames, (f) => f.t),
    id: Uint32Array.from(frames, (f) => f.id),
    dlc: Uint8Array.from(frames, (f) => f.dlc),
    payload: Uint8Array.from(frames.flatMap((f) => Array.from(f.payload))),
    label: Uint8Array.from(frames, (f) => f.label),
    memory: frames.map((f) => f.memory)
  };
}

/** A vehicle on its bus. The same seed drives the same way under the same attacks. */
export class Bus {
  constructor(seed) {
    const random = randomLcg(((seed * 2654435761) % 2 ** 32) / 2 ** 32);
    this.random = random;
    this.normal = randomNormal.source(random)(0, 1);
    this.exponential = randomExponential.source(random)(1);
    this.vehicle = this.#draw();
    this.now = 0;
    this.pending = []; // sent by the controllers, due after `now`
    this.free = {benign: 0, all: 0}; // when the bus is free again
    this.history = [];
    this.attack = null;
  }

  #int = (low, high) => randomInt.source(this.random)(low, high + 1)();
  #uniform = ([low, high]) => low + (high - low) * this.random();
  #pick = (values, weights = values.map(() => 1)) => {
    let left = this.random() * weights.reduce((a, b) => a + b);
    return values.find((_, i) => (left -= weights[i]) < 0) ?? values.at(-1);
  };
  #bytes = () => Uint8Array.from({length: 8}, () => this.#int(0, 255));

  #draw() {
    const n = this.#int(...ranges.ids);
    const codes = new Set();
    while (codes.size < n) codes.add(this.#int(1, 0x7fe));
    const full = this.#uniform(ranges.full_dlc);
    const events = this.#uniform(ranges.event_share);
    const ids = [...codes].sort((a, b) => a - b).map((id) => {
      const period = this.#pick(ranges.periods, ranges.period_weights);
      return {
        id,
        period,
        next: this.random() * period, // start of its next slot (s)
        event: this.random() < events,
        dlc: this.random() < full ? 8 : this.#int(1, 8),
        kinds: Array.from({length: 8}, () => this.#pick(KINDS, ranges.kinds)),
        base: this.#bytes(),
        sent: 0,
        state: new Float64Array(8)
      };
    });
    return {ids, delay: this.#uniform(ranges.delay), bitTime: this.#uniform(ranges.bit_time)};
  }

  /** The next payload of an ID. */
  #payload(sender) {
    const out = new Uint8Array(8);
    for (let k = 0; k < sender.dlc; k += 1) {
      const base = sender.base[k];
      const kind = sender.kinds[k];
      if (kind === "enum") sender.state[k] += this.random() < 0.02;
      if (kind === "physical") sender.state[k] += 0.7 * this.normal();
      const modulus = [256, 16, 4][base % 3];
      out[k] = {
        constant: () => base,
        enum: () => base ^ (1 << (sender.state[k] % 3)),
        physical: () => base + Math.trunc(sender.state[k]),
        counter: () => (modulus < 256 ? base & 0xf0 : 0) + ((base + sender.sent) % modulus),
        checksum: () => 0,
        noise: () => this.#int(0, 255)
      }[kind]();
    }
    sender.kinds.forEach((kind, k) => {
      if (kind === "checksum" && k < sender.dlc) out[k] = out.reduce((a, b, j) => (j === k ? a : a ^ b), 0);
    });
    sender.sent += 1;
    return out;
  }

  /** Frames that the vehicle's controllers send in slots that begin before `end`, those due later kept back. */
  #benign(end) {
    for (const sender of this.vehicle.ids) {
      for (; sender.next < end; sender.next += sender.period) {
        const late = sender.event ? this.random() : this.vehicle.delay * this.exponential();
        this.pending.push({t: sender.next + late * sender.period, id: sender.id, dlc: sender.dlc, payload: this.#payload(sender), label: 0});
      }
    }
    const due = this.pending.filter((f) => f.t < end);
    this.pending = this.pending.filter((f) => f.t >= end);
    due.sort((a, b) => Math.floor(a.t / ROUND) - Math.floor(b.t / ROUND) || a.id - b.id);
    return this.#queue(due, this.vehicle.bitTime, "benign");
  }

  /** Each frame starts when it is due or when the one before it has ended; a frame of d bytes is 47 + 8·d bits long. */
  #queue(frames, bitTime, line) {
    for (const frame of frames) {
      frame.t = Math.max(frame.t, this.free[line]);
      this.free[line] = frame.t + (47 + 8 * frame.dlc) * bitTime;
    }
    return frames;
  }

  /** `{kind, rate, id}` from now on, null for none. `rate`: injected frames a second. */
  set attack(attack) {
    const own = attack ? this.history.filter((frame) => frame.id === attack.id).map((frame) => frame.t) : [];
    const leastGap = Math.min(...own.slice(1).map((t, i) => t - own[i]));
    const forged = attack && {leastGap, later: [], payload: this.#bytes(), values: Array.from({length: this.#int(1, 4)}, this.#bytes), count: 0, id: this.#int(0, 0x7ff)};
    this.running = attack && {...attack, ...{forged}, due: this.now};
  }

  /** What the attacker puts on the bus up to `end`. */
  #injected(end) {
    const {kind, rate, id, forged} = this.running;
    const out = [];
    if (!ATTACKS[kind].rate) return out;
    const target = this.vehicle.ids.find((sender) => sender.id === id);
    const make = {
      dos: () => ({id: 0, dlc: 8, payload: new Uint8Array(8)}),
      fuzzing: () => ({id: this.#int(0, 0x7ff), dlc: 8, payload: this.#bytes()}),
      payload_fuzzing: () => ({...this.#pick(this.history), payload: this.#bytes()}),
      systematic: (n) => ({id: (forged.id + (n >> 2)) % 0x800, dlc: 8, payload: Uint8Array.of(n, 0, 0, 0, 0, 0, 0, 0)}),
      replay: (n) => ({...this.history[n % this.history.length]}),
      spoofing: () => ({id, dlc: target.dlc, payload: forged.payload}),
      malfunction: () => ({id, dlc: target.dlc, payload: this.#pick(forged.values)})
    }[kind];
    for (; this.running.due < end; this.running.due += 1 / rate) {
      const {id: code, dlc, payload} = make(forged.count++);
      const within = payload.map((byte, k) => (k < dlc ? byte : 0));
      out.push({t: Math.max(this.now, this.running.due + (0.1 * this.normal()) / rate), id: code, dlc, payload: within, label: 1});
    }
    return out;
  }

  /** What an attack on one sender does to the sender's own frames. */
  #tampered(frames) {
    const {kind, id, forged} = this.running;
    if (kind === "suppress") return frames.filter((f) => f.id !== id);
    if (kind !== "masquerade" && kind !== "evade_drift") return frames;
    return frames.map((f) => {
      if (f.id !== id || !f.dlc) return f;
      const payload = f.payload.slice();
      if (kind === "masquerade") payload[forged.id % f.dlc] ^= 0x55;
      else payload[forged.id % f.dlc] += ++forged.count;
      return {...f, payload, label: 1};
    });
  }

  /** What an evader adds beside the sender's own `frames` up to `end`; what is due later waits. */
  #beside(frames, end) {
    const {kind, id, forged} = this.running;
    const sender = this.vehicle.ids.find((one) => one.id === id);
    const away = {evade_midpoint: sender?.period / 2, evade_before: -EARLY, evade_least_gap: Number.isFinite(forged.leastGap) ? forged.leastGap : sender?.period}[kind];
    if (away === undefined) return [];
    const own = frames.filter((f) => f.id === id && !f.label);
    forged.later.push(...own.map((f) => ({...f, t: Math.max(this.now, f.t + away), payload: forged.payload.map((byte, k) => (k < f.dlc ? byte : 0)), label: 1})));
    const due = forged.later.filter((f) => f.t < end);
    forged.later = forged.later.filter((f) => f.t >= end);
    return due;
  }

  /** What a window with so many injected frames is called; a sender that was silenced leaves no label: what runs at the moment says so. */
  traffic(injected) {
    const kind = this.running?.kind;
    return injected || kind === "suppress" ? kind ?? "end of an attack" : "benign";
  }

  /** All frames up to time `end` (s), in bus order. */
  advance(end) {
    const out = [];
    while (this.now + SLICE <= end) {
      const next = this.now + SLICE;
      let frames = this.#benign(next).map((f) => ({...f}));
      this.history = [...this.history, ...frames].slice(-HISTORY);
      if (this.running) {
        frames = [...this.#tampered(frames), ...this.#beside(frames, next), ...this.#injected(next)].sort((a, b) => a.t - b.t);
      }
      out.push(...this.#queue(frames.map((f) => ({...f})), BIT_TIME, "all"));
      this.now = next;
    }
    return out;
  }
}
