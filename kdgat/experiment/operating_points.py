"""Choose operating points on the validation windows of a (dataset, seed), and count how a model does there."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from kdgat.config import Config
from kdgat.dataset.prepare import Prepared
from kdgat.evaluation.scored import ScoredWindows
from kdgat.evaluation.thresholds import RULE_OF_THREE, OperatingPoint, best_f1, by_protocol, false_positive_rate
from kdgat.graphs.store import GraphStore

#: threshold of the rule `half`
HALF = 0.5
#: share of benign windows that may raise an alarm where there are no attacks to choose a threshold with
BENIGN_FALSE_ALARM_RATE = 0.01


def operating_points(
    config: Config, prepared: Prepared, scores: np.ndarray, *, resolved: bool = False
) -> dict[str, OperatingPoint]:
    """Choose operating points by the configuration's rule, from scores f64[B] of the validation windows.

    With `resolved`, a false-alarm rate that so few windows do not resolve gives way to the least that they do.

    Returns:
        Protocol → operating point.

    Raises:
        KdgatError: the validation traffic is too short for the false-alarm rate that is asked for.
    """
    validation = prepared.store("validation")
    if config.operating_point == "half" and config.false_alarm_rate is None:
        at_half = OperatingPoint(HALF, "none, fixed at 0.5")
        return by_protocol(lambda _: at_half, validation.has_profile)
    fit = partial(_fitted, config, validation, scores, "validation", resolved=resolved)
    return by_protocol(fit, validation.has_profile)


def fitted_operating_points(
    config: Config, prepared: Prepared, scores: np.ndarray, known: np.ndarray
) -> dict[str, OperatingPoint]:
    """Choose operating points as `operating_points`, never fixed, on the windows bool[B] that are `known` to the model.

    For models whose score is no probability; some of them no virtual vehicle can be scored with. Where captures alone are too
    few windows for the false-alarm rate that is asked for, it is the least that they resolve, and the point says so.
    """
    validation = prepared.store("validation")
    source = "validation" if known.all() else "validation captures"
    fit = partial(_fitted, config, validation, scores, source, resolved=not known.all())
    return by_protocol(lambda mask: fit(mask & known), validation.has_profile)


def benign_operating_points(config: Config, validation: GraphStore, scores: np.ndarray) -> dict[str, OperatingPoint]:
    """Choose operating points from scores f64[n] of the benign validation windows, for a model that knows no attack.

    The rate is the one asked for; without one `BENIGN_FALSE_ALARM_RATE`, or the least that so few windows resolve.
    """
    benign = np.flatnonzero(np.asarray(validation.y) == 0)
    duration = np.asarray(validation.duration)[benign]

    def fit(mask: np.ndarray) -> OperatingPoint:
        rate = config.false_alarm_rate or max(BENIGN_FALSE_ALARM_RATE, RULE_OF_THREE / mask.sum())
        return false_positive_rate(scores[mask], rate, float(duration[mask].sum()))

    return by_protocol(fit, validation.has_profile[benign])


def _fitted(
    config: Config, validation: GraphStore, scores: np.ndarray, source: str, mask: np.ndarray, *, resolved: bool = False
) -> OperatingPoint:
    """Fit the point on validation windows bool[B]: at the false-alarm rate asked for, else of the best F1.

    With `resolved`, at the least rate that these windows resolve where that is higher.
    """
    y = np.asarray(validation.y).astype(np.int64)
    if config.false_alarm_rate is None:
        return best_f1(y[mask], scores[mask], f"{source}, best F1")
    benign = mask & far_from_attacks(validation)
    seconds = float(np.asarray(validation.duration)[benign].sum())
    rate = (
        max(config.false_alarm_rate, RULE_OF_THREE / max(int(benign.sum()), 1)) if resolved else config.false_alarm_rate
    )
    return false_positive_rate(scores[benign], rate, seconds, f"{source}, benign windows")


def far_from_attacks(store: GraphStore) -> np.ndarray:
    """Benign windows more than a second from any attacked window of their recording that is in the store, bool[B].

    The first genuine frame after a forged one still shows it: that is no false alarm, and must set no threshold.
    """
    recording = np.asarray(store.capture).astype(np.int64) * 2 + store.has_profile
    order = np.lexsort((np.asarray(store.t0), recording))
    columns = (np.asarray(c)[order] for c in (store.start, store.t0, store.duration, store.injected, store.attack))
    start, t0, duration, injected, attack = columns
    windows = ScoredWindows(recording[order], start, t0, duration.astype(np.float64), injected.astype(np.int64), attack)
    out = np.empty(len(store), bool)
    out[order] = windows.far()
    return out


def check_false_alarm_rate(config: Config, prepared: Prepared) -> None:
    """Refuse a false-alarm rate that the validation traffic cannot resolve, before anything is trained.

    Raises:
        KdgatError: it is too short; says the minutes needed.
    """
    if config.false_alarm_rate is not None:
        operating_points(config, prepared, np.zeros(len(prepared.store("validation"))))


def confusion(
    model: str, y: np.ndarray, scores: np.ndarray, points: dict[str, OperatingPoint], profiled: np.ndarray
) -> list[dict[str, Any]]:
    """Count hits and errors on the validation windows that each operating point was chosen on.

    Args:
        model: name of the model.
        y, scores: i64[n] and f64[n] of the windows.
        points: by protocol.
        profiled: bool[n], the window was given a profile.

    Returns:
        A row per protocol: model, protocol, tp, fn, fp, tn.
    """
    rows = []
    for protocol, like in (("zero-shot", ~profiled), ("calibrated", profiled)):
        if protocol in points and like.any():
            alarm, attacked = points[protocol].alarms(scores[like]), y[like] == 1
            masks = {"tp": alarm & attacked, "fn": ~alarm & attacked, "fp": alarm & ~attacked, "tn": ~alarm & ~attacked}
            rows.append({"model": model, "protocol": protocol} | {name: int(m.sum()) for name, m in masks.items()})
    return rows


def as_json(points: dict[str, OperatingPoint]) -> dict[str, list[Any]]:
    """Make operating points JSON-able: protocol → [threshold, source]."""
    return {protocol: [p.threshold, p.source] for protocol, p in points.items()}
