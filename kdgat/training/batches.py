"""Batches of window graphs, sliced from a store."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from kdgat.graphs.scaling import Scalers
from kdgat.graphs.store import GraphStore
from kdgat.models.layers import GraphBatch
from kdgat.training import resident
from kdgat.training.resident import Resident


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
        self._weight = resident.weight_column(store)
        self.resident: Resident | None = None

    def __len__(self) -> int:
        return -(-len(self.index) // self.size)

    def __iter__(self) -> Iterator[GraphBatch]:
        if self.resident is not None:
            for planned in self.planned(self.resident):
                yield self.resident.batch(*planned)
            return
        index = self._order()
        for begin in range(0, len(index), self.size):
            yield self.batch(index[begin : begin + self.size])

    def _order(self) -> np.ndarray:
        """The graphs of this epoch in its order, i64[n]."""
        if self.seed is None:
            return self.index
        return np.random.default_rng([self.seed, self.epoch]).permutation(self.index)

    def planned(self, graphs: Resident) -> Iterator[tuple[Tensor, int, int]]:
        """This epoch's batches: which of the graphs on the device, i64[b], and how many nodes and edges they have.

        The order goes to the device as one.
        """
        index = self._order()
        there = torch.from_numpy(np.ascontiguousarray(index, np.int64)).to(graphs.y.device)
        nodes, edges = (np.diff(ptr)[index] for ptr in (self.store.node_ptr, self.store.edge_ptr))
        for begin in range(0, len(index), self.size):
            own = slice(begin, begin + self.size)
            yield there[own], int(nodes[own].sum()), int(edges[own].sum())

    def move(self, device: torch.device, room: float | None = None) -> None:
        """Keep the graphs on a device, so that batches are made there; where they do not fit, batches are copied one by one.

        For the CPU the store is enough.

        Args:
            device: where.
            room: bytes that they may take there; None: `resident.room`.
        """
        if device.type == "cpu":
            self.resident = None
            return
        if self.resident is not None and self.resident.x.device == device:
            return
        needed, room = resident.size(self.store), resident.room(device) if room is None else room
        if needed > room:
            print(
                f"graphs of {needed / 1e9:.1f} GB, room for {room / 1e9:.1f} GB on {device}: batches are copied one by one"
            )
        self.resident = Resident.of(self.store, self.scaler, device) if needed <= room else None

    def __getstate__(self) -> dict[str, object]:
        """For another process: without what lies on a device of this one."""
        return vars(self) | {"resident": None}

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
