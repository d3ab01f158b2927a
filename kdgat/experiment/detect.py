"""A VGAE and a GAT of one role as one detector: what the fusion and the evaluation need of a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kdgat.evaluation.thresholds import BenignCDF
from kdgat.graphs.scaling import Scalers
from kdgat.models.checkpoint import Checkpoint
from kdgat.models.dqn import QNetwork
from kdgat.models.fusion_input import FusionInput
from kdgat.models.fusion_input import state as fusion_state
from kdgat.training.batches import Batches
from kdgat.training.predict import SCORING_BATCH, attack_probability, predict_gat, predict_vgae

#: standard deviations beyond which a number of the fusion's state says nothing more
STATE_LIMIT = 10
#: least standard deviation that is divided by
_LEAST_STD = 1e-6


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of k numbers, f[k] each."""

    mean: np.ndarray
    std: np.ndarray

    @staticmethod
    def of(values: np.ndarray) -> Moments:
        """Take them from values f[n, k], in their precision."""
        return Moments(values.mean(0), np.maximum(values.std(0), _LEAST_STD))

    @staticmethod
    def from_meta(meta: dict[str, Any]) -> Moments:
        """Read them from a checkpoint's metadata, f64[k]."""
        return Moments(np.asarray(meta["centre"]), np.asarray(meta["spread"]))

    def meta(self) -> dict[str, Any]:
        """Describe them for a checkpoint's metadata; the keys are those of every release."""
        return {"centre": self.mean.tolist(), "spread": self.std.tolist()}

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """(values − mean)/std, f[n, k]."""
        return (values - self.mean) / self.std


@dataclass(frozen=True)
class Calibration:
    """From a VGAE's errors by part to its anomaly score, fitted on benign validation windows.

    Attributes:
        moments: of the errors by part.
        cdf: of their standardised mean.
    """

    moments: Moments
    cdf: BenignCDF

    @staticmethod
    def fit(parts: np.ndarray) -> Calibration:
        """Fit on errors f32[n, 3] of benign validation windows."""
        moments = Moments.of(parts)
        return Calibration(moments, BenignCDF.fit(moments.standardised(parts).mean(1)))

    @staticmethod
    def from_meta(meta: dict[str, Any]) -> Calibration:
        """Read it from a VGAE checkpoint's metadata."""
        ranked, scale = meta["cdf"]
        return Calibration(Moments.from_meta(meta), BenignCDF(np.asarray(ranked), scale))

    def meta(self) -> dict[str, Any]:
        """Describe it for a checkpoint's metadata."""
        return {**self.moments.meta(), "cdf": [self.cdf.sorted.tolist(), self.cdf.scale]}

    def error(self, parts: np.ndarray) -> np.ndarray:
        """Mean standardised error of errors by part f32[n, 3], f[n]."""
        return self.moments.standardised(parts).mean(1)

    def anomaly(self, parts: np.ndarray) -> np.ndarray:
        """Anomaly score in [0, 1) of errors by part f32[n, 3], f64[n]."""
        return self.cdf(self.error(parts))


class Detector:
    """A VGAE and a GAT of one role, scoring a store into what the fusion and the evaluation need."""

    def __init__(self, vgae: Checkpoint, gat: Checkpoint, scalers: Scalers) -> None:
        self.calibration, self.scalers = Calibration.from_meta(vgae.meta), scalers
        self.vgae, self.gat = vgae.model(), gat.model()

    def score(self, store: Any) -> tuple[FusionInput, np.ndarray, np.ndarray]:
        """Fusion input (state not yet standardised), VGAE errors by part f32[n, 3], GAT embeddings f32[n, D]."""
        torch.set_num_threads(1)
        batches = Batches(store, self.scalers, SCORING_BATCH)
        parts, stats, _ = predict_vgae(self.vgae, batches)  # type: ignore[arg-type]
        logits, embedding = predict_gat(self.gat, batches)  # type: ignore[arg-type]
        error = self.calibration.moments.standardised(parts)
        anomaly = self.calibration.cdf(error.mean(1))
        p = attack_probability(logits)
        state = fusion_state(error, stats, anomaly, p, embedding)
        return FusionInput(state, anomaly, p, np.asarray(store.y).astype(np.int64)), parts, embedding


def standardised(data: FusionInput, mean: np.ndarray, std: np.ndarray) -> FusionInput:
    """Standardise the state to (s − mean)/std, clipped to ±10; mean and std f[15], of the fusion split."""
    state = np.clip((data.state - mean) / std, -STATE_LIMIT, STATE_LIMIT).astype(np.float32)
    return FusionInput(state, data.anomaly, data.p_attack, data.y)


@dataclass(frozen=True)
class Fusion:
    """The DQN that joins the two scores of a detector.

    Attributes:
        network: chooses their weights.
        moments: what its state is scaled by.
    """

    network: QNetwork
    moments: Moments

    @staticmethod
    def of(checkpoint: Checkpoint) -> Fusion:
        """Build it from its checkpoint."""
        network = checkpoint.model()
        assert isinstance(network, QNetwork)
        return Fusion(network, Moments.from_meta(checkpoint.meta))

    def choose(self, data: FusionInput) -> tuple[FusionInput, np.ndarray]:
        """Standardise the state of n windows, and choose their weights, f64[n]."""
        data = standardised(data, self.moments.mean, self.moments.std)
        return data, self.network.choose(data.state)
