"""Differences between two detectors on the same windows, with intervals, and the words that they allow.

Paired moving-block bootstrap: in each draw the seeds are resampled, then blocks of two seconds within each recording (as the
intervals of single metrics are made), and both detectors are scored on the same draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from analysis.release import Release

BLOCK_SECONDS = 2.0
DRAWS = 1000
Side = tuple[str, str]  # (model, protocol)


@dataclass(frozen=True)
class Effect:
    """F1 of `a` minus F1 of `b` with its 95 % interval."""

    value: float
    low: float
    high: float
    n_seeds: int

    @property
    def phrase(self) -> str:
        """What may be said of a and b: the sign of the interval decides."""
        if self.low > 0:
            return "improves on"
        return "falls short of" if self.high < 0 else "cannot be told from"


class Effects:
    """Effects of one release, computed when asked for."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self._made: dict[tuple[str, str, Side, Side], Effect | None] = {}

    @cached_property
    def _windows(self) -> dict[tuple[str, str, str, int], list[dict[str, Any]]]:
        groups: dict[tuple[str, str, str, int], list[dict[str, Any]]] = {}
        for r in self.release.table("predictions").to_pylist():
            groups.setdefault((r["dataset"], r["scenario"], r["protocol"], r["seed"]), []).append(r)
        return groups

    @cached_property
    def _thresholds(self) -> dict[tuple[str, str, str, int], float]:
        rows = self.release.table("operating_points").to_pylist()
        return {(r["dataset"], r["model"], r["protocol"], r["seed"]): r["threshold"] for r in rows}

    @cache  # noqa: B019 (an instance lives as long as its release is shown)
    def f1(self, dataset: str, scenario: str, a: Side, b: Side) -> Effect | None:
        """The difference on the windows that both scored; None where a seed leaves it undefined. Computed once."""
        key = (dataset, scenario, a, b)
        if key not in self._made:
            self._made[key] = self._f1(*key)
        return self._made[key]

    def _f1(self, dataset: str, scenario: str, a: Side, b: Side) -> Effect | None:
        seeds = sorted(s for d, sc, p, s in self._windows if (d, sc, p) == (dataset, scenario, a[1]))
        sides = []
        windows: list[dict[str, Any]] = []
        for seed in seeds:
            rows = [self._side(dataset, scenario, side, seed) for side in (a, b)]
            shared = sorted(rows[0].keys() & rows[1].keys())
            windows = [rows[0][k][0] for k in shared]
            sides.append([np.array([r[k][1] for k in shared]) for r in rows])
        if not windows or not any(w["injected"] for w in windows):
            return None
        weights = block_weights(windows, DRAWS)
        y = np.array([w["injected"] > 0 for w in windows])
        ones = np.ones((1, len(y)), np.float32)
        point = np.mean([_f1(ones, y, x)[0] - _f1(ones, y, z)[0] for x, z in sides])
        drawn = np.stack([_f1(weights, y, x) - _f1(weights, y, z) for x, z in sides], 1)
        picked = np.random.default_rng(len(seeds)).integers(0, len(seeds), drawn.shape)
        low, high = np.nanquantile(np.take_along_axis(drawn, picked, 1).mean(1), [0.025, 0.975])
        return Effect(float(point), float(low), float(high), len(seeds))

    def _side(
        self, dataset: str, scenario: str, side: Side, seed: int
    ) -> dict[tuple[Any, ...], tuple[dict[str, Any], bool]]:
        """(capture, window) → (row, alarm) of one detector."""
        model, protocol = side
        threshold = self._thresholds.get((dataset, model, protocol, seed))
        rows = self._windows.get((dataset, scenario, protocol, seed), [])
        if threshold is None:
            return {}
        return {(r["capture"], r["window"]): (r, r[model] >= threshold) for r in rows if r[model] is not None}


def block_weights(windows: Sequence[dict[str, Any]], draws: int) -> np.ndarray:
    """How often each window is drawn, f32[draws, n]; blocks wrap around, each recording keeps its number of windows."""
    rng = np.random.default_rng(7)
    captures = np.array([w["capture"] for w in windows])
    weights = np.zeros((draws, len(windows)), np.float32)
    for capture in np.unique(captures):
        at = np.flatnonzero(captures == capture)
        n = len(at)
        span = windows[at[-1]]["t0"] + windows[at[-1]]["duration"] - windows[at[0]]["t0"]
        block = int(np.clip(round(BLOCK_SECONDS * n / max(span, 1e-9)), 1, n))
        begin = rng.integers(0, n, (draws, -(-n // block)))
        drawn = ((begin[:, :, None] + np.arange(block)) % n).reshape(draws, -1)[:, :n]
        counted = np.bincount((drawn + n * np.arange(draws)[:, None]).ravel(), minlength=draws * n)
        weights[:, at] = counted.reshape(draws, n)
    return weights


def _f1(weights: np.ndarray, y: np.ndarray, alarm: np.ndarray) -> np.ndarray:
    """F1 of every draw, f64[draws]."""
    masks = np.stack([alarm & y, alarm & ~y, ~alarm & y], 1).astype(np.float32)
    tp, fp, fn = (weights @ masks).astype(np.float64).T
    made: np.ndarray = np.divide(2 * tp, 2 * tp + fp + fn, out=np.full(len(tp), np.nan), where=tp + fn > 0)
    return made
