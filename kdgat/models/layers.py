"""What both graph networks are built from: the batch, the identity encodings, the convolutions, the readout.

Shapes stand in the signatures of this package, and `tests/kdgat/test_shapes.py` runs it with every one of them checked:
N nodes, E edges, B graphs, F node features, G edge features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GATv2Conv, GPSConv
from torch_geometric.utils import scatter, softmax  # noqa: F401  (softmax is re-exported for explanations)

#: buckets of a hashed CAN ID
BUCKETS = 64


@dataclass
class GraphBatch:
    """B window graphs as one disconnected graph, as a model takes them: tensors of scaled features on any device.

    Apart from `kdgat.graphs.store.Batch`, which must work where there is no torch.

    Attributes:
        x: scaled node features.
        edge_index: source and target node.
        edge_attr: scaled edge features.
        share: share of the window's frames that the node's ID sent.
        id_code: CAN ID.
        batch: graph of each node, ascending.
        size: B.
        y: 1 if a frame of the window is injected.
        index: position of each graph in its store.
    """

    x: Float32[Tensor, "N F"]
    edge_index: Int64[Tensor, "2 E"]
    edge_attr: Float32[Tensor, "E G"]
    share: Float32[Tensor, " N"]
    id_code: Int64[Tensor, " N"]
    batch: Int64[Tensor, " N"]
    size: int
    y: Int64[Tensor, " B"]
    index: Int64[Tensor, " B"]

    def to(self, device: torch.device | str) -> GraphBatch:
        """The batch on another device."""
        moved: dict[str, Any] = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        return GraphBatch(**moved)


def hashed(id_code: Int64[Tensor, " N"], buckets: int = BUCKETS) -> Int64[Tensor, " N"]:
    """Bucket of each CAN ID by multiplicative hashing (Knuth 6.4), in [0, buckets): no order, no magnitude."""
    return ((id_code * 2654435761) % 2**32) * buckets // 2**32


class IdEncoding(nn.Module):
    """What a model may know of an ID, f32[N, width] (width 0 for `none`).

    - none: nothing; the headline models, since an embedding learns the training cars.
    - lookup: one vector an ID of the training cars; all unknown IDs share the untrained last one (as published).
    - unknown: as lookup, and the shared vector is learned: 10 % of training nodes pretend to be unknown.
    - hashed: one vector a bucket; an unseen ID lands in some bucket.
    - masked: as hashed, and half of the training nodes carry the mask vector instead.
    """

    def __init__(self, kind: str, vocabulary: Tensor, width: int = 8) -> None:
        super().__init__()
        self.kind = kind
        self.vocabulary: Tensor
        self.width = 0 if kind == "none" else width
        self.register_buffer("vocabulary", vocabulary.sort().values.long())
        rows = {"none": 0, "lookup": len(vocabulary), "unknown": len(vocabulary)}.get(kind, BUCKETS)
        self.table = nn.Embedding(rows + 1, width) if kind != "none" else None

    def forward(self, id_code: Int64[Tensor, " N"]) -> Float32[Tensor, "N width"]:
        """The vector of each node's ID; what pretends to be unknown or masked is drawn anew in each pass of training."""
        if self.table is None:
            return torch.zeros(id_code.shape[0], 0, device=id_code.device)  # len() would fix the size when exported
        last = self.table.num_embeddings - 1
        if self.kind in ("lookup", "unknown"):
            at = torch.searchsorted(self.vocabulary, id_code).clamp(max=last - 1)
            row = torch.where(self.vocabulary[at] == id_code, at, last)
            drop = 0.1 if self.kind == "unknown" else 0.0
        else:
            row = hashed(id_code)
            drop = 0.5 if self.kind == "masked" else 0.0
        if self.training and drop:
            row = torch.where(torch.rand(len(row), device=row.device) < drop, last, row)
        return self.table(row)


def convolution(kind: str, width: int, hidden: int, heads: int, edges: int | None) -> nn.Module:
    """f32[N, width] → f32[N, hidden·heads] over edges with `edges` features (None: the edge features are not used).

    gatv2: Brody et al. 2022, eq. 7. gat: Veličković et al. 2018. gps: GATv2 beside global attention (Rampášek et al. 2022).
    """
    if kind == "gps":
        out = hidden * heads
        local = GATv2Conv(out, hidden, heads, edge_dim=edges, add_self_loops=False)
        return GPS(width, out, GPSConv(out, local, heads=heads))
    cls = {"gatv2": GATv2Conv, "gat": GATConv}[kind]
    # self-loops are data here (an ID that sends twice in a row), so none are added
    return cls(width, hidden, heads, edge_dim=edges, add_self_loops=False)


class GPS(nn.Module):
    """Attention among all nodes of a window beside GATv2; GPSConv keeps its width, so a projection comes first."""

    def __init__(self, width: int, out: int, conv: GPSConv) -> None:
        super().__init__()
        self.project = nn.Linear(width, out)
        self.conv = conv

    def forward(
        self,
        x: Float32[Tensor, "N F"],
        edge_index: Int64[Tensor, "2 E"],
        edge_attr: Float32[Tensor, "E G"] | None,
        batch: Int64[Tensor, " N"],
    ) -> Float32[Tensor, "N out"]:
        """Node states after GATv2 and the attention among all nodes of each window."""
        # without `batch` the attention would run over all windows of the batch as if they were one
        return self.conv(self.project(x), edge_index, batch, edge_attr=edge_attr)


def readout(
    h: Float32[Tensor, "N D"],
    share: Float32[Tensor, " N"],
    batch: Int64[Tensor, " N"],
    size: int,
    *,
    least: bool = False,
) -> Float32[Tensor, "{size} R*D"]:
    """Graph vector of node states: mean, maximum, mean weighted by the share of frames and, if asked for, minimum.

    Without the minimum R is 3, with it 4.
    """
    mean = scatter(h, batch, 0, size, "mean")
    largest = scatter(h, batch, 0, size, "max")
    weighted = scatter(h * share[:, None], batch, 0, size, "sum")
    return torch.cat([mean, largest, weighted, *([scatter(h, batch, 0, size, "min")] if least else [])], 1)


def count_parameters(module: nn.Module) -> int:
    """Trainable numbers in a module."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
