"""Alarms as a driver would hear them: windows over the threshold become alarm events, attacks become events that are found or missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kdgat.errors import KdgatError
from kdgat.evaluation.scored import EVENT_PAUSE, ScoredWindows


@dataclass(frozen=True)
class AlarmRule:
    """An alarm sounds while `k` of the last `n` windows of a recording are over the threshold.

    Raises:
        KdgatError: k is not within 1 … n.
    """

    k: int = 1
    n: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n:
            raise KdgatError(f"an alarm needs k of n windows with 1 ≤ k ≤ n, not {self.k} of {self.n}")

    def sounds(self, recording: np.ndarray, over: np.ndarray) -> np.ndarray:
        """Say in which windows the alarm sounds, bool[n], from recording i64[n] (ascending) and over bool[n]."""
        if self.n == 1:
            return over
        first = np.searchsorted(recording, recording)  # of its recording
        total = np.concatenate([[0], np.cumsum(over)])
        at = np.arange(len(over))
        return total[at + 1] - total[np.maximum(first, at + 1 - self.n)] >= self.k


#: every window by itself
SINGLE = AlarmRule()


def rising(recording: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    """Windows in which an alarm begins, bool[n]: it sounds here and not in the window before, of the same recording."""
    before = np.concatenate([[False], sounds[:-1] & (np.diff(recording) == 0)]) if len(sounds) else sounds
    return sounds & ~before


def delays(windows: ScoredWindows, sounds: np.ndarray) -> np.ndarray:
    """Delay of each attack event (see `ScoredWindows.events`), f64[events], s; infinite for an event that is missed.

    It runs from the begin of the event's first attacked window to the end of the first window in which the alarm sounds, which
    may begin up to `EVENT_PAUSE` after the event: a k-of-n rule, and the frame that follows a forged one, come late.
    """
    event = windows.events()
    attacked = np.flatnonzero(event >= 0)
    if not len(attacked):
        return np.empty(0)
    first = attacked[np.flatnonzero(np.diff(event[attacked], prepend=-1))]
    last = np.append(attacked[np.flatnonzero(np.diff(event[attacked]))], attacked[-1])
    alarms = np.append(np.flatnonzero(sounds), len(windows))
    hit = alarms[np.searchsorted(alarms, first)]  # first window at or after the event's first in which it sounds
    inside = hit < len(windows)
    at = np.where(inside, hit, 0)
    inside &= (windows.recording[at] == windows.recording[first]) & (windows.t0[at] <= windows.end[last] + EVENT_PAUSE)
    return np.where(inside, windows.end[at] - windows.t0[first], np.inf)


def levels(recording: np.ndarray, scores: np.ndarray, rule: AlarmRule) -> np.ndarray:
    """Thresholds under which the alarm sounds in each window, f64[n]: the k-th largest score of its recording's last n windows."""
    last = np.full((rule.n, len(scores)), -np.inf)
    for back in range(min(rule.n, len(scores))):
        same = recording[back:] == recording[: len(recording) - back]
        last[back, back:] = np.where(same, scores[: len(scores) - back], -np.inf)
    return np.sort(last, axis=0)[-rule.k]


def found_at_cost(windows: ScoredWindows, scores: np.ndarray, rule: AlarmRule, an_hour: float) -> float:
    """Share of attack events found at the lowest threshold from which on `an_hour` alarm events an hour or fewer lie far from attacks.

    The threshold is never under the least of `levels`: there one alarm that never ends would find every attack.

    Args:
        scores: f64[n], larger is more suspicious.
        rule: when the alarm sounds.

    Returns:
        NaN without an attack event.

    Raises:
        KdgatError: a score that is no number, or an `an_hour` that is none from 0 on.
    """
    if np.isnan(scores).any() or not 0 <= an_hour < np.inf:
        raise KdgatError(
            f"alarms are counted from scores that are numbers, at 0 alarms an hour or more, not {an_hour:g}"
        )
    level, far = levels(windows.recording, scores, rule), windows.far()
    before = np.append(-np.inf, level[:-1])
    before[np.flatnonzero(np.diff(windows.recording, prepend=-1))] = -np.inf
    # an alarm begins in a window at thresholds from the level before to its own: +1 as the threshold falls under the one, −1 under the other
    begins = far & (level > before)
    at = np.concatenate([level[begins], before[begins]])
    falling = np.argsort(-at, kind="stable")
    change = np.repeat([1, -1], begins.sum())[falling]
    at = at[falling]
    cost = np.cumsum(change)
    last_of_level = np.append(at[1:] != at[:-1], True)[: len(at)]
    dear = np.flatnonzero(last_of_level & (cost > an_hour * windows.duration[far].sum() / 3600))
    threshold = at[dear[0]] if len(dear) else level[level > -np.inf].min(initial=np.inf)
    late = delays(windows, level > threshold)
    return float(np.isfinite(late).mean()) if len(late) else float("nan")
