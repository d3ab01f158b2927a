// Alarms as a driver would hear them: windows over a threshold become alarm events, attacks become events that are found or missed. The
// same rules as kdgat.evaluation.alarms and kdgat.evaluation.scored.
import {ascending, group, sort} from "d3";

const PAUSE = 1; // s: attacked windows at most so far apart are one event, and benign ones at most so far from an attack are near it

/**
 * Windows of one car, one list per recording, in order, with what no threshold changes: the number of the attack event of each window (−1: none),
 * whether it lies far from attacks, and the hours that do. `rows`: rows of `predictions`.
 */
export function recordings(rows) {
  return Array.from(group(rows, (row) => row.capture).values(), (of) => {
    const windows = sort(of, (a, b) => ascending(a.window, b.window)).map(({t0, duration, injected, ...row}) => ({...row, t0, end: t0 + duration, attacked: injected > 0}));
    const attacked = windows.filter((window) => window.attacked);
    const events = [];
    for (const window of attacked) {
      if (events.length && window.t0 - events.at(-1).end <= PAUSE) events.at(-1).end = window.end;
      else events.push({t0: window.t0, end: window.end});
    }
    for (const window of windows) window.far = events.every(({t0, end}) => window.t0 - end > PAUSE || t0 - window.end > PAUSE);
    const hours = windows.reduce((total, window) => total + (window.far ? window.end - window.t0 : 0), 0) / 3600;
    return {windows, events, hours};
  });
}

/** In which windows an alarm sounds: `k` of the last `n` are over. */
export function sounding(over, k, n) {
  let count = 0;
  return over.map((now, i) => {
    count += now - (i >= n ? over[i - n] : 0);
    return count >= k;
  });
}

/** Alarm events an hour over 1 s from attacks, null without such hours, and how many of the attack events are found. */
export function alarms(recorded, model, threshold, k = 1, n = 1) {
  let [events, found, false_, hours] = [0, 0, 0, 0];
  for (const {windows, events: attacks, hours: far} of recorded) {
    const sounds = sounding(windows.map((window) => Number(window[model] >= threshold)), k, n);
    hours += far;
    events += attacks.length;
    windows.forEach((window, i) => (false_ += window.far && sounds[i] && !sounds[i - 1]));
    found += attacks.filter(({t0, end}) => windows.some((window, i) => sounds[i] && window.t0 >= t0 && window.t0 <= end + PAUSE)).length;
  }
  return {perHour: hours ? false_ / hours : null, alarms: false_, found, events};
}
