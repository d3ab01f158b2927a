"""How real is synthetic traffic: distances between benign captures and the synthetic bus, features no vehicle reaches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import ks_2samp

from kdgat.captures.frames import Frames
from kdgat.graphs.features import FEATURES
from kdgat.graphs.splits import starts
from kdgat.graphs.store import GraphStore

#: what is compared, with its unit
ASPECTS = {
    "nodes per window": "",
    "edges per window": "",
    "bus inter-arrival": "ms",
    "period of an ID": "ms",
    "period jitter of an ID": "share of the period",
    "byte entropy of an ID": "bits",
}


def aspects(frames: Frames, size: int = 100) -> dict[str, np.ndarray]:
    """Samples of each of `ASPECTS`, in its unit, from one benign capture: name → f64[n].

    There is one sample per window of `size` frames for nodes and edges, per pair of neighbouring frames for the inter-arrival
    time, per ID for period and jitter (IDs with under ten gaps are left out), and per byte of an ID for entropy.
    """
    begins = starts(len(frames), size, size)
    store = GraphStore.build([("capture", "benign", frames.to_table(), begins)], size, "published")
    period, jitter, entropy = [], [], []
    for code in np.unique(frames.id):
        own = frames.id == code
        gaps = np.diff(frames.timestamp[own])
        if len(gaps) < 10:
            continue
        period.append(np.median(gaps) * 1e3)
        jitter.append(np.std(gaps) / max(np.mean(gaps), 1e-9))
        bytes_ = frames.payload[own][:, : int(frames.dlc[own].min())]
        entropy += [_entropy(column) for column in bytes_.T]
    return {
        "nodes per window": np.diff(np.asarray(store.node_ptr)).astype(float),
        "edges per window": np.diff(np.asarray(store.edge_ptr)).astype(float),
        "bus inter-arrival": np.diff(frames.timestamp) * 1e3,
        "period of an ID": np.array(period),
        "period jitter of an ID": np.array(jitter),
        "byte entropy of an ID": np.array(entropy),
    }


def _entropy(values: np.ndarray) -> float:
    """Entropy of a byte's values, bits."""
    share = np.bincount(values, minlength=256) / len(values)
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum())


def report(real: Sequence[Frames], synthetic: Sequence[Frames]) -> list[tuple[str, float, float, float]]:
    """Rows of (aspect, KS distance in [0, 1], median of the real, median of the synthetic), over pooled captures."""
    pooled = []
    for captures in (real, synthetic):
        each = [aspects(frames) for frames in captures]
        pooled.append({name: np.concatenate([a[name] for a in each]) for name in ASPECTS})
    one, two = pooled
    return [
        (
            name,
            float(ks_2samp(one[name], two[name]).statistic),
            float(np.median(one[name])),
            float(np.median(two[name])),
        )
        for name in ASPECTS
    ]


def window_statistics(frames: Frames, size: int = 100) -> dict[str, float]:
    """What a graph network can pool of one car's benign windows: mean and standard deviation of each `relative` feature.

    The deviation is that within a window; both are means over windows.
    """
    begins = starts(len(frames), size, size)
    begins = begins[[not frames.label[b : b + size].any() for b in begins]]
    store = GraphStore.build([("capture", "benign", frames.to_table(), begins)], size, "relative")
    statistics = {}
    for kind, names, values, ptr in (
        ("node", FEATURES["relative"][0], store.x, store.node_ptr),
        ("edge", FEATURES["relative"][1], store.edge_attr, store.edge_ptr),
    ):
        first = np.asarray(ptr)[:-1]
        count = np.diff(np.asarray(ptr))[:, None]
        mean = np.add.reduceat(np.asarray(values, float), first) / count
        square = np.add.reduceat(np.asarray(values, float) ** 2, first) / count
        std = np.sqrt(np.maximum(square - mean**2, 0))
        for j, name in enumerate(names):
            statistics[f"{kind} {name}, mean"] = float(mean[:, j].mean())
            statistics[f"{kind} {name}, std"] = float(std[:, j].mean())
    return statistics


def uncovered(car: dict[str, float], vehicles: Sequence[dict[str, float]]) -> list[tuple[str, float, float, float]]:
    """Statistics of a car that no virtual vehicle reaches: (name, the car's, least and greatest of the vehicles).

    Args:
        car, vehicles: `window_statistics` of each.
    """
    rows = []
    for name, value in car.items():
        low, high = (f(v[name] for v in vehicles) for f in (min, max))
        if not low <= value <= high:
            rows.append((name, value, low, high))
    return rows
