// One vehicle under watch: its bus, its profile, the windows scored so far and what they took. No document needed.
import {median} from "d3";
import {Bus, columns} from "./bus.js";
import {fitProfile, percentile, windowGraph} from "./features.js";
import {Memory} from "./memory.js";

const KEPT = 160; // windows
const MEASURED = 400; // windows over which latency is stated

export class Monitor {
  /**
   * `seed`: which vehicle. `windows`: {size, stride, profile_seconds, profile_from} of the student's configuration; `features`: its feature set.
   * The vehicle first drives `profile_seconds` without being scored; under "calibrated" they give its profile.
   */
  constructor(seed, {windows, features, protocol}) {
    Object.assign(this, {windows, features, history: [], counts: new Map(), featureTimes: [], networkTimes: []});
    this.bus = new Bus(seed);
    const head = this.bus.advance(windows.profile_seconds);
    const quiet = windows.profile_from === "quiet";
    this.profile = protocol === "zero-shot" ? null : fitProfile(columns(head), windows.profile_seconds, {quiet});
    this.memory = features === "memory" ? new Memory(this.profile) : null;
    this.#remember(head);
    this.clock = this.bus.now;
    this.buffer = [];
    while (this.buffer.length < windows.size) this.advance(0.05);
    this.graph = this.#graph(columns(this.buffer));
    this.score = null;
  }

  /** `{kind, rate, id}` from now on, or null. */
  attack(attack) {
    this.bus.attack = attack;
    this.kind = attack?.kind ?? null;
  }

  /** Let the vehicle drive `seconds` on. */
  advance(seconds) {
    this.clock += seconds;
    this.buffer.push(...this.#remember(this.bus.advance(this.clock)));
  }

  #remember(frames) {
    if (this.memory) for (const frame of frames) frame.memory = this.memory.frame(frame);
    return frames;
  }

  #graph(frames) {
    return windowGraph(frames, 0, this.windows.size, this.features, this.profile);
  }

  /** Scores the next window with `score(graph)` if it is complete; whether it was. */
  async step(score, threshold) {
    const {size, stride} = this.windows;
    if (this.buffer.length < size) return false;
    const frames = columns(this.buffer.slice(0, size));
    this.buffer.splice(0, stride);
    const begin = performance.now();
    this.graph = this.#graph(frames);
    const built = performance.now();
    this.score = await score(this.graph);
    const done = performance.now();
    this.featureTimes = [...this.featureTimes, built - begin].slice(-MEASURED);
    this.networkTimes = [...this.networkTimes, done - built].slice(-MEASURED);
    this.#count(frames, threshold);
    return true;
  }

  #count(frames, threshold) {
    const injected = frames.label.reduce((a, b) => a + b, 0);
    // a sender that was silenced leaves no label: what runs at the moment says so
    const traffic = injected || this.kind === "suppress" ? this.kind ?? "end of an attack" : "benign";
    const called = this.score >= threshold;
    const window = (this.history.at(-1)?.window ?? 0) + 1;
    this.history = [...this.history, {window, begin: frames.t[0], traffic, injected, score: this.score, called: called ? "attack" : "benign"}].slice(-KEPT);
    const count = this.counts.get(traffic) ?? {traffic, windows: 0, "called attack": 0};
    this.counts.set(traffic, {...count, windows: count.windows + 1, "called attack": count["called attack"] + called});
  }

  /** Whether the last window was called an attack; false before the first. */
  get alarm() {
    return this.history.at(-1)?.called === "attack";
  }

  /** Frames a second on the bus, and milliseconds a window as {p50, p99}; undefined before there are windows. */
  get measured() {
    const gaps = this.history.slice(1).map(({begin}, i) => begin - this.history[i].begin);
    const of = (values) => ({p50: percentile(values, 0.5), p99: percentile(values, 0.99)});
    const whole = this.featureTimes.map((ms, i) => ms + this.networkTimes[i]);
    return {
      rate: gaps.length ? this.windows.stride / median(gaps) : undefined,
      features: of(this.featureTimes),
      network: of(this.networkTimes),
      window: of(whole)
    };
  }
}
