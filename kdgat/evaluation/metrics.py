"""Metrics of one model on the windows of one scenario."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score, roc_curve

from kdgat.evaluation.scored import ScoredWindows

#: benign windows under which a false-positive rate of 0.1 % cannot be resolved
MIN_BENIGN_FOR_PERMILLE = 3000
#: bins of the injected share of a window, (name, low, high]
INJECTED_BINS = (("1", 0, 1), ("2_to_10", 1, 10), ("over_10", 10, 10**9))


def f1_score(y: np.ndarray, alarm: np.ndarray) -> float:
    """F1 = 2·TP/(2·TP + FP + FN) (van Rijsbergen 1979); 0 where there is no true positive, also without any attack.

    Args:
        y: i64[n], 1 for an attacked window.
        alarm: bool[n].
    """
    tp = float(np.sum((y == 1) & alarm))
    return 2 * tp / max(float(np.sum(y == 1) + np.sum(alarm)), 1.0)


def poisson_high(count: int, minutes: float) -> float:
    """Exact 95 % upper bound of a rate per hour from `count` events in `minutes` (Garwood 1936, one-sided)."""
    return float(stats.chi2.ppf(0.95, 2 * (count + 1)) / 2 / (minutes / 60)) if minutes > 0 else math.nan


def score(windows: ScoredWindows, scores: np.ndarray, threshold: float) -> dict[str, tuple[float | None, int]]:
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


def _events(windows: ScoredWindows, alarm: np.ndarray) -> dict[str, tuple[float | None, int]]:
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
