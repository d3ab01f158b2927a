"""Fusion of the anomaly score and the attack probability: a DQN over 21 weights, and what must stand beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn
from torch.nn import functional as F

from kdgat.config import FusionConfig

#: weights α of the classifier in the fused score
ALPHAS = np.linspace(0, 1, 21)
#: names of the state's 15 numbers (arXiv 2508.04845)
STATE = (
    *("node_error", "neighbour_error", "id_error", "z_mean", "z_std", "z_max", "z_min", "vgae_confidence"),
    *("p_benign", "p_attack", "embedding_mean", "embedding_std", "embedding_max", "embedding_min", "gat_confidence"),
)


@dataclass(frozen=True)
class FusionInput:
    """n windows as the fusion sees them.

    Attributes:
        state: standardised on the fusion split.
        anomaly: VGAE score calibrated by the benign CDF, in [0, 1).
        p_attack: probability from one softmax of the GAT's logits.
        y: labels (read only where a method is fitted or the oracle is computed).
    """

    state: Float[np.ndarray, "n 15"]
    anomaly: Float[np.ndarray, " n"]
    p_attack: Float[np.ndarray, " n"]
    y: Int[np.ndarray, " n"]

    def fused(self, alpha: np.ndarray | float) -> np.ndarray:
        """(1 − α)·anomaly + α·p_attack, f64[n] (or f64[n, k] for α of shape [k] made with `[:, None]`)."""
        return (1 - alpha) * self.anomaly + alpha * self.p_attack


def state(
    error: Float[np.ndarray, "n 3"],
    stats: Float[np.ndarray, "n 4"],
    anomaly: Float[np.ndarray, " n"],
    p_attack: Float[np.ndarray, " n"],
    embedding: Float[np.ndarray, "n D"],
) -> Float32[np.ndarray, "n 15"]:
    """The numbers `STATE` of n windows, not yet standardised.

    Args:
        error: VGAE errors by part, standardised on benign validation windows.
        stats: statistics of the VGAE's latents.
        anomaly, p_attack: as in `FusionInput`.
        embedding: the GAT's.
    """
    e = np.stack([embedding.mean(1), embedding.std(1), embedding.max(1), embedding.min(1)], 1)
    p, sure = p_attack, np.abs(2 * p_attack - 1)
    return np.column_stack([error, stats, np.abs(2 * anomaly - 1), 1 - p, p, e, sure]).astype(np.float32)


def rewards(data: FusionInput, false_alarm_cost: float) -> Float[np.ndarray, "n 21"]:
    """Reward of each of the 21 weights: c_y·(1[decision right] − |y − fused|).

    c_y is `false_alarm_cost` for benign windows and 1 for attacks, each divided by the share of its class, so that the
    majority class cannot be bought. All 21 are known for every window: this is regression with full information, cast as
    a bandit only to be comparable with the published method.
    """
    fused = (1 - ALPHAS) * data.anomaly[:, None] + ALPHAS * data.p_attack[:, None]
    y = data.y[:, None]
    attacked = max(float(data.y.mean()), 1e-9)
    cost = np.where(y == 1, 0.5 / attacked, 0.5 * false_alarm_cost / max(1 - attacked, 1e-9))
    return cost * (((fused >= 0.5) == (y == 1)) - np.abs(y - fused))


class QNetwork(nn.Module):
    """Value of each weight."""

    def __init__(self, hidden: tuple[int, ...]) -> None:
        super().__init__()
        dims = [len(STATE), *hidden]
        layers = [m for a, b in pairwise(dims) for m in (nn.Linear(a, b), nn.ReLU())]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(dims[-1], len(ALPHAS))

    def forward(self, state: Float32[Tensor, "n 15"]) -> Float32[Tensor, "n 21"]:
        """Value of each of the 21 weights."""
        return self.head(self.body(state))

    @torch.no_grad()
    def choose(self, state: Float[np.ndarray, "n 15"]) -> Float[np.ndarray, " n"]:
        """Greedy weight of each window."""
        return ALPHAS[self(torch.as_tensor(state, dtype=torch.float32)).argmax(1).numpy()]


def train_dqn(
    config: FusionConfig,
    data: FusionInput,
    seed: int,
    teacher: tuple[QNetwork, np.ndarray] | None = None,
    distillation: float = 0.7,
) -> tuple[QNetwork, list[float]]:
    """ε-greedy DQN with a replay buffer; γ = 0, since a window's weight does not change the next window.

    Args:
        config: network, steps, cost.
        data: the held-out fusion split.
        seed: of exploration and initialisation.
        teacher: a trained network and its states f32[n, 15] of the same windows; the student then also regresses on
            the teacher's values.
        distillation: weight of that term.

    Returns:
        The network in eval mode, and the mean loss of every 100 steps.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = QNetwork(config.hidden)
    optimiser = torch.optim.Adam(network.parameters(), config.learning_rate)
    state = torch.as_tensor(data.state, dtype=torch.float32)
    reward = torch.as_tensor(rewards(data, config.false_alarm_cost), dtype=torch.float32)
    with torch.no_grad():
        wanted = teacher[0](torch.as_tensor(teacher[1], dtype=torch.float32)) if teacher else None
    buffer: list[tuple[np.ndarray, np.ndarray]] = []
    losses, recent = [], []
    for step in range(config.steps):
        epsilon = max(0.05, 1 - step / (0.5 * config.steps))
        window = rng.integers(0, len(state), config.batch_size)
        with torch.no_grad():
            greedy = network(state[window]).argmax(1).numpy()
        action = np.where(rng.random(len(window)) < epsilon, rng.integers(0, len(ALPHAS), len(window)), greedy)
        buffer.append((window, action))
        del buffer[:-200]
        past_window, past_action = buffer[rng.integers(0, len(buffer))]
        window, action = np.concatenate([window, past_window]), np.concatenate([action, past_action])
        values = network(state[window])
        rows = torch.arange(len(window))
        loss = F.smooth_l1_loss(values[rows, action], reward[window, action])
        if wanted is not None:
            loss = (1 - distillation) * loss + distillation * F.mse_loss(values, wanted[window])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        recent.append(float(loss.detach()))
        if (step + 1) % 100 == 0:
            losses.append(float(np.mean(recent)))
            recent.clear()
    return network.eval(), losses


