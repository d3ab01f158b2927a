"""95 % intervals and paired differences: attacked and benign stretches resampled apart, a t-interval over seeds and traffic.

Attacks lie where the recording has them, so attacked and benign windows are drawn apart, in circular blocks of two seconds
within each recording (Künsch 1989): drawn together, the share of attacked windows would vary from draw to draw, and with it
F1. Seeds are few, so their spread enters by a t-interval and not by resampling. Seeds and traffic are crossed, since every seed scores
the same windows: with S seeds and T blocks a mean over both has the variance σ²(seed)/S + σ²(traffic)/T + σ²(both)/ST; the spread of
the seeds' values estimates the first and third term, the draws of their mean the second and third, and the third is taken off once.
Degrees of freedom follow Satterthwaite (1946).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from kdgat.evaluation.alarms import SINGLE, AlarmRule, delays, rising
from kdgat.evaluation.bootstrap import BLOCK_SECONDS, from_counts
from kdgat.evaluation.metrics import RECALL_AT, SINGLE_ENDING
from kdgat.evaluation.scored import ScoredWindows

#: blocks that a stretch of windows is cut into at least: a variance from fewer would be a guess
LEAST_BLOCKS = 8
_LEVEL = 0.95
_SEED = 20260101


@dataclass(frozen=True)
class Draws:
    """Resampled windows of one class, the other class as it is.

    Attributes:
        weights: u16[n, D], how often each window is drawn.
        blocks: that were drawn in each draw, all recordings together.
        free: degrees of freedom of a variance over them.
    """

    weights: np.ndarray
    blocks: int
    free: int

    @staticmethod
    def of(windows: ScoredWindows, of_class: np.ndarray, draws: int, rng: np.random.Generator) -> Draws | None:
        """Draw blocks of the windows bool[n] within each recording; None where there are none to draw."""
        from kdgat.evaluation.kernels import ranking  # late: compiled code is loaded when it is needed

        weights = np.ones((len(windows), draws), np.uint16)
        weights[of_class] = 0
        blocks, recordings = 0, 0
        for recording in np.unique(windows.recording[of_class]):
            at = np.flatnonzero(of_class & (windows.recording == recording))
            n, seconds = len(at), float(windows.duration[at].sum())
            size = int(np.clip(round(BLOCK_SECONDS * n / max(seconds, 1e-9)), 1, max(n // LEAST_BLOCKS, 1)))
            count = -(-n // size)
            ranking.drawn(at, rng.integers(0, n, (draws, count)), size, weights)
            blocks, recordings = blocks + count, recordings + 1
        return Draws(weights, blocks, blocks - recordings) if blocks > recordings else None


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: of it.
        error: standard error; free: its degrees of freedom.
    """

    mean: float
    error: float
    free: float

    def ends(self, low: float = -np.inf, high: float = np.inf) -> tuple[float, float]:
        """The 95 % interval, cut at what the quantity can be."""
        from scipy import special  # late, as all of scipy: the site is rendered without it

        # Student's quantile and tail as `scipy.stats.t` has them, without the milliseconds of its checks
        half = float(special.stdtrit(self.free, (1 + _LEVEL) / 2)) * self.error if self.error > 0 else 0.0
        return float(np.clip(self.mean - half, low, high)), float(np.clip(self.mean + half, low, high))

    @property
    def p(self) -> float:
        """Two-sided p-value of the mean being 0."""
        from scipy import special

        if self.error > 0:
            return float(2 * special.stdtr(self.free, -abs(self.mean) / self.error))
        return 1.0 if self.mean == 0 else 0.0


def estimate(whole: np.ndarray, drawn: Sequence[tuple[np.ndarray, int, int]]) -> Estimate | None:
    """Join the spread of seeds with that of resampled traffic.

    Args:
        whole: f64[S], the value of each seed over all windows.
        drawn: a set of draws each: f64[S, D] (NaN where a draw leaves it undefined), blocks, degrees of freedom.

    Returns:
        None where nothing can be told: one seed, and no traffic to resample.
    """
    seeds = len(whole)
    parts: list[tuple[float, float]] = []
    shared = 0.0
    for values, blocks, of_blocks in drawn:
        values = values[:, np.isfinite(values).all(0)]
        if values.shape[1] < 2:
            return None
        scale = blocks / of_blocks
        own = float(values.var(1, ddof=1).mean()) * scale
        mean = float(values.mean(0).var(ddof=1)) * scale
        both = max(own - mean, 0.0) / (seeds - 1) if seeds > 1 else 0.0
        shared += both
        parts.append((max(mean - both, 0.0) if seeds > 1 else mean, of_blocks))
    if seeds > 1:
        seed_variance = float(whole.var(ddof=1)) / seeds
        parts.append((max(seed_variance, shared), seeds - 1))
    if not parts:
        return None
    total = sum(v for v, _ in parts)
    free = total**2 / sum(v**2 / f for v, f in parts) if total > 0 else 1.0
    return Estimate(float(whole.mean()), total**0.5, free)


