"""The timing rules once more, slowly: one identifier at a time, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

FLOOR = 1e-6


def early(
    t: list[float],
    ids: list[int],
    least: Mapping[int, float],
    period: Mapping[int, float],
    length: float,
    n_last: int,
    least_gaps: int,
    n_bin: int,
) -> list[tuple[float, float]]:
    """What `kdgat.models.kernels.timing.early` gives; `least`, `period`: identifier → gaps of a profile (s)."""
    out = [(-math.inf, -math.inf)] * len(t)
    for who in set(ids):
        places = [i for i, other in enumerate(ids) if other == who]
        gaps: list[float] = []
        for n, i in enumerate(places):
            usual = least.get(who, 0.0)
            if not usual and len(gaps) >= least_gaps:
                usual = float(np.median(gaps[-n_last:]))
            unknown = length > 0 and who not in least
            if unknown:
                usual = max(usual, length * 0.5 ** (max(t[i] - t[places[0]], 0.0) / length))
            gap = t[i] - t[places[n - 1]] if n else min([usual, *(least[k] for k in set(ids) if k in least)])
            if usual and gap >= 0 and (n or unknown):
                span = n_bin * (period[who] if who in least else usual)
                count = 1
                for other in reversed(places[:n][-n_last:]):
                    if t[i] - t[other] >= span:
                        break
                    count += 1
                out[i] = (math.log((usual + FLOOR) / (gap + FLOOR)), math.log(count / n_bin))
            if n and gap >= 0:
                gaps.append(gap)
    return out
