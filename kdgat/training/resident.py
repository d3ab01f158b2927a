"""A graph store on a device: it goes there once, and a batch is index arithmetic there, without Python per graph or a copy per step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kdgat.graphs.scaling import Scaler, Scalers
from kdgat.graphs.store import GraphStore
from kdgat.models.layers import GraphBatch


def weight_column(store: GraphStore) -> int:
    """Find the node feature that weighs the readout: the share of frames a node stands for; `published` has their count instead."""
    names = store.node_features
    return names.index("share") if "share" in names else names.index("count")


def size(store: GraphStore) -> int:
    """Bytes that a store takes on a device."""
    nodes, edges = int(store.node_ptr[-1]), int(store.edge_ptr[-1])
    return 4 * (nodes * (store.x.shape[1] + 3) + edges * (store.edge_attr.shape[1] + 2)) + 40 * len(store)


def room(device: torch.device) -> float:
    """Bytes that a store may take there: half of what is free on a GPU, the other half being for training."""
    return torch.cuda.mem_get_info(device)[0] / 2 if device.type == "cuda" else float("inf")


@dataclass(frozen=True)
class Resident:
    """B graphs with N nodes and E edges in all, as tensors of one device.

    Attributes:
        x, edge_attr: f32[N, F] and f32[E, G], scaled.
        share: f32[N], of the window's frames that the node's ID sent.
        id_code: i64[N].
        edge_index: i32[2, E], numbers local to the graph.
        y: i64[B].
        node_ptr, edge_ptr: i64[B + 1], where each graph's rows begin.
    """

    x: Tensor
    edge_attr: Tensor
    share: Tensor
    id_code: Tensor
    edge_index: Tensor
    y: Tensor
    node_ptr: Tensor
    edge_ptr: Tensor

    @staticmethod
    def of(store: GraphStore, scaler: Scalers, device: torch.device) -> Resident:
        """Copy a store to a device and scale it there."""

        def there(array: np.ndarray, kind: type) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array, kind)).to(device)

        x, node_ptr = there(store.x, np.float32), there(store.node_ptr, np.int64)
        graph = torch.arange(len(store), device=device).repeat_interleave(node_ptr.diff(), output_size=len(x))
        weight = x[:, weight_column(store)]
        total = torch.zeros(len(store), device=device).scatter_add_(0, graph, weight).clamp(min=1e-9)
        return Resident(
            x=_scaled(x, scaler.nodes),
            edge_attr=_scaled(there(store.edge_attr, np.float32), scaler.edges),
            share=weight / total[graph],
            id_code=there(store.id_code, np.int64),
            edge_index=there(store.edge_index, np.int32),
            y=there(store.y, np.int64),
            node_ptr=node_ptr,
            edge_ptr=there(store.edge_ptr, np.int64),
        )

    def batch(self, index: Tensor, nodes: int, edges: int, *, padded: bool = False) -> GraphBatch:
        """Join graphs; the host says how many nodes and edges they have, since asking the device would wait for it.

        Args:
            index: i64[b], which graphs, on the device.
            nodes, edges: of all of them; padded, any larger numbers.
            padded: add a graph of the nodes and edges that are left, so that batches of equal numbers have equal shapes. The
                batch's `size` counts it, its `y` and `index` do not.
        """
        rows, batch, begins = _rows(self.node_ptr, index, nodes, padded=padded)
        of, graph, first = _rows(self.edge_ptr, index, edges, padded=padded)
        ends = self.edge_index[:, of]
        if padded:  # its edges lead from each of its nodes to itself, in turn
            left = nodes - begins[-1]
            ends = torch.where(graph == len(index), (torch.arange(edges, device=of.device) - first[-1]) % left, ends)
        return GraphBatch(
            x=self.x[rows],
            edge_index=ends + begins[graph],
            edge_attr=self.edge_attr[of],
            share=self.share[rows],
            id_code=self.id_code[rows],
            batch=batch,
            size=len(begins),
            y=self.y[index],
            index=index,
        )


def _scaled(x: Tensor, scaler: Scaler) -> Tensor:
    """What `scaler` gives, on the device of `x` f32[n, F]."""
    mean, scale = (torch.from_numpy(v).to(x.device) for v in (scaler.mean, scaler.scale))
    return (
        (x - mean).div_(scale).clamp_(-scaler.CLIP, scaler.CLIP)
    )  # in place: there may be room for one copy more, not for three


def _rows(ptr: Tensor, index: Tensor, total: int, *, padded: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of the graphs `index`, i64[total], the place in `index` of each, i64[total], and where each graph's begin, i64[b].

    Padded, what is missing of `total` belongs to one graph more, and may be any rows.
    """
    first = ptr[index]
    counts = ptr[index + 1] - first
    if padded:
        first, counts = torch.cat([first, first[:1]]), torch.cat([counts, (total - counts.sum())[None]])
    begins = counts.cumsum(0) - counts
    graph = torch.arange(len(counts), device=index.device).repeat_interleave(counts, output_size=total)
    rows = torch.arange(total, device=index.device) + (first - begins)[graph]
    return rows.clamp_(max=ptr[-1] - 1) if padded else rows, graph, begins
