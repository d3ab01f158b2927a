"""Baselines on the same windows: gradient boosting on pooled features, inter-arrival times, ID frequencies.

The last two know no virtual vehicles: zero-shot they compare a window with the training cars, whichever fits best;
under the other protocols with the profile of the car under test. Rules that learn nothing are in `kdgat.models.rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol, Self

import numpy as np
from jaxtyping import Float32

from kdgat.config import Config, FrameColumn
from kdgat.dataset.traffic import TrafficOf
from kdgat.errors import KdgatError
from kdgat.graphs.features import FEATURES, of_frame_columns
from kdgat.graphs.store import GraphStore
from kdgat.models.trees import Trees


class BaselineModel(Protocol):
    """What the evaluation asks of a baseline; a builder in the registry makes one from the configuration and a seed."""

    #: whether windows of virtual vehicles mean something to it; if not, its operating points come from captures alone
    scores_virtual_vehicles: bool
    #: whether its score is a probability, for which the configuration may fix a threshold
    calibrated: bool
    #: its operating point under every protocol; None: chosen by the configuration's rule, as for all that have a choice
    threshold: float | None

    def fits(self, store: GraphStore) -> bool:
        """Say whether the store has the features that it needs."""

    def fit(self, store: GraphStore, vehicles: Mapping[str, str]) -> Self:
        """Fit on a training store; `vehicles`: capture → its car."""

    def score(self, store: GraphStore, traffic: TrafficOf) -> np.ndarray:
        """Score every window, f64[B] in [0, 1]: the larger, the more suspicious; `traffic`: what windows were cut from."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Give what it has learned, as a release keeps it."""

    def load(self, arrays: Mapping[str, np.ndarray]) -> Self:
        """Make a baseline like this one that has learned `arrays`; raises `KdgatError` where they do not fit."""

    @property
    def size(self) -> int:
        """Count the numbers that it holds."""


class Untrained:
    """A baseline that learns nothing and looks at any window."""

    scores_virtual_vehicles = True
    calibrated = True
    threshold: float | None = None
    size = 0

    def fits(self, store: GraphStore) -> bool:
        """Say yes."""
        return True

    def fit(self, store: GraphStore, vehicles: Mapping[str, str]) -> Self:
        """Learn nothing."""
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """Nothing to keep."""
        return {}

    def load(self, arrays: Mapping[str, np.ndarray]) -> Self:
        """Nothing to read."""
        return self


def pooled(store: GraphStore, columns: int | None = None) -> Float32[np.ndarray, "B D"]:
    """Mean, standard deviation, minimum and maximum of each node feature, mean and maximum of each edge feature.

    F and G are the store's node and edge features, D = 4F + 2G, in that order. The standard deviation is that over the
    window's nodes (not n − 1). A window without edges (one frame) has zeros for them. With `columns` just so many node
    features are pooled, from the first on.
    """
    b = store.batch(np.arange(len(store)))
    x = b.x[:, :columns]
    nodes = np.asarray(store.node_ptr)[:-1]
    counts = np.diff(np.asarray(store.node_ptr))[:, None]
    mean = np.add.reduceat(x, nodes) / counts
    square = np.add.reduceat(x.astype(np.float64) ** 2, nodes) / counts
    std = np.sqrt(np.maximum(square - mean.astype(np.float64) ** 2, 0))
    edge_counts = np.diff(np.asarray(store.edge_ptr))
    has = edge_counts > 0
    begins = np.asarray(store.edge_ptr)[:-1][has]
    edges = np.zeros((len(store), 2 * b.edge_attr.shape[1]))
    if has.any():
        edge_mean = np.add.reduceat(b.edge_attr, begins) / edge_counts[has, None]
        edges[has] = np.hstack([edge_mean, np.maximum.reduceat(b.edge_attr, begins)])
    parts = [mean, std, np.minimum.reduceat(x, nodes), np.maximum.reduceat(x, nodes), edges]
    return np.hstack(parts).astype(np.float32)


def of_window(store: GraphStore) -> Float32[np.ndarray, "B D"]:
    """Pool what a window shows by itself (and its profile): of `memory`, the columns that it shares with `relative`."""
    remembers = store.feature_set == "memory"
    return pooled(store, len(FEATURES["relative"][0]) if remembers else None)


def of_memory(store: GraphStore, hidden: Sequence[FrameColumn] = ()) -> Float32[np.ndarray, "B D"]:
    """Largest, mean and least value of every node feature but those of `hidden` columns of a frame, f32[B, 3F]."""
    x, nodes = np.asarray(store.x), np.asarray(store.node_ptr)
    if hidden:
        x = np.delete(x, of_frame_columns(hidden, store.node_features), axis=1)
    mean = np.add.reduceat(x, nodes[:-1]) / np.diff(nodes)[:, None]
    parts = [np.maximum.reduceat(x, nodes[:-1]), mean, np.minimum.reduceat(x, nodes[:-1])]
    return np.hstack(parts).astype(np.float32)


