"""What both graph networks are built from: the batch, the identity encodings, the convolutions, the readout.

Shapes stand in the signatures of this package, and `tests/kdgat/test_shapes.py` runs it with every one of them checked:
N nodes, E edges, B graphs, F node features, G edge features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from kdgat.models import segments

if TYPE_CHECKING:
    from torch_geometric.nn import GPSConv

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
        size: B; in a padded batch (`kdgat.training.resident`) it counts the graph that fills it, which has no `y` and no `index`.
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
    - lookup: one vector per ID of the training cars; all unknown IDs share the untrained last one (as published).
    - unknown: as lookup, and the shared vector is learned: 10 % of training nodes pretend to be unknown.
    - hashed: one vector per bucket; an unseen ID lands in some bucket.
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


class _Undrawn(nn.Linear):
    """A linear layer whose owner draws its weights; torch's `skip_init` does the same and imports SymPy for it."""

    def reset_parameters(self) -> None:
        """Draw nothing."""


class GATv2(nn.Module):
    """GATv2 convolution with edge features (Brody et al. 2022, eq. 7): f32[N, width] → f32[N, hidden·heads].

    Parameters are called, ordered and drawn as those of torch_geometric's GATv2Conv, whose weights older releases hold.
    Self-loops are data here (an ID that sends twice in a row), so none are added.

    Args:
        width: columns of a node's state.
        hidden, heads: columns of a head, and heads.
        edges: edge features; None: they are not used.
    """

    def __init__(self, width: int, hidden: int, heads: int, edges: int | None) -> None:
        super().__init__()
        self.in_channels, self.edge_dim = width, edges
        out = hidden * heads
        self.att = nn.Parameter(torch.empty(1, heads, hidden))
        self.bias = nn.Parameter(torch.zeros(out))
        self.lin_l, self.lin_r = (_Undrawn(width, out) for _ in range(2))
        self.lin_edge = None if edges is None else _Undrawn(edges, out, bias=False)
        for _ in range(2):  # it draws when its parts are made, and again when it is: so a seed keeps its weights
            for linear in (self.lin_l, self.lin_r):
                _glorot(linear.weight)
                nn.init.uniform_(linear.bias, -1 / math.sqrt(width), 1 / math.sqrt(width))
            if self.lin_edge is not None:
                _glorot(self.lin_edge.weight)
        _glorot(self.att)

    def forward(
        self,
        x: Float32[Tensor, "N F"],
        edge_index: Int64[Tensor, "2 E"],
        edge_attr: Float32[Tensor, "E G"] | None = None,
        return_attention_weights: bool | None = None,
    ) -> Any:
        """Node states f32[N, D]; with `return_attention_weights` also (edge_index, attention f32[E, heads])."""
        if self.lin_edge is None or edge_attr is None:
            edge_attr, edge_weight = x.new_empty(edge_index.shape[1], 0), x.new_empty(self.bias.shape[0], 0)
        else:
            edge_weight = self.lin_edge.weight
        out, alpha = segments.attend(self.lin_l(x), self.lin_r(x), edge_index, edge_attr, edge_weight, self.att)
        out = out + self.bias
        return (out, (edge_index, alpha)) if return_attention_weights else out


def _glorot(weight: Tensor) -> None:
    """Draw uniformly with bound √(6/(a + b)) for the last two dimensions a and b (Glorot & Bengio 2010, eq. 16)."""
    bound = math.sqrt(6 / (weight.shape[-2] + weight.shape[-1]))
    nn.init.uniform_(weight, -bound, bound)


class Activation(nn.Module):
    """Normalisation over the nodes of each graph, ELU, dropout.

    Parameters are called as those of torch_geometric's GraphNorm, whose weights older releases hold.
    """

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.mean_scale = nn.Parameter(torch.ones(width))
        self.dropout = dropout

    def forward(self, x: Float32[Tensor, "N D"], batch: Int64[Tensor, " N"], size: int) -> Float32[Tensor, "N D"]:
        """Node states, normalised within each of `size` graphs, and what dropout leaves of their ELU while training."""
        dropout = self.dropout if self.training else 0.0
        return segments.activate(x, batch, size, self.weight, self.bias, self.mean_scale, dropout)


def convolution(kind: str, width: int, hidden: int, heads: int, edges: int | None) -> nn.Module:
    """f32[N, width] → f32[N, hidden·heads] over edges with `edges` features (None: the edge features are not used).

    gatv2: Brody et al. 2022, eq. 7. gat: Veličković et al. 2018. gps: GATv2 beside global attention (Rampášek et al. 2022).
    """
    if kind == "gatv2":
        return GATv2(width, hidden, heads, edges)
    from torch_geometric.nn import GATConv, GATv2Conv, GPSConv  # late: seconds, for what ablations alone use

    if kind == "gps":
        out = hidden * heads
        local = GATv2Conv(out, hidden, heads, edge_dim=edges, add_self_loops=False)
        return GPS(width, out, GPSConv(out, local, heads=heads))
    return GATConv(width, hidden, heads, edge_dim=edges, add_self_loops=False)


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


def count_parameters(module: nn.Module) -> int:
    """Trainable numbers in a module."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
