// The timing rule with memory, as kdgat.models.rules has it online: how much earlier a frame comes than its identifier usually does.
import {bisectLeft} from "d3";
import {FLOOR} from "./constants.js";

const LAST = 64; // gaps of an identifier that its usual one is the median of
const LEAST = 3; // gaps before which it has none

/** What the rule remembers of a recording's identifiers. */
export class TimingRule {
  constructor() {
    this.states = new Map();
  }

  /** Takes in the next frame {t, id}; log(usual gap / gap to the identifier's last frame), −∞ where no gap is usual yet or time stepped back. */
  frame({t, id}) {
    const s = this.states.get(id);
    if (!s) {
      this.states.set(id, {t, gaps: [], ranked: []});
      return -Infinity;
    }
    const {gaps, ranked} = s;
    const n = ranked.length;
    const gap = t - s.t;
    const usual = n < LEAST ? 0 : (ranked[(n - 1) >> 1] + ranked[n >> 1]) / 2;
    const early = usual > 0 && gap >= 0 ? Math.log((usual + FLOOR) / (gap + FLOOR)) : -Infinity;
    if (gap >= 0) {
      if (n === LAST) ranked.splice(bisectLeft(ranked, gaps.shift()), 1);
      gaps.push(gap);
      ranked.splice(bisectLeft(ranked, gap), 0, gap);
    }
    s.t = t;
    return early;
  }
}

/** A window's score from its frames': the logistic function of the largest. */
export const scoreOf = (early) => 1 / (1 + Math.exp(-Math.max(...early)));