#: metrics of one seed, of all windows and then of each set of draws
Values: TypeAlias = Sequence[dict[str, np.ndarray]]
#: metrics that lie between −1 and 1 rather than 0 and 1
_SIGNED = frozenset({"mcc"})


class Resampled:
    """The draws of one scenario, which all its models share.

    Args:
        windows: n of them.
        within: bool[n], those that are judged.
        draws: bootstrap draws, half of them of attacked and half of benign windows.
    """

    def __init__(self, windows: ScoredWindows, within: np.ndarray, draws: int) -> None:
        self.windows, self.within = windows.take(within), within
        self.far = windows.far()[within]
        rng = np.random.default_rng(_SEED)
        attacked = self.windows.y == 1
        strata = (Draws.of(self.windows, c, max(draws // 2, 2), rng) for c in (attacked, ~attacked))
        self.draws = [d for d in strata if d is not None]
        self.ranked: dict[tuple[int, float], tuple[np.ndarray, list[dict[str, np.ndarray]]]] = {}

    def values(self, scores: np.ndarray, threshold: float, *, ranking: bool) -> list[dict[str, np.ndarray]]:
        """Metrics of one seed, for all windows (f64[1]) and then for each set of draws (f64[D]).

        Rankings are kept by the array that they are of: what the summary has judged, the differences ask for again.
        """
        if not ranking:
            return self._values(scores, threshold, ranking=False)
        key = id(scores), threshold
        if key not in self.ranked:
            self.ranked[key] = scores, self._values(scores, threshold, ranking=True)
        return self.ranked[key][1]

    def _values(self, scores: np.ndarray, threshold: float, *, ranking: bool) -> list[dict[str, np.ndarray]]:
        from kdgat.evaluation.kernels.ranking import counts

        inside = scores[self.within]
        attacked, alarm = self.windows.y == 1, inside >= threshold
        out = []
        for weights in (np.ones((len(inside), 1), np.uint16), *(d.weights for d in self.draws)):
            metrics = from_counts(*counts(weights, attacked, alarm))
            if ranking:
                metrics |= ranked_metrics(weights, attacked, self.far, inside)
            out.append(metrics)
        return out

    def estimates(self, per_seed: Sequence[list[dict[str, np.ndarray]]]) -> dict[str, Estimate]:
        """Estimate every metric that all seeds define, from the `values` of each."""
        out = {}
        for name in per_seed[0][0]:
            whole = np.array([v[0][name][0] for v in per_seed])
            drawn = [(np.stack([v[1 + k][name] for v in per_seed]), d.blocks, d.free) for k, d in enumerate(self.draws)]
            if np.isfinite(whole).all() and (result := estimate(whole, drawn)) is not None:
                out[name] = result
        return out


def apart(
    mine: Sequence[Values], theirs: Sequence[Values], metrics: Sequence[str]
) -> list[list[dict[str, np.ndarray]]]:
    """Subtract another model's `Resampled.values` from a model's, seed by seed and draw by draw, for `Resampled.estimates`."""
    return [
        [{name: a[name] - b[name] for name in metrics} for a, b in zip(one, other, strict=True)]
        for one, other in zip(mine, theirs, strict=True)
    ]


#: windows × draws above which several cores are worth their start
_MANY = 1_000_000


def ranked_metrics(
    weights: np.ndarray, attacked: np.ndarray, far: np.ndarray, scores: np.ndarray
) -> dict[str, np.ndarray]:
    """Areas under the curves and the metrics `RECALL_AT` for every draw, f64[D], from weights u16[n, D]; NaN where undefined."""
    from kdgat.evaluation.kernels.ranking import TOGETHER, ranked

    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    rates = np.array([rate for rate, _ in RECALL_AT.values()])
    draws = weights.shape[1]
    columns = np.empty((draws, 2 + len(rates)))

    def judge(first: int) -> None:
        ranked(weights, order, last, attacked, far, rates, first, columns[first : first + TOGETHER])

    if weights.size < _MANY:
        ranked(weights, order, last, attacked, far, rates, 0, columns)
    else:
        from kdgat.compiled import threads_available  # late: numba, which a check of older intervals does without

        with ThreadPoolExecutor(threads_available()) as pool:
            list(pool.map(judge, range(0, draws, TOGETHER)))
    out = dict(zip(("roc_auc", "pr_auc", *RECALL_AT), columns.T, strict=True))
    for name, (_, least) in RECALL_AT.items():
        if far.sum() < least:
            out[name] = np.full(draws, np.nan)
    return out


@lru_cache(maxsize=1)
def whole(windows: ScoredWindows, draws: int) -> Resampled:
    """Give the draws of all windows, the same to whoever asks for these next."""
    return Resampled(windows, np.ones(len(windows), bool), draws)


def stratified(
    windows: ScoredWindows, within: np.ndarray, draws: int, rule: AlarmRule
) -> Callable[..., dict[str, tuple[float, float]]]:
    """Prepare the draws of one scenario; the result gives (low, high) of each metric from scores and thresholds of each seed."""
    resampled = whole(windows, draws) if within.all() else Resampled(windows, within, draws)
    far = within & windows.far()

    def ends(
        scores: Sequence[np.ndarray], thresholds: Sequence[float], *, ranking: bool
    ) -> dict[str, tuple[float, float]]:
        pairs = list(zip(scores, thresholds, strict=True))
        estimates = resampled.estimates([resampled.values(s, t, ranking=ranking) for s, t in pairs])
        out = {name: e.ends(-1.0 if name in _SIGNED else 0.0, 1.0) for name, e in estimates.items()}
        single = [SINGLE.sounds(windows.recording, s >= t) for s, t in pairs]
        alone = _of_alarms(windows, resampled, far, single)
        sounds = [rule.sounds(windows.recording, s >= t) for s, t in pairs]
        out |= alone if rule == SINGLE else _of_alarms(windows, resampled, far, sounds)
        return out | {f"{name}{SINGLE_ENDING}": interval for name, interval in alone.items()}

    return ends


def _of_alarms(
    windows: ScoredWindows, judged: Resampled, far: np.ndarray, sounds: Sequence[np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Intervals of what is counted in events: attack events resampled, alarm events by `rate_ends`."""
    out: dict[str, tuple[float, float]] = {}
    hours = float(windows.duration[far].sum() / 3600)
    if hours > 0:
        counts = [int((rising(windows.recording, s) & far).sum()) for s in sounds]
        out["alarm_events_far_per_hour"] = rate_ends(counts, hours)
    hits = np.array([np.isfinite(delays(judged.windows, s[judged.within])) for s in sounds], np.float64)
    events = hits.shape[1]
    if events > 1:
        # not draws but the events themselves: over √events their spread is that of a draw's mean
        share = estimate(hits.mean(1), [(hits / events**0.5, events - 1, events - 1)])
        if share is not None:
            out["events_found"] = share.ends(0.0, 1.0)
    return out


def rate_ends(counts: Sequence[int], hours: float) -> tuple[float, float]:
    """95 % interval of events an hour for a detector of one more seed, from the counts of the seeds over the same `hours`.

    Hierarchical: any of the seeds, equally likely, and around its count the exact Poisson limits (Garwood 1936) as distributions, Gamma
    with shape count for the lower end and count + 1 for the upper. So the upper end lies over what the worst of few seeds did.
    """
    from scipy import optimize, special

    counts_ = np.asarray(counts, np.float64)
    tail = (1 - _LEVEL) / 2

    def quantile(shape: np.ndarray, share: float) -> float:
        known = shape[shape > 0]
        floor = 1 - len(known) / len(shape)  # a seed without an event has its lower limit at 0
        if share <= floor:
            return 0.0

        def excess(x: float) -> float:
            return float(floor + special.gammainc(known, x).sum() / len(shape) - share)

        return float(optimize.brentq(excess, 0.0, special.gammainccinv(known.max(), 1e-12)))

    return quantile(counts_, tail) / hours, quantile(counts_ + 1, 1 - tail) / hours
