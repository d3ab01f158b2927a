"""95 % intervals: circular block bootstrap within each recording, seeds in the outer loop.

Windows of one recording are dependent, so whole blocks of two seconds are drawn (Künsch 1989); recordings are few (one in a
scenario of hcrl-sa), so they are not resampled: that would be degenerate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdgat.evaluation.scored import ScoredWindows

BLOCK_SECONDS = 2.0


def block_weights(windows: ScoredWindows, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each window is drawn, f32[draws, n]; each recording keeps its number of windows.

    Blocks wrap around the end of a recording, so that windows at the ends are drawn as often as others.
    """
    weights = np.zeros((draws, len(windows)), np.float32)
    row = np.arange(draws)[:, None] * len(windows)
    for recording in np.unique(windows.recording):
        at = np.flatnonzero(windows.recording == recording)
        n = len(at)
        span = float(windows.t0[at[-1]] + windows.duration[at[-1]] - windows.t0[at[0]])
        block = int(np.clip(round(BLOCK_SECONDS * n / max(span, 1e-9)), 1, n))
        blocks = -(-n // block)
        begin = rng.integers(0, n, (draws, blocks))
        # the last block is cut, so that n windows are drawn
        drawn = ((begin[:, :, None] + np.arange(block)) % n).reshape(draws, -1)[:, :n]
        weights += np.bincount((row + at[drawn]).ravel(), minlength=weights.size).reshape(weights.shape)
    return weights


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=b > 0)


def from_counts(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> dict[str, np.ndarray]:
    """F1, precision, recall and MCC of every draw, f64[draws] as the counts; NaN where a draw leaves it undefined."""
    return {
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "mcc": _ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))),
    }


def weighted_metrics(
    weights: np.ndarray, y: np.ndarray, scores: np.ndarray, threshold: float, *, ranking: bool = True
) -> dict[str, np.ndarray]:
    """F1, precision, recall, MCC (and areas) for every draw, f64[draws]; NaN where a draw leaves it undefined."""
    alarm = scores >= threshold
    masks = np.stack([alarm & (y == 1), alarm & (y == 0), ~alarm & (y == 1), ~alarm & (y == 0)], 1)
    tp, fp, fn, tn = (weights @ masks.astype(np.float32)).astype(np.float64).T
    out = from_counts(tp, fp, fn, tn)
    if ranking:
        order = np.argsort(-scores, kind="stable")
        ties = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0))
        ranked = weights[:, order]
        positive = np.add.reduceat(ranked * (y[order] == 1), ties, axis=1).astype(np.float64)
        negative = np.add.reduceat(ranked * (y[order] == 0), ties, axis=1).astype(np.float64)
        cum_positive, cum_negative = positive.cumsum(1), negative.cumsum(1)
        area = ((cum_positive - positive / 2) * negative).sum(1)
        average = (positive * _ratio(cum_positive, cum_positive + cum_negative)).sum(1, where=positive > 0)
        out["roc_auc"] = _ratio(area, (tp + fn) * (tn + fp))
        out["pr_auc"] = np.where(tp + fn > 0, _ratio(average, tp + fn), np.nan)
    return out


def intervals(
    weights: np.ndarray,
    y: np.ndarray,
    scores: Sequence[np.ndarray],
    thresholds: Sequence[float],
    seed: int,
    *,
    ranking: bool = True,
) -> dict[str, tuple[float, float]]:
    """(low, high) of each metric's mean over seeds.

    In each draw the seeds are resampled with replacement, then blocks of windows (the same for all of them).

    Args:
        weights: f32[draws, n] of `block_weights`.
        y: i64[n], labels, the same for all seeds.
        scores: one f64[n] a seed.
        thresholds: one a seed.
        seed: of the resampling of seeds.
        ranking: whether the areas under the curves are wanted.
    """
    picked = np.random.default_rng(seed).integers(0, len(scores), (len(weights), len(scores)))
    per_seed = [weighted_metrics(weights, y, s, t, ranking=ranking) for s, t in zip(scores, thresholds, strict=True)]
    out = {}
    for name in per_seed[0]:
        values = np.stack([m[name] for m in per_seed], 1)
        values = np.take_along_axis(values, picked, axis=1).mean(1)
        values = values[np.isfinite(values)]
        if len(values):
            low, high = np.quantile(values, [0.025, 0.975])
            out[name] = (float(low), float(high))
    return out


def paired_f1(
    windows: ScoredWindows, sides: Sequence[Sequence[np.ndarray]], draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """F1 of several detectors on the same windows and the same draws, so that their differences have intervals.

    Args:
        windows: n of them.
        sides: one detector each: its alarms, one bool[n] a seed.
        draws: in each, seeds are drawn with replacement, then blocks of windows.

    Returns:
        F1 over all windows, mean over seeds, f64[sides]; and of every draw, f64[sides, draws], NaN where a draw holds no
        attacked window.
    """
    seeds = len(sides[0])
    weights = block_weights(windows, draws, np.random.default_rng(7))
    picked = np.random.default_rng(seeds).integers(0, seeds, (draws, seeds))
    ones, y = np.ones((1, len(windows)), np.float32), windows.y == 1
    whole = [_f1(ones, y, side).mean() for side in sides]
    drawn = [np.take_along_axis(_f1(weights, y, side), picked, 1).mean(1) for side in sides]
    return np.array(whole), np.array(drawn)


def ends(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of draws, f64[draws], those that are undefined left out."""
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


def _f1(weights: np.ndarray, y: np.ndarray, alarms: Sequence[np.ndarray]) -> np.ndarray:
    """F1 of every draw and seed, f64[draws, seeds]: one pass over the weights for all of them."""
    masks = np.stack([mask for alarm in alarms for mask in (alarm & y, alarm & ~y, ~alarm & y)], 1)
    counts = (weights @ masks.astype(np.float32)).astype(np.float64)
    tp, fp, fn = np.moveaxis(counts.reshape(len(weights), -1, 3), 2, 0)
    f1: np.ndarray = np.divide(2 * tp, 2 * tp + fp + fn, out=np.full(tp.shape, np.nan), where=tp + fn > 0)
    return f1
