"""Metrics of one model on the windows of one scenario."""

from __future__ import annotations

import math

import numpy as np

from kdgat.evaluation.alarms import SINGLE, AlarmRule, delays, rising
from kdgat.evaluation.scored import ScoredWindows

#: benign windows under which a false-positive rate of 0.1 % cannot be resolved
MIN_BENIGN_FOR_PERMILLE = 3000
#: bins of the injected share of a window, (name, low, high]
INJECTED_BINS = (("1", 0, 1), ("2_to_10", 1, 10), ("over_10", 10, 10**9))
#: metric → false-positive rate over benign windows farther than 1 s from attacks, and how many of them it needs
RECALL_AT = {"recall_at_fpr_1pct": (0.01, 1), "recall_at_fpr_0_1pct": (0.001, MIN_BENIGN_FOR_PERMILLE)}
#: ending of the metrics of alarm events that count every window by itself, whatever the configured rule
SINGLE_ENDING = "_1_of_1"
#: scenario that joins all scenarios of a dataset, and the metrics that it is there for: they need many benign windows
POOLED = "pooled"
POOLED_METRICS = (*RECALL_AT, "alarm_events_far_per_hour", f"alarm_events_far_per_hour{SINGLE_ENDING}", "hours_far")


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
    from scipy import special  # late: a training does not need it

    # half of the chi-squared quantile with 2·(count + 1) degrees of freedom
    return float(special.gammaincinv(count + 1, 0.95) / (minutes / 60)) if minutes > 0 else math.nan


def score(
    windows: ScoredWindows,
    scores: np.ndarray,
    threshold: float,
    rule: AlarmRule = SINGLE,
    within: np.ndarray | None = None,
) -> dict[str, tuple[float | None, int]]:
    """Every metric as (value, n); the value is None where it is undefined, never 0 or an average in its place.

    Args:
        windows: what was scored.
        scores: f64[n], larger is more suspicious.
        threshold: alarm at or over it.
        rule: what makes an alarm event.
        within: bool[n], the windows that are judged (None: all); what is near an attack, and when an alarm sounds, is told
            by all of them.
    """
    judged = np.ones(len(windows), bool) if within is None else within
    far = windows.far()
    newer = recall_at(scores[judged & (windows.y == 1)], scores[judged & far])
    for ending, one in (("", rule), (SINGLE_ENDING, SINGLE)):
        newer |= alarm_events(windows, far, one.sounds(windows.recording, scores >= threshold), judged, ending)
    windows, scores = windows.take(judged), scores[judged]
    y, alarm = windows.y, scores >= threshold
    positives, negatives = int(y.sum()), int((1 - y).sum())
    both = positives > 0 and negatives > 0
    tp, fp = int(np.sum(alarm & (y == 1))), int(np.sum(alarm & (y == 0)))
    n, curve = len(y), _curve(y, scores)
    minutes = float(windows.duration[y == 0].sum() / 60)
    out: dict[str, tuple[float | None, int]] = {
        "f1": (f1_score(y, alarm) if positives else None, n),
        "precision": (tp / (tp + fp) if positives and tp + fp else None, n),
        "recall": (tp / positives if positives else None, positives),
        "mcc": (_mcc(tp, fp, positives, negatives) if both else None, n),
        "roc_auc": (_roc_auc(*curve) if both else None, n),
        "pr_auc": (_pr_auc(*curve) if both else None, n),
        "tpr_at_fpr_1pct": (_tpr(*curve, 0.01) if both else None, n),
        "tpr_at_fpr_0_1pct": (_tpr(*curve, 0.001) if both and negatives >= MIN_BENIGN_FOR_PERMILLE else None, n),
        "false_alarms": (float(fp) if negatives else None, negatives),
        "benign_minutes": (minutes if negatives else None, negatives),
        "false_alarms_per_hour": (fp / minutes * 60 if minutes > 0 else None, negatives),
        "false_alarms_per_hour_high": (poisson_high(fp, minutes) if minutes > 0 else None, negatives),
    }
    out |= _events(windows, alarm)
    for name, low, high in INJECTED_BINS:
        inside = (windows.injected > low) & (windows.injected <= high)
        out[f"recall_injected_{name}"] = (float(alarm[inside].mean()) if inside.any() else None, int(inside.sum()))
    return out | newer


