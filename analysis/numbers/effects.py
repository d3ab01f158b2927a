"""Differences between two detectors on the same windows, with intervals, and the words that they allow.

Paired moving-block bootstrap: in each draw the seeds are resampled, then blocks of two seconds within each recording (as the
intervals of single metrics are made), and both detectors are scored on the same draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.releases.release import Release
from kdgat.evaluation.bootstrap import ends, paired_f1
from kdgat.evaluation.scored import ScoredWindows

DRAWS = 1000
#: corrected p-value under which a difference counts
LEVEL = 0.05
Side = tuple[str, str]  # (model, protocol)
#: dataset, scenario, protocol, seed
Place = tuple[str, str, str, int]
_PLACE = ("dataset", "scenario", "protocol", "seed")


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
        self._cache: dict[tuple[str, str, Side, Side], Effect | None] = {}

    @cached_property
    def _windows(self) -> dict[Place, pa.Table]:
        """Rows of `predictions` by place: slices, since the table is sorted by it."""
        table = self.release.table("predictions").combine_chunks()
        columns = [table[name].combine_chunks() for name in _PLACE]
        changes = [
            pc.not_equal(c.slice(1), c.slice(0, max(len(c) - 1, 0))).to_numpy(zero_copy_only=False) for c in columns
        ]
        starts = [0, *(np.flatnonzero(np.any(changes, 0)) + 1).tolist()] if len(table) else []
        places = [tuple(c[start].as_py() for c in columns) for start in starts]
        ends = [*starts[1:], len(table)]
        return {p: table.slice(i, j - i) for p, i, j in zip(places, starts, ends, strict=True)}

    @cached_property
    def _thresholds(self) -> dict[tuple[str, str, str, int], float]:
        rows = self.release.table("operating_points").to_pylist()
        return {(r["dataset"], r["model"], r["protocol"], r["seed"]): r["threshold"] for r in rows}

    def f1(self, dataset: str, scenario: str, a: Side, b: Side) -> Effect | None:
        """The difference on the windows that both scored; None where a seed leaves it undefined. Computed once."""
        key = (dataset, scenario, a, b)
        if key not in self._cache:
            self._cache[key] = self._f1(*key)
        return self._cache[key]

    def _f1(self, dataset: str, scenario: str, a: Side, b: Side) -> Effect | None:
        seeds = sorted(s for d, sc, p, s in self._windows if (d, sc, p) == (dataset, scenario, a[1]))
        alarms = []
        windows: pa.Table | None = None
        for seed in seeds:
            one, other = (self._side(dataset, scenario, side, seed) for side in (a, b))
            if one is None or other is None:
                return None
            _, i, j = np.intersect1d(*_keys(one[0], other[0]), assume_unique=True, return_indices=True)
            windows = one[0].take(pa.array(i))
            alarms.append([one[1][i], other[1][j]])
        if windows is None or not pc.any(pc.greater(windows["injected"], 0)).as_py():
            return None
        # the draws of seeds and blocks are the same for both, so the mean of differences is the difference of means
        whole, draws = paired_f1(windows_of(windows), list(zip(*alarms, strict=True)), DRAWS)
        low, high = ends(draws[0] - draws[1])
        return Effect(float(whole[0] - whole[1]), low, high, len(seeds))

    def _side(self, dataset: str, scenario: str, side: Side, seed: int) -> tuple[pa.Table, np.ndarray] | None:
        """Windows that one detector scored, and its alarms, bool[n]; None where it scored none."""
        model, protocol = side
        threshold = self._thresholds.get((dataset, model, protocol, seed))
        rows = self._windows.get((dataset, scenario, protocol, seed))
        if threshold is None or rows is None:
            return None
        rows = rows.filter(pc.is_valid(rows[model]))
        return rows, rows[model].to_numpy().astype(np.float64) >= threshold


def _keys(a: pa.Table, b: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """A whole number for each window of two tables, in the order of capture and window: the same for the same window."""
    _, numbers = np.unique(a["capture"].to_pylist() + b["capture"].to_pylist(), return_inverse=True)
    windows = np.concatenate([a["window"].to_numpy(), b["window"].to_numpy()]).astype(np.int64)
    keys = numbers * (windows.max(initial=0) + 1) + windows
    return keys[: len(a)], keys[len(a) :]


def windows_of(rows: pa.Table) -> ScoredWindows:
    """Rows of `predictions` as windows; recordings are numbered by name."""
    columns = {c: np.array(rows[c].to_pylist()) for c in ("window", "t0", "duration", "injected", "attack")}
    return ScoredWindows(recording=np.unique(rows["capture"].to_pylist(), return_inverse=True)[1], **columns)