@dataclass(frozen=True)
class GradientBoosting:
    """Histogram gradient boosting on pooled features of the same training windows that the networks see.

    Attributes:
        seed: of what is left to chance.
        pool: store → features f32[B, D].
        needs: feature set that it is for; None: any.
        trees: what it has learned.
    """

    seed: int
    pool: Callable[[GraphStore], np.ndarray]
    needs: str | None = None
    trees: Trees | None = None

    scores_virtual_vehicles = True
    calibrated = True
    threshold = None

    def fits(self, store: GraphStore) -> bool:
        """Say whether the store has the features that it needs."""
        return self.needs in (None, store.feature_set)

    def fit(self, store: GraphStore, vehicles: Mapping[str, str]) -> GradientBoosting:
        """Fit on a training store."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(max_iter=200, learning_rate=0.1, random_state=self.seed)
        return replace(self, trees=Trees.of(model.fit(self.pool(store), np.asarray(store.y))))

    def score(self, store: GraphStore, traffic: TrafficOf | None = None) -> np.ndarray:
        """P(attack), f64[B]; asks for no traffic."""
        assert self.trees is not None, "fit it or load it first"
        x = self.pool(store)
        if self.trees.feature.max(initial=0) >= x.shape[1]:
            raise KdgatError(f"trees ask for more than the {x.shape[1]} pooled features of {store.feature_set}")
        return self.trees.probability(x)

    def arrays(self) -> dict[str, np.ndarray]:
        """Give the trees."""
        return self.trees.arrays() if self.trees is not None else {}

    def load(self, arrays: Mapping[str, np.ndarray]) -> GradientBoosting:
        """Make one with these trees."""
        return replace(self, trees=Trees.load(arrays))

    @property
    def size(self) -> int:
        """Numbers in the trees (feature, threshold and value of each node)."""
        return 3 * len(self.trees.value) if self.trees is not None else 0


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
    calibrated = False
    threshold = None

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

    def score(self, store: GraphStore, traffic: TrafficOf) -> np.ndarray:
        """f64[B] in [0, 1], larger is more suspicious."""
        out = np.full(len(store), np.inf)
        profiled, capture = store.has_profile, np.asarray(store.capture)
        self._compare(store, np.flatnonzero(~profiled), self.cars, out)
        for number in np.unique(capture[profiled]):
            known = traffic(store.capture_names[number]).profile
            assert known is not None, "a store says that its windows were given a profile"
            of_car = [(known.id, known.rate)]
            self._compare(store, np.flatnonzero(profiled & (capture == number)), of_car, out)
        return np.where(np.isfinite(out), out, 0.0)

    def _compare(
        self, store: GraphStore, index: np.ndarray, cars: Sequence[tuple[np.ndarray, np.ndarray]], out: np.ndarray
    ) -> None:
        """Score the windows `index` against the IDs and rates of each car, of which the one that fits best counts."""
        if not len(index):
            return
        b = store.batch(index)
        column = {name: b.x[:, k].astype(np.float64) for k, name in enumerate(store.node_features)}
        duration = np.maximum(np.asarray(store.duration, np.float64)[index], 1e-6)
        for ids, rates in (car for car in cars if len(car[0])):
            at = np.minimum(np.searchsorted(ids, b.id_code), len(ids) - 1)
            rate = np.where(ids[at] == b.id_code, rates[at], 0.0)
            window = Window(column, b.batch, duration, column["share"] * store.size, rate, float(rates.sum()))
            score = _early(window) if self.kind == "interarrival" else _shifted(window)
            out[index] = np.minimum(out[index], score)

    def arrays(self) -> dict[str, np.ndarray]:
        """Give IDs and rates (frames a second) of all cars, one after the other, and how many each has."""
        return {
            "id": np.concatenate([np.empty(0, np.uint32), *(ids for ids, _ in self.cars)]).astype(np.uint32),
            "rate": np.concatenate([np.empty(0), *(rates for _, rates in self.cars)]),
            "count": np.array([len(ids) for ids, _ in self.cars], np.int64),
        }

    def load(self, arrays: Mapping[str, np.ndarray]) -> RateBaseline:
        """Make one that knows these cars."""
        try:
            ids, rates, count = (np.asarray(arrays[name]) for name in ("id", "rate", "count"))
        except KeyError as error:
            raise KdgatError(f"rates: no array {error}") from None
        if ids.shape != rates.shape or ids.ndim != 1 or count.ndim != 1 or count.sum() != len(ids) or (count < 0).any():
            raise KdgatError("rates: their arrays do not fit each other")
        baseline = RateBaseline(self.kind)
        cuts = np.cumsum(count)[:-1]
        baseline.cars = list(zip(np.split(ids, cuts), np.split(rates, cuts), strict=True)) if len(count) else []
        return baseline


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
    """Make the baseline `gbm`, on what a window shows."""
    return GradientBoosting(seed, of_window)


def boosting_memory(config: Config, seed: int, hidden: Sequence[FrameColumn] = ()) -> GradientBoosting:
    """Make the baseline `gbm-memory`, on what is remembered too, but for `hidden` columns of a frame."""
    return GradientBoosting(seed, partial(of_memory, hidden=hidden), "memory")


def interarrival(config: Config, seed: int) -> RateBaseline:
    """Make the baseline `interarrival`, which draws nothing."""
    return RateBaseline("interarrival")


def frequency(config: Config, seed: int) -> RateBaseline:
    """Make the baseline `frequency`, which draws nothing."""
    return RateBaseline("frequency")
