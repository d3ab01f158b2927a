"""What every fusion is given and judged by: both detectors' scores, the 21 weights, the reward of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

#: steps between the weights α = 0 and α = 1
ALPHA_STEPS = 20
#: weights α of the classifier in the fused score
ALPHAS = np.linspace(0, 1, ALPHA_STEPS + 1)
#: fused scores from here on are an attack: what rewards, the weighted average and the bounds judge by
DECISION = 0.5
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
    return cost * (((fused >= DECISION) == (y == 1)) - np.abs(y - fused))


def alpha_index(alpha: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Position in `ALPHAS` of each weight."""
    return np.rint(alpha * ALPHA_STEPS).astype(int)
