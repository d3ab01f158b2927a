"""Differences between two detectors on the same windows, with intervals, and the words that they allow.

Paired moving-block bootstrap: in each draw the seeds are resampled, then blocks of two seconds within each recording (as the
intervals of single metrics are made), and both detectors are scored on the same draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from analysis.releases.release import Release
from kdgat.evaluation.bootstrap import ends, paired_f1
from kdgat.evaluation.scored import ScoredWindows

DRAWS = 1000
#: corrected p-value under which a difference counts
LEVEL = 0.05
Side = tuple[str, str]  # (model, protocol)


@dataclass(frozen=True)
class Effect:
    """F1 of `a` minus F1 of `b` with its 95 % interval."""

    value: float
    low: float
    high: float
    n_seeds: int


def sign(low: float | None, high: float | None) -> int:
    """1 or −1 where an interval lies over or under zero, else 0."""
    return 0 if low is None or high is None else (low > 0) - (high < 0)


def phrase(low: float, high: float) -> str:
    """Put into words what the interval of a difference lets one say of its two sides."""
    return {1: "improves on", -1: "falls short of", 0: "cannot be told from"}[sign(low, high)]


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
        # the draws of seeds and blocks are the same for both, so the mean of differences is the difference of means
        whole, draws = paired_f1(windows_of(windows), list(zip(*sides, strict=True)), DRAWS)
        low, high = ends(draws[0] - draws[1])
        return Effect(float(whole[0] - whole[1]), low, high, len(seeds))

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


def windows_of(rows: Sequence[dict[str, Any]]) -> ScoredWindows:
    """Rows of `predictions` as windows; recordings are numbered by name."""
    columns = {c: np.array([r[c] for r in rows]) for c in ("window", "t0", "duration", "injected", "attack")}
    return ScoredWindows(recording=np.unique([r["capture"] for r in rows], return_inverse=True)[1], **columns)