def alternatives(
    data: FusionInput, network: QNetwork, config: FusionConfig, seed: int
) -> dict[str, Callable[[FusionInput], np.ndarray]]:
    """What must stand beside the DQN, each fitted on the same fusion split: name → scores f64[n] of an input.

    mean: one weight for all windows. max: the larger of both scores. logistic, mlp: supervised on the state. linucb:
    bandit on the DQN's features.
    """
    methods: dict[str, Callable[[FusionInput], np.ndarray]] = {
        "mean": _Mean(fit_mean(data)),
        "max": _Max(),
        "linucb": _Bandit(NeuralLinUCB(network).fit(data, config.false_alarm_cost, seed)),
    }
    if len(np.unique(data.y)) == 2:
        methods["logistic"] = _Supervised(LogisticRegression(max_iter=1000).fit(data.state, data.y))
        mlp = MLPClassifier(config.hidden, max_iter=200, early_stopping=True, random_state=seed)
        methods["mlp"] = _Supervised(mlp.fit(data.state, data.y))
    return methods


@dataclass(frozen=True)
class _Mean:
    alpha: float

    def __call__(self, data: FusionInput) -> np.ndarray:
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

    scores = np.array([f1_score(data.y, data.fused(a) >= 0.5) for a in ALPHAS])
    best = np.flatnonzero(scores >= scores.max() - 1e-9)
    return float(ALPHAS[best[len(best) // 2]])


def oracle(data: FusionInput) -> Float[np.ndarray, " n"]:
    """Fused score with the weight that serves each window best, by its label: a bound, not a method."""
    fused = (1 - ALPHAS) * data.anomaly[:, None] + ALPHAS * data.p_attack[:, None]
    return np.where(data.y == 1, fused.max(1), fused.min(1))


class NeuralLinUCB:
    """Linear bandit on the features of a trained network (Xu et al. 2022): A_k = λI + ΣφφT, θ_k = A_k⁻¹ Σ r φ per weight k.

    Refitted from the whole buffer, so that retraining the network zeroes nothing; exploration bonus `beta` while fitting
    only.
    """

    def __init__(self, network: QNetwork, ridge: float = 1.0, beta: float = 0.5) -> None:
        self.network, self.ridge, self.beta = network.eval(), ridge, beta
        self.theta = np.zeros((len(ALPHAS), 0))

    @torch.no_grad()
    def features(self, state: Float[np.ndarray, "n 15"]) -> Float[np.ndarray, "n d"]:
        """φ: last hidden layer and a constant."""
        body = self.network.body(torch.as_tensor(state, dtype=torch.float32)).numpy().astype(np.float64)
        return np.hstack([body, np.ones((len(body), 1))])

    def fit(self, data: FusionInput, false_alarm_cost: float, seed: int, rounds: int = 20) -> NeuralLinUCB:
        """Play the fusion split in `rounds` batches, refitting from the buffer after each."""
        phi, reward = self.features(data.state), rewards(data, false_alarm_cost)
        d, arms = phi.shape[1], len(ALPHAS)
        a = np.tile(np.eye(d) * self.ridge, (arms, 1, 1))
        b = np.zeros((arms, d))
        for rows in np.array_split(np.random.default_rng(seed).permutation(len(phi)), rounds):
            inverse = np.linalg.inv(a)
            theta = np.einsum("kij,kj->ki", inverse, b)
            bonus = np.sqrt(np.einsum("ni,kij,nj->nk", phi[rows], inverse, phi[rows]))
            arm = (phi[rows] @ theta.T + self.beta * bonus).argmax(1)
            for k in np.unique(arm):
                mine = rows[arm == k]
                a[k] += phi[mine].T @ phi[mine]
                b[k] += phi[mine].T @ reward[mine, k]
        self.theta = np.einsum("kij,kj->ki", np.linalg.inv(a), b)
        return self

    def choose(self, state: Float[np.ndarray, "n 15"]) -> Float[np.ndarray, " n"]:
        """Greedy weight of each window."""
        return ALPHAS[(self.features(state) @ self.theta.T).argmax(1)]
