"""Operating points: a threshold, and on what it was fitted. Test labels are never among it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kdgat.errors import KdgatError
from kdgat.records import PROTOCOLS

#: without an event in n trials, the rate is under 3/n at a level of 95 % (Hanley & Lippman-Hand 1983)
RULE_OF_THREE = 3


#: protocols that know nothing of the car but its stream
WITHOUT_PROFILE = ("zero-shot", "adapted")
#: probabilities are kept so far from 0 and 1 before their logit is taken
LEAST = 1e-6


def logit(p: np.ndarray | float) -> np.ndarray:
    """log(p/(1 − p)) of scores f64[n] in [0, 1], within ±13.8."""
    inside = np.clip(np.asarray(p, np.float64), LEAST, 1 - LEAST)
    log_odds: np.ndarray = np.log(inside / (1 - inside))
    return log_odds


@dataclass(frozen=True)
class OperatingPoint:
    """A window is an attack if its score is at or over `threshold`; `source` says where that came from."""

    threshold: float
    source: str

    def alarms(self, scores: np.ndarray) -> np.ndarray:
        """bool[n] for scores f64[n]: at or over the threshold."""
        return scores >= self.threshold


def best_f1(y: np.ndarray, scores: np.ndarray, source: str = "validation, best F1") -> OperatingPoint:
    """The threshold of the best F1, in the middle (in log odds) of the widest plateau that reaches it.

    Args:
        y: i64[n], labels of validation windows.
        scores: f64[n] in [0, 1].

    Raises:
        KdgatError: there is no attacked window to fit on.
    """
    if not y.any():
        raise KdgatError("an operating point needs attacked validation windows; there is none")
    order = np.argsort(-scores, kind="stable")
    ranked, hit = scores[order], y[order]
    tp = np.cumsum(hit)
    cuts = np.flatnonzero(
        np.append(ranked[1:] != ranked[:-1], True)
    )  # only between distinct scores can a threshold lie
    f1 = 2 * tp[cuts] / (cuts + 1 + y.sum())
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    # the score at each cut and the next lower one, in log odds; cuts side by side make one plateau
    inside, outside = logit(np.array([ranked[cuts], np.append(ranked[cuts[:-1] + 1], 0.0)]))
    plateaus = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    widest = max(plateaus, key=lambda run: inside[run[0]] - outside[run[-1]])
    middle = float(inside[widest[0]] + outside[widest[-1]]) / 2
    # never over the lowest score that must still raise an alarm
    return OperatingPoint(min(float(1 / (1 + np.exp(-middle))), float(ranked[cuts[widest[0]]])), source)


def false_positive_rate(
    benign_scores: np.ndarray, rate: float, seconds: float, source: str = "benign validation"
) -> OperatingPoint:
    """The threshold that `rate` of the benign validation windows reach.

    Args:
        benign_scores: f64[n].
        rate: target false-positive rate of windows.
        seconds: traffic that the windows span (s), for the message.

    Raises:
        KdgatError: fewer than 3/rate windows cannot resolve the rate (rule of three); says the minutes needed.
    """
    need = int(np.ceil(RULE_OF_THREE / rate - 1e-9))  # 3/(3/47) is a little over 47
    if len(benign_scores) < need:
        minutes = seconds / max(len(benign_scores), 1) * need / 60
        raise KdgatError(
            f"a false-positive rate of {rate:g} needs {need} benign windows (about {minutes:.1f} minutes of traffic); "
            f"there are {len(benign_scores)}"
        )
    threshold = np.quantile(benign_scores, 1 - rate, method="higher")
    return OperatingPoint(float(np.nextafter(threshold, np.inf)), f"{source}, false-positive rate {rate:g}")


def by_protocol(fit: Callable[[np.ndarray], OperatingPoint], has_profile: np.ndarray) -> dict[str, OperatingPoint]:
    """One operating point a protocol, each fitted on the validation windows that are like what it will meet.

    Args:
        fit: mask of validation windows → operating point.
        has_profile: bool[n], the window was given a profile (nowhere with features that know no profiles: then
            zero-shot is the only protocol). A detector cannot know where its profile comes from, or that it is
            contaminated or poisoned, so those protocols share the point of `calibrated`. `adapted` chooses its own.
    """
    if not has_profile.any():
        return {"zero-shot": fit(~has_profile)}
    calibrated = fit(has_profile)
    with_profile = [protocol for protocol in PROTOCOLS if protocol not in WITHOUT_PROFILE]
    return {"zero-shot": fit(~has_profile)} | dict.fromkeys(with_profile, calibrated)


@dataclass(frozen=True)
class BenignCDF:
    """Turns an unbounded error into P(benign error < error), in [0, 1).

    Over the largest benign error the empirical CDF would saturate and ties would hide which window is worse; there a
    tail 1 − 1/((n + 1)(1 + excess/scale)) goes on rising.

    Attributes:
        sorted: f64[n], benign validation errors, ascending.
        scale: distance between the 95th percentile and the maximum.
    """

    sorted: np.ndarray
    scale: float

    @staticmethod
    def fit(errors: np.ndarray) -> BenignCDF:
        """From errors of benign validation windows, f64[n]."""
        ranked = np.sort(np.asarray(errors, np.float64))
        return BenignCDF(ranked, max(float(ranked[-1] - np.quantile(ranked, 0.95)), 1e-9))

    def __call__(self, errors: np.ndarray) -> np.ndarray:
        """f64[n] in [0, 1), monotonic."""
        n = len(self.sorted)
        inside = np.interp(errors, self.sorted, np.arange(1, n + 1) / (n + 1), left=0.0)
        excess = np.maximum(np.asarray(errors, np.float64) - self.sorted[-1], 0) / self.scale
        return np.where(excess > 0, 1 - 1 / ((n + 1) * (1 + excess)), inside)
