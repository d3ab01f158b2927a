"""Standardisation of node and edge features, fitted on benign training windows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kdgat.errors import KdgatError
from kdgat.graphs.store import GraphStore

#: scale of a column that is not to be seen: large enough for 0, and a number that JSON has
UNSEEN = 1e30


@dataclass(frozen=True)
class Scaler:
    """Standardisation: (x − mean)/scale, clipped to ±10. A constant column has scale 1.

    Attributes:
        mean, scale: f32[F].
    """

    mean: np.ndarray
    scale: np.ndarray

    CLIP = 10.0

    @classmethod
    def fit(cls, x: np.ndarray) -> Scaler:
        """Fit on rows `x` f32[N, F]: those of benign training windows, which is the caller's to see to."""
        if not len(x):
            raise KdgatError("no benign training rows to fit a scaler on")
        mean = x.mean(axis=0, dtype=np.float64)
        deviation = x.std(axis=0, dtype=np.float64)
        constant = deviation <= 1e-6 * np.maximum(1.0, np.abs(mean))
        return cls(mean.astype(np.float32), np.where(constant, 1.0, deviation).astype(np.float32))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """`x` f32[N, F] standardised, a new array."""
        return np.clip((x - self.mean) / self.scale, -self.CLIP, self.CLIP)

    def to_dict(self) -> dict[str, list[float]]:
        """Plain values, for JSON."""
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scaler:
        """The reverse of `to_dict`."""
        return cls(np.array(values["mean"], np.float32), np.array(values["scale"], np.float32))


@dataclass(frozen=True)
class Scalers:
    """Standardisation of node and edge features, fitted on benign training windows alone."""

    nodes: Scaler
    edges: Scaler

    @staticmethod
    def fit(store: GraphStore) -> Scalers:
        """Fit on the benign windows of a training store."""
        benign = store.batch(np.flatnonzero(np.asarray(store.y) == 0))
        return Scalers(Scaler.fit(benign.x), Scaler.fit(benign.edge_attr))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"nodes": self.nodes.to_dict(), "edges": self.edges.to_dict()}

    def hiding(self, columns: Sequence[int]) -> Scalers:
        """Put 0 in place of these columns of a node, whatever they hold."""
        mean, scale = self.nodes.mean.copy(), self.nodes.scale.copy()
        mean[list(columns)], scale[list(columns)] = 0.0, UNSEEN
        return replace(self, nodes=Scaler(mean, scale))

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Scalers:
        """The reverse of `to_dict`."""
        return Scalers(Scaler.from_dict(values["nodes"]), Scaler.from_dict(values["edges"]))
