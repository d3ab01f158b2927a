"""Variational graph autoencoder: learns benign windows, scores what it cannot rebuild."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn import functional as F

from kdgat.config import VGAEConfig
from kdgat.models.layers import BUCKETS, Activation, GraphBatch, convolution, hashed
from kdgat.models.segments import around, averaged, extreme


@dataclass
class VGAEOutput:
    """What one pass gives.

    Attributes:
        parts: mean error of each graph: node features, neighbourhood, identity.
        kl: KL(q(z|G) ‖ N(0, I)), mean over nodes and dimensions.
        latent: mean of the nodes' latent means.
        stats: of the nodes' latent means: mean, standard deviation, maximum, minimum.
    """

    parts: Float32[Tensor, "B 3"]
    kl: Float32[Tensor, " B"]
    latent: Float32[Tensor, "B L"]
    stats: Float32[Tensor, "B 4"]

    def first(self, graphs: int) -> VGAEOutput:
        """That of the first graphs of the batch."""
        return VGAEOutput(**{name: value[:graphs] for name, value in vars(self).items()})


class VGAE(nn.Module):
    """GATv2 encoder, reparameterised latent per node, three linear-output decoders (Kipf & Welling 2016; arXiv 2508.04845).

    h = GATv2 layers(x, e);  μ, log σ² = linear(h);  z = μ + σ·ε while training, z = μ otherwise;
    x̂ = D₁(z) against x;  n̂ = D₂(z) against the mean features of the node's neighbours;  id = softmax(D₃(z)) against the
    hashed CAN ID. Features are standardised and unbounded, so no decoder ends in a sigmoid.

    Args:
        config: widths.
        node_features: F.
        edge_features: G.
    """

    PARTS = ("node_error", "neighbour_error", "id_error")

    def __init__(self, config: VGAEConfig, node_features: int, edge_features: int) -> None:
        super().__init__()
        widths = [node_features, *(w * config.heads for w in config.hidden)]
        self.convolutions = nn.ModuleList(
            convolution("gatv2", w, hidden, config.heads, edge_features)
            for w, hidden in zip(widths, config.hidden, strict=False)
        )
        self.norms = nn.ModuleList(Activation(w) for w in widths[1:])
        self.mean = nn.Linear(widths[-1], config.latent)
        self.log_variance = nn.Linear(widths[-1], config.latent)
        middle = config.hidden[0]
        self.decode = nn.Sequential(nn.Linear(config.latent, middle), nn.ELU())
        self.features = nn.Linear(middle, node_features)
        self.neighbours = nn.Linear(middle, node_features)
        self.identity = nn.Linear(middle, BUCKETS)

    def encode(self, b: GraphBatch) -> tuple[Float32[Tensor, "N L"], Float32[Tensor, "N L"]]:
        """Mean and log variance of the latent."""
        h = b.x
        for conv, norm in zip(self.convolutions, self.norms, strict=True):
            h = norm(conv(h, b.edge_index, edge_attr=b.edge_attr), b.batch, b.size)
        return self.mean(h), self.log_variance(h).clamp(-8, 8)

    def forward(self, b: GraphBatch) -> VGAEOutput:
        """Encode, decode, compare with the input node by node; what is returned are means over the nodes of each graph."""
        mean, log_variance = self.encode(b)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        hidden = self.decode(z)
        node = F.mse_loss(self.features(hidden), b.x, reduction="none").mean(1)
        neighbour = F.mse_loss(self.neighbours(hidden), around(b.x, b.edge_index), reduction="none").mean(1)
        # cross entropy, spelt out: the ONNX exporter gives F.cross_entropy without reduction another shape
        identity = -F.log_softmax(self.identity(hidden), 1).gather(1, hashed(b.id_code)[:, None]).squeeze(1)
        kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).mean(1)
        each = torch.stack([node, neighbour, identity, kl], 1)
        means = averaged(torch.cat([each, mean, mean.square()], 1), b.batch, b.size)
        latent, squares = means[:, 4:].chunk(2, 1)
        std = (squares - latent.square()).clamp(min=0).mean(1).sqrt()
        largest, least = (extreme(mean, b.batch, b.size, which) for which in ("amax", "amin"))
        return VGAEOutput(
            parts=means[:, :3],
            kl=means[:, 3],
            latent=latent,
            stats=torch.stack([latent.mean(1), std, largest.amax(1), least.amin(1)], 1),
        )

    def loss(self, out: VGAEOutput, beta: float) -> Float32[Tensor, ""]:
        """Negative ELBO: mean over graphs (not nodes, so that a large window weighs as much as a small one)."""
        return (out.parts.sum(1) + beta * out.kl).mean()


def build(meta: Mapping[str, Any]) -> VGAE:
    """Make an untrained model from what a checkpoint says of it: config, node_features, edge_features."""
    return VGAE(VGAEConfig(**meta["config"]), meta["node_features"], meta["edge_features"])
