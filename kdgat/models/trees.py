"""Boosted trees as plain arrays: fitted with scikit-learn, kept as safetensors, scored without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from kdgat.errors import KdgatError

_CHUNK = 4096  # windows whose way through all trees is followed at once


@dataclass(frozen=True)
class Trees:
    """T trees with M nodes in all; a leaf points at itself.

    Attributes:
        root: i32[T], first node of each tree.
        feature: i32[M], column that is compared; threshold: f64[M], a value up to it goes left.
        left, right: i32[M], nodes.
        value: f64[M], what a leaf adds to the logit; 0 for others.
        base: f64[1], logit before any tree.
    """

    root: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    base: np.ndarray

    @staticmethod
    def of(model: Any) -> Trees:
        """Take them out of a fitted `HistGradientBoostingClassifier` of two classes, without missing or categorical values."""
        nodes = [stage[0].nodes for stage in model._predictors]
        root = np.cumsum([0, *(len(n) for n in nodes)])[:-1].astype(np.int32)
        offset = np.repeat(root, [len(n) for n in nodes])
        joined = np.concatenate(nodes)
        itself, leaf = np.arange(len(joined)), joined["is_leaf"].astype(bool)
        return Trees(
            root=root,
            feature=np.where(leaf, 0, joined["feature_idx"]).astype(np.int32),
            threshold=np.where(leaf, 0.0, joined["num_threshold"]),
            left=np.where(leaf, itself, joined["left"] + offset).astype(np.int32),
            right=np.where(leaf, itself, joined["right"] + offset).astype(np.int32),
            value=np.where(leaf, joined["value"], 0.0),
            base=np.asarray(model._baseline_prediction, np.float64).reshape(1),
        )

    @staticmethod
    def load(arrays: Mapping[str, np.ndarray]) -> Trees:
        """Read them from the arrays of a release, by the names of the attributes.

        Raises:
            KdgatError: an array is missing, of another type or shape, or points outside.
        """
        try:
            trees = Trees(**{f.name: np.asarray(arrays[f.name]) for f in fields(Trees)})
        except KeyError as error:
            raise KdgatError(f"trees: no array {error}") from None
        nodes = (len(trees.left),)
        whole = ("root", "feature", "left", "right")
        if (
            any(getattr(trees, name).dtype != (np.int32 if name in whole else np.float64) for name in _NAMES)
            or any(getattr(trees, name).shape != nodes for name in _NAMES if name not in ("root", "base"))
            or trees.root.ndim != 1
            or trees.base.shape != (1,)
            or any(a.min(initial=0) < 0 or a.max(initial=0) >= nodes[0] for a in (trees.root, trees.left, trees.right))
            or trees.feature.min(initial=0) < 0
        ):
            raise KdgatError("trees: their arrays do not fit each other")
        # children stand behind their parents, so that every way ends
        inner = np.flatnonzero(trees.left != np.arange(nodes[0]))
        if (np.minimum(trees.left, trees.right)[inner] <= inner).any():
            raise KdgatError("trees: a node points back")
        return trees

    def arrays(self) -> dict[str, np.ndarray]:
        """Give them by name."""
        return {name: getattr(self, name) for name in _NAMES}

    def probability(self, x: np.ndarray) -> np.ndarray:
        """P(attack) of windows f[B, D], f64[B]."""
        logit = np.concatenate([np.empty(0), *(self._logit(x[b : b + _CHUNK]) for b in range(0, len(x), _CHUNK))])
        with np.errstate(over="ignore"):
            p_attack: np.ndarray = 1 / (1 + np.exp(-logit))
        return p_attack

    def _logit(self, x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float64)
        rows = np.arange(len(x))[:, None]
        at = np.broadcast_to(self.root, (len(x), len(self.root)))
        while True:
            after = np.where(x[rows, self.feature[at]] <= self.threshold[at], self.left[at], self.right[at])
            if np.array_equal(after, at):
                return self.base[0] + self.value[at].sum(1)
            at = after


_NAMES = tuple(f.name for f in fields(Trees))
