"""Neural LinUCB over the weights of the fusion (arXiv 2508.04845)."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from kdgat.models.dqn import QNetwork
from kdgat.models.fusion_input import ALPHAS, FusionInput, rewards


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
