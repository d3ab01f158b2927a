"""Scores of trained networks: one pass over all graphs of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from kdgat.errors import KdgatError
from kdgat.models.gat import GAT
from kdgat.models.layers import GraphBatch
from kdgat.models.vgae import VGAE
from kdgat.training.batches import Batches

Model = TypeVar("Model", bound=nn.Module)
#: graphs in a batch that is scored
SCORING_BATCH = 512


def scorer() -> torch.device:
    """The device that scores: the GPU, where this process sees one."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


@contextmanager
def lent(model: Model, device: torch.device) -> Iterator[Model]:
    """A model on a device, in eval mode; afterwards it is back where it was."""
    home = next(model.parameters()).device
    try:
        yield model.to(device).eval()
    finally:
        model.to(home)


def predict_gat(model: GAT, batches: Batches, device: torch.device | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Logits f32[n, 2] and graph embeddings f32[n, 3D] of all graphs of `batches`, in its order.

    Args:
        model: the classifier; it comes back to where it is.
        batches: graphs.
        device: what scores; None: `scorer`.
    """

    def score(b: GraphBatch) -> tuple[Tensor, ...]:
        g = model.embed(b)
        return model.head(g), g

    logits, embeddings = _scores(model, batches, device, score)
    return logits, embeddings


def predict_vgae(
    model: VGAE, batches: Batches, device: torch.device | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors by part f32[n, 3], latent statistics f32[n, 4], graph latents f32[n, L]; with z = μ, so nothing is random.

    Args as those of `predict_gat`.
    """

    def score(b: GraphBatch) -> tuple[Tensor, ...]:
        out = model(b)
        return out.parts, out.stats, out.latent

    parts, stats, latent = _scores(model, batches, device, score)
    return parts, stats, latent


@torch.no_grad()
def _scores(
    model: nn.Module, batches: Batches, device: torch.device | None, score: Callable[[GraphBatch], tuple[Tensor, ...]]
) -> list[np.ndarray]:
    """What `score` gives for all graphs, in the main memory, to which it is copied at the end.

    Raises:
        KdgatError: there are none.
    """
    if not len(batches):
        raise KdgatError("no windows to score: are the captures long enough for training, fusion and validation?")
    device = device or scorer()
    batches.move(device)
    with lent(model, device):
        results = [score(b.to(device)) for b in batches]
    return [torch.cat(parts).cpu().numpy() for parts in zip(*results, strict=True)]


def attack_probability(logits: np.ndarray) -> np.ndarray:
    """One softmax, f64[n]."""
    return 1 / (1 + np.exp(np.clip(logits[:, 0].astype(np.float64) - logits[:, 1], -60, 60)))
