"""Graph attention classifier: a window graph in, two logits out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from kdgat.config import GATConfig
from kdgat.models.layers import GPS, Activation, GraphBatch, IdEncoding, convolution
from kdgat.models.segments import read_out

#: the LSTM of jumping knowledge dominates the cost of a large model: its hidden size is capped
LSTM_WIDTH = 32


class GAT(nn.Module):
    """GATv2 layers with edge features, jumping knowledge over their outputs, readout, MLP (KD-GAT, arXiv 2507.19686, §III).

    h⁰ = [x ‖ id];  hˡ = dropout(elu(norm(conv(hˡ⁻¹, e))));  g = readout(JK(h¹ … hᴸ));  logits = MLP(g).

    Args:
        config: widths and options.
        node_features: F.
        edge_features: G.
        vocabulary: IDs of the training captures (used by the encodings lookup and unknown).
    """

    def __init__(
        self, config: GATConfig, node_features: int, edge_features: int, vocabulary: Int64[Tensor, " V"]
    ) -> None:
        super().__init__()
        self.identity = IdEncoding(config.id_encoding, vocabulary)
        self.use_edges = config.edge_features
        out = config.hidden * config.heads
        edges = edge_features if config.edge_features else None
        given = node_features + self.identity.width
        widths = [given, *[out] * (config.layers - 1)][: config.layers]
        self.convolutions = nn.ModuleList(
            convolution(config.convolution, w, config.hidden, config.heads, edges) for w in widths
        )
        self.norms = nn.ModuleList(Activation(out, config.dropout) for _ in widths)
        self.dropout = nn.Dropout(config.dropout)
        # without layers a graph is what its nodes' features pool to
        self.jump, width = self._jumping(config, out if config.layers else given)
        self.least = config.readout == "mean-max-min"
        dims = [(4 if self.least else 3) * width, *config.mlp]
        hidden = [layer for a, b in pairwise(dims) for layer in (nn.Linear(a, b), nn.ELU(), self.dropout)]
        self.head = nn.Sequential(*hidden, nn.Linear(dims[-1], 2))

    def _jumping(self, config: GATConfig, out: int) -> tuple[nn.Module | None, int]:
        """The LSTM of jumping knowledge, if that is its kind, and the width of a node's state after it."""
        self.kind = "none" if config.layers <= 1 else config.jumping_knowledge
        if self.kind != "lstm":
            return None, out * config.layers if self.kind == "cat" else out
        from torch_geometric.nn import JumpingKnowledge  # late: seconds, for what ablations alone use

        # PyG's LSTM runs at layers·channels/2 per direction; a projection first keeps that small
        lstm = JumpingKnowledge("lstm", LSTM_WIDTH, config.layers)
        return nn.ModuleDict({"project": nn.Linear(out, LSTM_WIDTH), "lstm": lstm}), LSTM_WIDTH

    def layers(self, b: GraphBatch) -> list[Float32[Tensor, "N D"]]:
        """Node states after each layer; D = hidden·heads. Without layers, what would enter the first."""
        h = torch.cat([b.x, self.identity(b.id_code)], 1)
        states = []
        for conv, norm in zip(self.convolutions, self.norms, strict=True):
            edges = b.edge_attr if self.use_edges else None
            h = conv(h, b.edge_index, edges, b.batch) if isinstance(conv, GPS) else conv(h, b.edge_index, edges)
            h = norm(h, b.batch, b.size)
            states.append(h)
        return states or [h]

    def embed(self, b: GraphBatch) -> Float32[Tensor, "{b.size} D"]:
        """Graph embeddings."""
        return self.pool(self.layers(b), b)

    def pool(self, states: list[Float32[Tensor, "N D"]], b: GraphBatch) -> Float32[Tensor, "{b.size} P"]:
        """Graph embeddings, from what `layers` gives."""
        if isinstance(self.jump, nn.ModuleDict):
            states = [self.jump["lstm"]([self.jump["project"](s) for s in states])]
        elif self.kind != "cat":
            states = [torch.stack(states, 2).amax(2) if self.kind == "max" else states[-1]]
        # all layers' states side by side are never made: each is pooled by itself
        pooled = [read_out(h, b.share, b.batch, b.size, least=self.least) for h in states]
        return torch.cat(pooled, 2).flatten(1)

    def forward(self, b: GraphBatch) -> Float32[Tensor, "{b.size} 2"]:
        """Logits: benign, attack."""
        return self.head(self.embed(b))


def build(meta: Mapping[str, Any]) -> GAT:
    """Make an untrained model from what a checkpoint says of it: config, node_features, edge_features, vocabulary."""
    vocabulary = torch.tensor(meta["vocabulary"], dtype=torch.long)
    return GAT(GATConfig(**meta["config"]), meta["node_features"], meta["edge_features"], vocabulary)
