"""DQN over the weights of the fusion (arXiv 2508.04845), with γ = 0."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional as F

from kdgat.config import FusionConfig
from kdgat.models.fusion_input import ALPHAS, STATE, FusionInput, rewards

#: share of random weights from the middle of the training on, and the share of the steps in which it falls to that
LEAST_EXPLORATION, EXPLORING = 0.05, 0.5
#: batches that are kept for replay, and steps that one logged loss is a mean of
REPLAYED, LOGGED = 200, 100


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
        target = teacher[0](torch.as_tensor(teacher[1], dtype=torch.float32)) if teacher else None
    buffer: list[tuple[np.ndarray, np.ndarray]] = []
    losses, recent = [], []
    for step in range(config.steps):
        epsilon = max(LEAST_EXPLORATION, 1 - step / (EXPLORING * config.steps))
        window = rng.integers(0, len(state), config.batch_size)
        with torch.no_grad():
            greedy = network(state[window]).argmax(1).numpy()
        action = np.where(rng.random(len(window)) < epsilon, rng.integers(0, len(ALPHAS), len(window)), greedy)
        buffer.append((window, action))
        del buffer[:-REPLAYED]
        past_window, past_action = buffer[rng.integers(0, len(buffer))]
        window, action = np.concatenate([window, past_window]), np.concatenate([action, past_action])
        values = network(state[window])
        rows = torch.arange(len(window))
        loss = F.smooth_l1_loss(values[rows, action], reward[window, action])
        if target is not None:
            loss = (1 - distillation) * loss + distillation * F.mse_loss(values, target[window])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        recent.append(float(loss.detach()))
        if (step + 1) % LOGGED == 0:
            losses.append(float(np.mean(recent)))
            recent.clear()
    return network.eval(), losses


def build(meta: Mapping[str, Any]) -> QNetwork:
    """Make an untrained network from what a checkpoint says of it: hidden."""
    return QNetwork(tuple(meta["hidden"]))
