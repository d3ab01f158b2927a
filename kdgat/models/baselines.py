"""The baseline that embarrasses: gradient boosting on pooled window features."""

from __future__ import annotations

import numpy as np

from kdgat.graphs import GraphStore


def pooled(store: GraphStore) -> np.ndarray:
    """Mean, standard deviation, minimum and maximum of each node feature, mean and maximum of each edge feature.

    Returns:
        f32[B, 4F + 2G]. A window without edges (one frame) has zeros there.
    """
    b = store.batch(np.arange(len(store)))
    nodes = np.asarray(store.node_ptr)[:-1]
    counts = np.diff(np.asarray(store.node_ptr))[:, None]
    mean = np.add.reduceat(b.x, nodes) / counts
    square = np.add.reduceat(b.x.astype(np.float64) ** 2, nodes) / counts
    spread = np.sqrt(np.maximum(square - mean.astype(np.float64) ** 2, 0))
    edge_counts = np.diff(np.asarray(store.edge_ptr))
    has = edge_counts > 0
    begins = np.asarray(store.edge_ptr)[:-1][has]
    edges = np.zeros((len(store), 2 * b.edge_attr.shape[1]))
    if has.any():
        edge_mean = np.add.reduceat(b.edge_attr, begins) / edge_counts[has, None]
        edges[has] = np.hstack([edge_mean, np.maximum.reduceat(b.edge_attr, begins)])
    parts = [mean, spread, np.minimum.reduceat(b.x, nodes), np.maximum.reduceat(b.x, nodes), edges]
    return np.hstack(parts).astype(np.float32)


class GradientBoosting:
    """Histogram gradient boosting on `pooled` features of the same training windows that the networks see."""

    def __init__(self, seed: int) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self.model = HistGradientBoostingClassifier(max_iter=200, learning_rate=0.1, random_state=seed)

    def fit(self, store: GraphStore) -> GradientBoosting:
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
