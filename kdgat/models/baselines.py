"""Baselines on the same windows: gradient boosting on pooled features, inter-arrival times, ID frequencies.

The last two know no virtual vehicles: zero-shot they compare a window with the training cars, whichever fits best;
under the other protocols with the profile of the car under test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np
from jaxtyping import Float32

from kdgat.config import Config
from kdgat.graphs.store import GraphStore


class BaselineModel(Protocol):
    """What the evaluation asks of a baseline; a builder in the registry makes one from the configuration and a seed."""

    #: whether windows of virtual vehicles mean something to it; if not, its operating points come from captures alone
    scores_virtual_vehicles: bool

    def fits(self, store: GraphStore) -> bool:
        """Say whether the store has the features that it needs."""

    def fit(self, store: GraphStore, vehicles: Mapping[str, str]) -> Self:
        """Fit on a training store; `vehicles`: capture → its car."""

    def score(self, store: GraphStore) -> np.ndarray:
        """Score every window, f64[B]: the larger, the more suspicious."""

    @property
    def size(self) -> int:
        """Count the numbers that it holds."""


def pooled(store: GraphStore) -> Float32[np.ndarray, "B D"]:
    """Mean, standard deviation, minimum and maximum of each node feature, mean and maximum of each edge feature.

    F and G are the store's node and edge features, D = 4F + 2G, in that order. The standard deviation is that over the
    window's nodes (not n − 1). A window without edges (one frame) has zeros for them.
    """
    b = store.batch(np.arange(len(store)))
    nodes = np.asarray(store.node_ptr)[:-1]
    counts = np.diff(np.asarray(store.node_ptr))[:, None]
    mean = np.add.reduceat(b.x, nodes) / counts
    square = np.add.reduceat(b.x.astype(np.float64) ** 2, nodes) / counts
    std = np.sqrt(np.maximum(square - mean.astype(np.float64) ** 2, 0))
    edge_counts = np.diff(np.asarray(store.edge_ptr))
    has = edge_counts > 0
    begins = np.asarray(store.edge_ptr)[:-1][has]
    edges = np.zeros((len(store), 2 * b.edge_attr.shape[1]))
    if has.any():
        edge_mean = np.add.reduceat(b.edge_attr, begins) / edge_counts[has, None]
        edges[has] = np.hstack([edge_mean, np.maximum.reduceat(b.edge_attr, begins)])
    parts = [mean, std, np.minimum.reduceat(b.x, nodes), np.maximum.reduceat(b.x, nodes), edges]
    return np.hstack(parts).astype(np.float32)


class GradientBoosting:
    """Histogram gradient boosting on `pooled` features of the same training windows that the networks see."""

    scores_virtual_vehicles = True

    def __init__(self, seed: int) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self.model = HistGradientBoostingClassifier(max_iter=200, learning_rate=0.1, random_state=seed)

    def fits(self, store: GraphStore) -> bool:
        """Say yes: pooling knows no names of features."""
        return True

    def fit(self, store: GraphStore, vehicles: Mapping[str, str]) -> GradientBoosting:
        """Fit on a training store."""
        self.model.fit(pooled(store), np.asarray(store.y))
        return self

    def score(self, store: GraphStore) -> np.ndarray:
        """P(attack), f64[B]."""
        return self.model.predict_proba(pooled(store))[:, 1].astype(np.float64)

    @property
    def size(self) -> int:
        """Numbers in the trees (feature, threshold and value of each node)."""
        return int(sum(3 * len(p.nodes) for stage in self.model._predictors for p in stage))


@dataclass(frozen=True)
class Window:
    """Nodes of B windows beside what their IDs usually send.

    Attributes:
        column: name → f64[N], node features of the set `relative`.
        graph: i64[N], window of each node.
        duration: f64[B], s.
        count: f64[N], frames of the node.
        rate: f64[N], usual frames a second, 0 for an unknown ID.
        total: usual frames a second of the whole bus.
    """

    column: dict[str, np.ndarray]
    graph: np.ndarray
    duration: np.ndarray
    count: np.ndarray
    rate: np.ndarray
    total: float


class RateBaseline:
    """Compares a window with the usual rates of its IDs: the profile's where it has one, else those of the training cars,
    of which the one that fits best counts. Virtual vehicles teach it nothing, since their IDs are nobody's.

    Args:
        kind: `interarrival`: 1 − shortest gap of a known ID over its usual gap (Song et al. 2016 alarm at one half);
            `frequency`: total variation between the shares of IDs in the window and the usual ones (Han et al. 2018).
    """

    #: nobody's rates are known for a virtual vehicle
    scores_virtual_vehicles = False

    def __init__(self, kind: Literal["interarrival", "frequency"]) -> None:
        self.kind = kind
        self.cars: list[tuple[np.ndarray, np.ndarray]] = []

    def fits(self, store: GraphStore) -> bool:
        """Say whether the features tell shares of frames, which those of `published` do not."""
        return "share" in store.node_features

    def fit(self, store: GraphStore, vehicles: Mapping[str, str]) -> RateBaseline:
        """Fit on benign windows of captures; `vehicles`: capture → its car (windows of others are left out)."""
        car_of = np.array([vehicles.get(name, "") for name in store.capture_names])[np.asarray(store.capture)]
        # a window that was given the car's profile is there without it too
        benign = (np.asarray(store.y) == 0) & ~store.has_profile
        for car in sorted(set(car_of) - {""}):
            index = np.flatnonzero(benign & (car_of == car))
            if not len(index):
                continue
            b = store.batch(index)
            frames = b.x[:, store.node_features.index("share")].astype(np.float64) * store.size
            ids, code = np.unique(b.id_code, return_inverse=True)
            self.cars.append((ids, np.bincount(code, frames) / float(np.asarray(store.duration)[index].sum())))
        return self

    @property
    def size(self) -> int:
        """Numbers it holds: an ID and a rate each."""
        return 2 * sum(len(ids) for ids, _ in self.cars)

    def score(self, store: GraphStore) -> np.ndarray:
        """f64[B] in [0, 1], larger is more suspicious."""
        b = store.batch(np.arange(len(store)))
        column = {name: b.x[:, k].astype(np.float64) for k, name in enumerate(store.node_features)}
        duration = np.maximum(np.asarray(store.duration, np.float64), 1e-6)
        best = np.full(len(store), np.inf)
        for ids, rates in self.cars:
            at = np.minimum(np.searchsorted(ids, b.id_code), len(ids) - 1)
            rate = np.where(ids[at] == b.id_code, rates[at], 0.0)
            window = Window(column, b.batch, duration, column["share"] * store.size, rate, float(rates.sum()))
            best = np.minimum(best, _early(window) if self.kind == "interarrival" else _shifted(window))
        if not store.has_profile.any():
            return best
        known = column["unknown"] == 0
        if self.kind == "interarrival":
            own = _largest(np.clip(1 - column["gap_over_period"], 0, 1) * known, b.batch, len(store))
        else:
            off = np.where(known, np.abs(column["excess"]), column["share"])
            missing = column["missing"][b.ptr[:-1]]  # of the window: the same in all its nodes
            own = np.clip((np.bincount(b.batch, off, len(store)) + missing) / 2, 0, 1)
        return np.where(store.has_profile, own, best)


def _early(w: Window) -> np.ndarray:
    # mean gap = (last − first frame)/(count − 1); `gap_min` is the shortest over that mean
    gap = w.column["gap_min"] * w.column["span"] * w.duration[w.graph] / np.maximum(w.count - 1, 1)
    early = np.where((w.count > 1.5) & (w.rate > 0), np.clip(1 - gap * w.rate, 0, 1), 0.0)
    return _largest(early, w.graph, len(w.duration))


def _shifted(w: Window) -> np.ndarray:
    usual, n = w.rate / w.total, len(w.duration)
    absent = 1 - np.bincount(w.graph, usual, n)  # IDs that the window lacks
    return np.clip((np.bincount(w.graph, np.abs(w.column["share"] - usual), n) + absent) / 2, 0, 1)


def _largest(values: np.ndarray, graph: np.ndarray, n: int) -> np.ndarray:
    """Largest node value of each window, f64[n]."""
    out = np.zeros(n)
    np.maximum.at(out, graph, values)
    return out


def boosting(config: Config, seed: int) -> GradientBoosting:
    """Make the baseline `gbm`."""
    return GradientBoosting(seed)


def interarrival(config: Config, seed: int) -> RateBaseline:
    """Make the baseline `interarrival`, which draws nothing."""
    return RateBaseline("interarrival")


def frequency(config: Config, seed: int) -> RateBaseline:
    """Make the baseline `frequency`, which draws nothing."""
    return RateBaseline("frequency")
