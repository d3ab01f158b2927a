"""`python -m tools.coverage`: how often the 95 % intervals of new releases hold the true value, by simulation.

One recording of 43 s with attacks at fixed times, as the test recordings have it. `traffic`: false alarms come in bursts that all seeds
share. `seeds`: each seed finds a share of the attacked windows of its own. `both`: each seed has bursts of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kdgat.errors import cli_without_arguments
from kdgat.evaluation.alarms import SINGLE
from kdgat.evaluation.methods import METHODS
from kdgat.evaluation.metrics import f1_score
from kdgat.evaluation.scored import ScoredWindows

WINDOWS, SECONDS = 860, 0.05


def recording() -> ScoredWindows:
    """43 s with three attacks of 4 s."""
    at = np.arange(WINDOWS)
    attacked = np.isin(at // 80, (2, 5, 8))
    return ScoredWindows(
        np.zeros(WINDOWS, int), at, at * SECONDS, np.full(WINDOWS, SECONDS), attacked * 7, np.where(attacked, "dos", "benign")
    )  # fmt: skip


def _bursts(rng: np.random.Generator, share: float, length: int) -> np.ndarray:
    """Windows in bursts of about `length`, bool[n], that cover about `share` of the time."""
    begins = rng.random(WINDOWS + length) < share / length
    return np.convolve(begins, np.ones(length), "same")[:WINDOWS] > 0


def _traffic(seeds: int, rng: np.random.Generator) -> list[np.ndarray]:
    shared = _bursts(rng, 0.15, 6)
    return [shared.copy() for _ in range(seeds)]


def _seeds(seeds: int, rng: np.random.Generator) -> list[np.ndarray]:
    shares = np.clip(rng.normal(0.85, 0.06, seeds), 0, 1)
    return [rng.random(WINDOWS) >= 1 - share for share in shares]


def _both(seeds: int, rng: np.random.Generator) -> list[np.ndarray]:
    return [_bursts(rng, 0.15, 6) for _ in range(seeds)]


#: what dominates → the windows that a detector gets wrong (benign) or right (attacked), one bool[n] a seed
REGIMES: dict[str, Callable[[int, np.random.Generator], list[np.ndarray]]] = {
    "traffic": _traffic,
    "seeds": _seeds,
    "both": _both,
}


def scores(regime: str, seeds: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Scores f64[n] of each seed; an alarm is at or over one half."""
    y = recording().y == 1
    sample = REGIMES[regime](seeds, rng)
    if regime == "seeds":
        return [np.where(y, d, 0.0) for d in sample]
    return [np.where(y, 1.0, d) for d in sample]


def coverage(regime: str, seeds: int, repetitions: int, draws: int, method: str) -> float:
    """Share of repetitions whose interval of F1 holds the mean over all of them."""
    windows = recording()
    rng = np.random.default_rng([seeds, list(REGIMES).index(regime)])
    interval = METHODS[method](windows, np.ones(WINDOWS, bool), draws, SINGLE)
    runs = [scores(regime, seeds, rng) for _ in range(repetitions)]
    truth = np.mean([_f1(windows.y, run) for run in runs])
    ends = [interval(run, [0.5] * seeds, ranking=False)["f1"] for run in runs]
    return float(np.mean([low <= truth <= high for low, high in ends]))


def _f1(y: np.ndarray, run: Sequence[np.ndarray]) -> float:
    return float(np.mean([f1_score(y, s >= 0.5) for s in run]))


def main() -> None:
    """Print the coverage of every method, regime and number of seeds."""
    print("| what varies | seeds | " + " | ".join(METHODS) + " |\n|:--|--:|" + "--:|" * len(METHODS))
    for regime in REGIMES:
        for seeds in (3, 5):
            shares = [coverage(regime, seeds, 2000, 200, method) for method in METHODS]
            print(f"| {regime} | {seeds} | " + " | ".join(f"{share:.3f}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    cli_without_arguments(main)
