"""Batches of window graphs, sliced from a store."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from kdgat.graphs.scaling import Scalers
from kdgat.graphs.store import GraphStore
from kdgat.models.layers import GraphBatch


class Batches:
    """Iterable over a store in batches; shuffled anew (and reproducibly) in each epoch, or in order.

    Args:
        store: graphs.
        scaler: fitted on benign training rows.
        size: graphs in a batch.
        index: i64[n], which graphs (None: all).
        seed: of the order; None keeps the store's order.
    """

    def __init__(
        self, store: GraphStore, scaler: Scalers, size: int, index: np.ndarray | None = None, seed: int | None = None
    ) -> None:
        self.store, self.scaler, self.size, self.seed = store, scaler, size, seed
        self.index = np.arange(len(store)) if index is None else index
        self.epoch = 0
        names = store.node_features
        # the share of frames a node stands for weighs the readout; `published` keeps the count instead
        self._weight = names.index("share") if "share" in names else names.index("count")

    def __len__(self) -> int:
        return -(-len(self.index) // self.size)

    def __iter__(self) -> Iterator[GraphBatch]:
        index = self.index
        if self.seed is not None:
            index = np.random.default_rng([self.seed, self.epoch]).permutation(index)
        for begin in range(0, len(index), self.size):
            yield self.batch(index[begin : begin + self.size])

    def batch(self, index: np.ndarray) -> GraphBatch:
        """The graphs `index`, scaled, as tensors."""
        b = self.store.batch(index)
        weight = np.asarray(b.x[:, self._weight], np.float32)
        share = torch.from_numpy(weight.copy())
        nodes = torch.from_numpy(np.asarray(b.batch, np.int64))
        total = torch.zeros(len(index)).scatter_add_(0, nodes, share).clamp(min=1e-9)
        return GraphBatch(
            x=torch.from_numpy(self.scaler.nodes(b.x)),
            edge_index=torch.from_numpy(np.asarray(b.edge_index, np.int64)),
            edge_attr=torch.from_numpy(self.scaler.edges(b.edge_attr)),
            share=share / total[nodes],
            id_code=torch.from_numpy(np.asarray(b.id_code, np.int64)),
            batch=nodes,
            size=len(index),
            y=torch.from_numpy(np.asarray(b.y, np.int64)),
            index=torch.from_numpy(np.asarray(index, np.int64)),
        )
