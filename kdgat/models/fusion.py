"""What must stand beside the DQN: fixed means, maxima, supervised fusions, a bandit, and the oracle as a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from kdgat.config import FusionConfig
from kdgat.models.dqn import QNetwork
from kdgat.models.fusion_input import ALPHAS, DECISION, FusionInput
from kdgat.models.linucb import NeuralLinUCB


def alternatives(
    data: FusionInput, network: QNetwork, config: FusionConfig, seed: int
) -> dict[str, Callable[[FusionInput], np.ndarray]]:
    """What must stand beside the DQN, each fitted on the same fusion split: name → scores f64[n] of an input.

    mean: one fitted weight for all windows. half: both count alike. max: the larger of both scores. logistic, mlp: supervised on the state. linucb:
    bandit on the DQN's features.
    """
    methods: dict[str, Callable[[FusionInput], np.ndarray]] = {
        "mean": Mean(fit_mean(data)),
        "half": Mean(0.5),
        "max": _Max(),
        "linucb": _Bandit(NeuralLinUCB(network).fit(data, config.false_alarm_cost, seed)),
    }
    if len(np.unique(data.y)) == 2:
        from sklearn.linear_model import LogisticRegression  # late: seconds
        from sklearn.neural_network import MLPClassifier

        methods["logistic"] = _Supervised(LogisticRegression(max_iter=1000).fit(data.state, data.y))
        mlp = MLPClassifier(config.hidden, max_iter=200, early_stopping=True, random_state=seed)
        methods["mlp"] = _Supervised(mlp.fit(data.state, data.y))
    return methods


@dataclass(frozen=True)
class Mean:
    """One weight for all windows.

    Attributes:
        alpha: of the GAT.
    """

    alpha: float

    def __call__(self, data: FusionInput) -> np.ndarray:
        """Fuse both scores of n windows, f64[n]."""
        return data.fused(self.alpha)


class _Max:
    def __call__(self, data: FusionInput) -> np.ndarray:
        return np.maximum(data.anomaly, data.p_attack)


@dataclass(frozen=True)
class _Bandit:
    bandit: NeuralLinUCB

    def __call__(self, data: FusionInput) -> np.ndarray:
        return data.fused(self.bandit.choose(data.state))


@dataclass(frozen=True)
class _Supervised:
    model: Any

    def __call__(self, data: FusionInput) -> np.ndarray:
        return np.asarray(self.model.predict_proba(data.state)[:, 1], np.float64)


def fit_mean(data: FusionInput) -> float:
    """Weighted average of probabilities: the one α that gives the best F1 on the fusion split (the middle of a plateau)."""
    from kdgat.evaluation.metrics import f1_score

    scores = np.array([f1_score(data.y, data.fused(a) >= DECISION) for a in ALPHAS])
    best = np.flatnonzero(scores >= scores.max() - 1e-9)
    return float(ALPHAS[best[len(best) // 2]])


def oracle(data: FusionInput) -> Float[np.ndarray, " n"]:
    """Fused score with the weight that serves each window best, by its label: a bound, not a method."""
    fused = (1 - ALPHAS) * data.anomaly[:, None] + ALPHAS * data.p_attack[:, None]
    return np.where(data.y == 1, fused.max(1), fused.min(1))
