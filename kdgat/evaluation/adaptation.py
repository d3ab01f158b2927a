"""The protocol `adapted`: an operating point that follows the stream, without labels, from the scores before each window.

θ(t) = q + multiple · max(q − p, floor), where q and p are a lower and a very low quantile of the logits of the windows of the last seconds.
As long as at most half of them are attacked and attacks score higher, both are quantiles of benign windows (the breakdown point of
a quantile, Hampel 1971), so an attack moves θ little; beyond that, attacked windows pass for normal traffic.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

import numpy as np

from kdgat.config import Adaptation
from kdgat.evaluation.scored import ScoredWindows
from kdgat.evaluation.thresholds import OperatingPoint, logit

#: share of attacked windows in any stretch up to which the protocol is meant to hold
MOST_ATTACKED = 0.5
#: what every model has under this protocol: its released score is the margin over θ
POINT = OperatingPoint(0.0, "margin over a running quantile of the windows before")


def margins(windows: ScoredWindows, scores: np.ndarray, threshold: float, settings: Adaptation) -> np.ndarray:
    """logit(s_t) − θ_t of every window, f64[n]; θ_t depends on earlier windows of the recording alone.

    Args:
        windows: n of them.
        scores: f64[n] in [0, 1].
        threshold: the zero-shot operating point: θ until the stream has lasted `settings.least_seconds`.
        settings: how θ is made, the same for all models.
    """
    values = logit(scores)
    out = np.empty(len(values))
    for recording in np.unique(windows.recording):
        at, point = np.flatnonzero(windows.recording == recording), Follower(threshold, settings)
        out[at] = [
            point.margin(now, value) for now, value in zip(windows.t0[at].tolist(), values[at].tolist(), strict=True)
        ]
    return out


class Follower:
    """θ of one recording, window by window.

    Args:
        threshold, settings: as in `margins`.
    """

    def __init__(self, threshold: float, settings: Adaptation) -> None:
        self.start, self.settings = float(logit(threshold)), settings
        self.first: float | None = None
        self.last: deque[tuple[float, float]] = deque()  # times and logits of the last seconds
        self.ranked: list[float] = []

    def margin(self, now: float, value: float) -> float:
        """logit − θ of the window that begins at `now` (s) and has the logit `value`, which moves θ from then on."""
        settings, ranked, last = self.settings, self.ranked, self.last
        if self.first is None:
            self.first = now
        while last and last[0][0] < now - settings.seconds:
            del ranked[bisect_left(ranked, last.popleft()[1])]
        theta = self.start
        # what has given every window one score so far is not moved by the stream
        if ranked and ranked[0] < ranked[-1] and now - self.first >= settings.least_seconds:
            middle = ranked[int(settings.quantile * (len(ranked) - 1))]
            low = ranked[int(settings.low * (len(ranked) - 1))]
            theta = middle + settings.multiple * max(middle - low, settings.floor)
        insort(ranked, value)
        last.append((now, value))
        return value - theta


def broken(windows: ScoredWindows, seconds: float) -> list[int]:
    """Recordings i64 in which more than half of the windows of some stretch are attacked: nothing is promised there.

    A stretch is what lies within `seconds` before a window, from the first second of the recording on.
    """
    out = []
    for recording in np.unique(windows.recording):
        at = windows.recording == recording
        t0, y = windows.t0[at], windows.y[at]
        total = np.concatenate([[0], np.cumsum(y)])
        end = np.arange(1, len(t0) + 1)
        begin = np.searchsorted(t0, t0 - seconds)
        late = t0 - t0[0] >= min(1.0, seconds)
        # one window more: a stretch need not begin where a window does
        if (late & (total[end] - total[begin] > MOST_ATTACKED * (end - begin) + 1)).any():
            out.append(int(recording))
    return out
