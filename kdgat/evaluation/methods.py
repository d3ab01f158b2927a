"""How the intervals of a release may be made, by the name that it gives them; a name keeps its meaning for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from kdgat.evaluation.alarms import AlarmRule
from kdgat.evaluation.bootstrap import block_weights, intervals
from kdgat.evaluation.scored import ScoredWindows
from kdgat.evaluation.stratified import stratified

#: (low, high) of each metric, from the scores f64[n] of each seed and their thresholds
Ends: TypeAlias = Callable[..., dict[str, tuple[float, float]]]


def circular_blocks(windows: ScoredWindows, within: np.ndarray, draws: int, rule: AlarmRule) -> Ends:
    """Prepare the draws of one scenario, which all its models share; the result takes what `intervals` does.

    Args:
        windows: n of them.
        within: bool[n], those that are judged.
        draws: bootstrap draws.
        rule: not used, since this method knows no alarm events.
    """
    kept = windows.take(within)
    weights = block_weights(kept, draws, np.random.default_rng(20240101))

    def ends(
        scores: Sequence[np.ndarray], thresholds: Sequence[float], *, ranking: bool
    ) -> dict[str, tuple[float, float]]:
        inside = [s[within] for s in scores]
        return intervals(weights, kept.y, inside, thresholds, seed=len(scores), ranking=ranking)

    return ends


METHODS: dict[str, Callable[[ScoredWindows, np.ndarray, int, AlarmRule], Ends]] = {
    "circular-blocks": circular_blocks,
    "stratified-blocks-t": stratified,
}
#: that of new releases
METHOD = "stratified-blocks-t"
