// One bus under watch, made up or recorded: its profile, the windows scored so far and what they took. No document needed.
import {median} from "d3";
import {columns} from "./bus.js";
import {fitProfile, percentile, windowGraph} from "./features.js";
import {Memory} from "./memory.js";
import {TimingRule, scoreOf} from "./rule.js";

const KEPT = 160; // windows
const MEASURED = 400; // windows over which latency is stated

export class Monitor {
  /**
   * `bus`: what gives frames, a `Bus` or a `Recording`. `windows`: {size, stride, profile_seconds, profile_from} of the student's configuration; `features`: its feature set;
   * `kept`: windows that are remembered. The first `profile_seconds` are not scored; under "calibrated" they give the profile.
   */
  constructor(bus, {windows, features, protocol, kept = KEPT}) {
    Object.assign(this, {bus, windows, features, kept, history: [], counts: new Map(), featureTimes: [], networkTimes: [], rule: new TimingRule()});
    const head = this.bus.advance(windows.profile_seconds);
    const quiet = windows.profile_from === "quiet";
    this.profile = protocol === "zero-shot" ? null : fitProfile(columns(head), windows.profile_seconds, {quiet});
    this.memory = features === "memory" ? new Memory(this.profile) : null;
    this.#remember(head);
    this.clock = this.bus.now;
    this.buffer = [];
    this.score = null;
  }

  /** Lets the vehicle drive until a window is complete, which `graph` then shows. */
  fill() {
    while (this.buffer.length < this.windows.size) this.advance(0.05);
    this.graph = this.#graph(columns(this.buffer));
  }

  /** `{kind, rate, id}` from now on, or null. */
  attack(attack) {
    this.bus.attack = attack;
  }

  /** Let the vehicle drive `seconds` on. */
  advance(seconds) {
    this.clock += seconds;
    this.buffer.push(...this.#remember(this.bus.advance(this.clock)));
  }

  #remember(frames) {
    for (const frame of frames) {
      frame.early = this.rule.frame(frame);
      if (this.memory) frame.memory = this.memory.frame(frame);
    }
    return frames;
  }

  #graph(frames) {
    return windowGraph(frames, 0, this.windows.size, this.features, this.profile);
  }

  /** Scores the next window with `score(graph)`, and by the rule, if it is complete; whether it was. `thresholds`: {student, rule}. */
  async step(score, thresholds) {
    const {size, stride} = this.windows;
    if (this.buffer.length < size) return false;
    const next = this.buffer.slice(0, size);
    const frames = columns(next);
    this.buffer.splice(0, stride);
    const begin = performance.now();
    this.graph = this.#graph(frames);
    const built = performance.now();
    this.score = await score(this.graph);
    const done = performance.now();
    this.featureTimes = [...this.featureTimes, built - begin].slice(-MEASURED);
    this.networkTimes = [...this.networkTimes, done - built].slice(-MEASURED);
    this.#count(frames, scoreOf(next.map(({early}) => early)), thresholds);
    return true;
  }

  #count(frames, ruleScore, thresholds) {
    const injected = frames.label.reduce((a, b) => a + b, 0);
    const traffic = this.bus.traffic(injected);
    const [called, ruled] = [this.score >= thresholds.student, ruleScore >= thresholds.rule];
    const word = (attack) => (attack ? "attack" : "benign");
    const window = (this.history.at(-1)?.window ?? 0) + 1;
    this.history.push({window, begin: frames.t[0], traffic, injected, score: this.score, called: word(called), "rule's score": ruleScore, "called by the rule": word(ruled)});
    if (this.history.length > this.kept) this.history.shift();
    const count = this.counts.get(traffic) ?? {traffic, windows: 0, "called attack": 0, "called attack by the rule": 0};
    this.counts.set(traffic, {
      ...count, windows: count.windows + 1,
      "called attack": count["called attack"] + called, "called attack by the rule": count["called attack by the rule"] + ruled
    });
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