def recall_at(attacked: np.ndarray, far: np.ndarray) -> dict[str, tuple[float | None, int]]:
    """Recall at false-positive rates, from scores of attacked windows and of benign ones farther than 1 s from attacks."""
    benign = -np.sort(-far)
    out: dict[str, tuple[float | None, int]] = {}
    for name, (rate, least) in RECALL_AT.items():
        defined = len(attacked) > 0 and len(benign) >= least
        # the highest score that must not alarm; float error must not cost the alarm that is allowed
        limit = benign[int(rate * len(benign) + 1e-9)] if defined else 0.0
        out[name] = (float(np.mean(attacked > limit)) if defined else None, len(benign))
    return out


def alarm_events(
    windows: ScoredWindows, far: np.ndarray, sounds: np.ndarray, judged: np.ndarray, ending: str = ""
) -> dict[str, tuple[float | None, int]]:
    """Alarm events an hour near attacks and far from them, attack events found and missed, and the median delay.

    A missed event has an infinite delay, so that the median is undefined where half of them or more are missed.

    Args:
        windows: n of them.
        far: bool[n], `ScoredWindows.far`, which is the same for all models.
        sounds: bool[n], where the alarm sounds.
        judged: bool[n], as in `score`.
        ending: of the metrics' names.
    """
    begins = rising(windows.recording, sounds)
    out: dict[str, tuple[float | None, int]] = {}
    for name, where in (("far", judged & far), ("near", judged & ~far)):
        hours = float(windows.duration[where].sum() / 3600)
        count, n = int((begins & where).sum()), int(where.sum())
        out[f"alarm_events_{name}_per_hour{ending}"] = (count / hours if hours > 0 else None, n)
        out[f"hours_{name}"] = (hours, n)
    kept = windows.take(judged)
    late = delays(kept, sounds[judged])
    n, hits = len(late), int(np.isfinite(late).sum())
    out[f"events_found{ending}"] = (hits / n if n else None, n)
    out[f"events_missed{ending}"] = (float(n - hits) if n else None, n)
    out[f"event_delay{ending}"] = (middle if n and np.isfinite(middle := float(np.median(late))) else None, n)
    return out


def _tpr(false: np.ndarray, true: np.ndarray, fpr: float) -> float:
    """Largest true-positive rate whose false-positive rate is at most `fpr`."""
    return float((true / true[-1])[false / false[-1] <= fpr].max())


def _curve(y: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positives f64[k] above each distinct score, from none to all; of two classes or one."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1) if len(order) else np.zeros(0, np.int64)
    true = np.cumsum(y[order])[ends].astype(np.float64)
    return np.append(0.0, ends + 1 - true), np.append(0.0, true)


def _roc_auc(false: np.ndarray, true: np.ndarray) -> float:
    """Area under the ROC curve by trapezia (Fawcett 2006)."""
    return float(np.trapezoid(true, false) / (true[-1] * false[-1]))


def _pr_auc(false: np.ndarray, true: np.ndarray) -> float:
    """Average precision: precisions weighted by the recall that each threshold adds."""
    return float((np.diff(true) * true[1:] / (true[1:] + false[1:])).sum() / true[-1])


def _mcc(tp: int, fp: int, positives: int, negatives: int) -> float:
    """Matthews' correlation coefficient (1975); 0 where all windows are judged alike."""
    alarms = tp + fp
    product = float(alarms) * (positives + negatives - alarms) * positives * negatives
    return (tp * (negatives - fp) - fp * (positives - tp)) / math.sqrt(product) if product else 0.0


def _events(windows: ScoredWindows, alarm: np.ndarray) -> dict[str, tuple[float | None, int]]:
    """Share of attack segments with an alarm, and the median delay from a segment's begin to the end of its first alarm."""
    segment = windows.segments()
    count = int(segment.max(initial=-1)) + 1
    attacked = np.flatnonzero(segment >= 0)
    first = attacked[np.flatnonzero(np.diff(segment[attacked], prepend=-1))]
    hits = attacked[alarm[attacked]]
    begins = np.flatnonzero(np.diff(segment[hits], prepend=-1))  # the first alarm of each segment that has one
    hit = hits[begins]
    late = windows.t0[hit] + windows.duration[hit] - windows.t0[first[segment[hit]]]
    return {
        "event_recall": (len(late) / count if count else None, count),
        "detection_delay": (float(np.median(late)) if len(late) else None, len(late)),
    }
