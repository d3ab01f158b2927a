"""Metrics of one model on the windows of one scenario."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from scipy import stats
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score, roc_curve

#: benign windows under which a false-positive rate of 0.1 % cannot be resolved
MIN_BENIGN_FOR_PERMILLE = 3000
#: bins of the injected share of a window, (name, low, high]
INJECTED_BINS = (("1", 0, 1), ("2_to_10", 1, 10), ("over_10", 10, 10**9))
#: metrics that `score` gives, in order
NAMES = (
    *("f1", "precision", "recall", "mcc", "roc_auc", "pr_auc", "tpr_at_fpr_1pct", "tpr_at_fpr_0_1pct"),
    *("false_alarms", "benign_minutes", "false_alarms_per_hour", "false_alarms_per_hour_high"),
    *("event_recall", "detection_delay"),
    *(f"recall_injected_{name}" for name, _, _ in INJECTED_BINS),
)


@dataclass(frozen=True)
class Windows:
    """Scored windows of one or more recordings, in recording and time order.

    Attributes:
        recording: i64[n], number of the recording.
        window: i64[n], index of the window in its recording.
        t0: f64[n], start after the recording's first frame (s).
        duration: f64[n], s.
        injected: i64[n], injected frames; a window is positive if any.
        attack: str[n], kind of the injected frames or `benign`.
    """

    recording: np.ndarray
    window: np.ndarray
    t0: np.ndarray
    duration: np.ndarray
    injected: np.ndarray
    attack: np.ndarray

    @property
    def y(self) -> np.ndarray:
        """i64[n], 1 for an attacked window."""
        return (self.injected > 0).astype(np.int64)

    def __len__(self) -> int:
        return len(self.window)

    def take(self, index: np.ndarray) -> Windows:
        """The windows that `index` (mask or positions) selects."""
        return Windows(*(getattr(self, f.name)[index] for f in fields(self)))

    def segments(self) -> np.ndarray:
        """i64[n]: number of the contiguous attack segment (of one recording) a window belongs to, −1 if benign.

        Two attacked windows less than half a second apart belong to one segment, since an attack of one frame in several
        windows is one event to the driver.
        """
        out = np.full(len(self), -1)
        at = np.flatnonzero(self.y)
        if len(at):
            same = (np.diff(self.recording[at]) == 0) & (self.t0[at][1:] - (self.t0[at] + self.duration[at])[:-1] < 0.5)
            out[at] = np.concatenate([[0], np.cumsum(~same)])
        return out


def f1_score(y: np.ndarray, alarm: np.ndarray) -> float:
    """F1 of boolean alarms; 0 where there is no true positive."""
    tp = float(np.sum((y == 1) & alarm))
    return 2 * tp / max(float(np.sum(y == 1) + np.sum(alarm)), 1.0)


def poisson_high(count: int, minutes: float) -> float:
    """Exact 95 % upper bound of a rate per hour from `count` events in `minutes` (Garwood 1936, one-sided)."""
    return float(stats.chi2.ppf(0.95, 2 * (count + 1)) / 2 / (minutes / 60)) if minutes > 0 else math.nan


def score(windows: Windows, scores: np.ndarray, threshold: float) -> dict[str, tuple[float | None, int]]:
    """Every metric as (value, n); the value is None where it is undefined, never 0 or an average in its place.

    Args:
        windows: what was scored.
        scores: f64[n], larger is more suspicious.
        threshold: alarm at or over it.
    """
    y, alarm = windows.y, scores >= threshold
    positives, negatives = int(y.sum()), int((1 - y).sum())
    both = positives > 0 and negatives > 0
    tp, fp = int(np.sum(alarm & (y == 1))), int(np.sum(alarm & (y == 0)))
    n = len(y)
    minutes = float(windows.duration[y == 0].sum() / 60)
    out: dict[str, tuple[float | None, int]] = {
        "f1": (f1_score(y, alarm) if positives else None, n),
        "precision": (tp / (tp + fp) if positives and tp + fp else None, n),
        "recall": (tp / positives if positives else None, positives),
        "mcc": (float(matthews_corrcoef(y, alarm)) if both else None, n),
        "roc_auc": (float(roc_auc_score(y, scores)) if both else None, n),
        "pr_auc": (float(average_precision_score(y, scores)) if both else None, n),
        "tpr_at_fpr_1pct": (_tpr(y, scores, 0.01) if both else None, n),
        "tpr_at_fpr_0_1pct": (_tpr(y, scores, 0.001) if both and negatives >= MIN_BENIGN_FOR_PERMILLE else None, n),
        "false_alarms": (float(fp) if negatives else None, negatives),
        "benign_minutes": (minutes, negatives),
        "false_alarms_per_hour": (fp / minutes * 60 if minutes > 0 else None, negatives),
        "false_alarms_per_hour_high": (poisson_high(fp, minutes) if minutes > 0 else None, negatives),
    }
    out |= _events(windows, alarm)
    for name, low, high in INJECTED_BINS:
        inside = (windows.injected > low) & (windows.injected <= high)
        out[f"recall_injected_{name}"] = (float(alarm[inside].mean()) if inside.any() else None, int(inside.sum()))
    return out


def _tpr(y: np.ndarray, scores: np.ndarray, fpr: float) -> float:
    """Largest true-positive rate whose false-positive rate is at most `fpr`."""
    false, true, _ = roc_curve(y, scores, drop_intermediate=False)
    return float(true[false <= fpr].max())


def _events(windows: Windows, alarm: np.ndarray) -> dict[str, tuple[float | None, int]]:
    """Share of attack segments with an alarm, and the median delay from a segment's begin to the end of its first alarm."""
    segment = windows.segments()
    count = int(segment.max()) + 1 if len(segment) else 0
    delays = []
    for number in range(count):
        inside = np.flatnonzero(segment == number)
        hits = inside[alarm[inside]]
        if len(hits):
            delays.append(windows.t0[hits[0]] + windows.duration[hits[0]] - windows.t0[inside[0]])
    return {
        "event_recall": (len(delays) / count if count else None, count),
        "detection_delay": (float(np.median(delays)) if delays else None, len(delays)),
    }
