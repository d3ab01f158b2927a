"""Scores of trained networks: one pass over all graphs of a store."""

from __future__ import annotations

import numpy as np
import torch

from kdgat.models.gat import GAT
from kdgat.models.vgae import VGAE
from kdgat.training.batches import Batches

#: graphs in a batch that is scored
SCORING_BATCH = 512


@torch.no_grad()
def predict_gat(model: GAT, batches: Batches) -> tuple[np.ndarray, np.ndarray]:
    """Logits f32[n, 2] and graph embeddings f32[n, 3D] of all graphs of `batches`, in its order."""
    model.eval()
    logits, embeddings = [], []
    for b in batches:
        g = model.embed(b)
        logits.append(model.head(g).numpy())
        embeddings.append(g.numpy())
    return np.concatenate(logits), np.concatenate(embeddings)


@torch.no_grad()
def predict_vgae(model: VGAE, batches: Batches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors by part f32[n, 3], latent statistics f32[n, 4], graph latents f32[n, L]; with z = μ, so nothing is random."""
    model.eval()
    parts, stats, latent = [], [], []
    for b in batches:
        out = model(b)
        parts.append(out.parts.numpy())
        stats.append(out.stats.numpy())
        latent.append(out.latent.numpy())
    return np.concatenate(parts), np.concatenate(stats), np.concatenate(latent)


def attack_probability(logits: np.ndarray) -> np.ndarray:
    """One softmax, f64[n]."""
    return 1 / (1 + np.exp(np.clip(logits[:, 0].astype(np.float64) - logits[:, 1], -60, 60)))
