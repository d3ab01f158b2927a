"""Virtual cars to judge detectors on: the dataset `virtual`, drives under each kind of attack, evaders among them.

No training draws these cars: their identifiers are sent in more bursts than any configuration allows. Each drive has an
attack-free trip of its car beside it, which its profile comes from. Everything computed from them is marked synthetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from kdgat.catalog.datasets import Capture
from kdgat.config import Augmentation
from kdgat.synthetic.attacks import UNLABELLED
from kdgat.synthetic.bus import hashed
from kdgat.synthetic.drives import drive
from kdgat.synthetic.forging import EVADERS, KINDS, Strike, given_up
from kdgat.synthetic.trips import Car

#: drives per kind of attack
DRIVES = 6
SEED = 20_261_129
#: what the cars are drawn from, with a clean profile for each
RANGES = Augmentation(kind="drives", bursts=(0.1, 0.3), profiles=(1.0, 0.0, 0.0), strikes=(3, 5), waking=0.2)
#: frames that a drive's windows would have; all windows are scored whatever a configuration draws
_SIZE = 100


@dataclass(frozen=True)
class Cost:
    """What an evader's attack is made of, medians over cars.

    Attributes:
        plain, evading: forged frames of the plain attack, and of the evader's.
        share: of the plain ones that the evader does without.
    """

    plain: float
    evading: float
    share: float


def costs(gap: float = 1e-3, seconds: float = 5.0, cars: int = 20, seed: int = 0) -> dict[str, Cost]:
    """Count what attackers who know the detector give up to stay unseen: evader → cost.

    Args:
        gap: mean time between forged frames that the attacker would like (s).
        seconds: length of an attack (s).
        cars: virtual cars that each is counted on.
        seed: of cars and attacks.
    """
    begin = 20.0
    drawn = [Car.draw(np.random.default_rng([seed, n]), Augmentation()) for n in range(cars)]
    trips = [car.trip(begin + seconds + 5.0, np.random.default_rng([seed, n])) for n, car in enumerate(drawn)]
    out = {}
    for kind in EVADERS:
        strike = Strike(kind, begin, begin + seconds, gap)
        rows = [given_up(trip, strike, car.bit_time, seed) for car, trip in zip(drawn, trips, strict=True)]
        out[kind] = Cost(*(float(np.median([r[c] for r in rows])) for c in ("plain", "evading", "given_up")))
    return out


@cache
def captures(drives: int = DRIVES, seed: int = SEED) -> list[Capture]:
    """Draw the captures of the dataset: of each kind, `drives` trips and as many attacked drives of the same cars.

    A drive's scenario is its kind of attack; kinds that no label tells of are not among them.
    """
    return list(_drawn(drives, seed))


def _drawn(drives: int, seed: int) -> Iterator[Capture]:
    for number, kind in enumerate(kind for kind in KINDS if kind not in UNLABELLED):
        for n in range(drives):
            virtual_drive = drive(n, {}, RANGES, _SIZE, np.random.default_rng([seed, number, n]), (kind,))
            car = f"{kind}-{n}"
            assert virtual_drive.profile is not None
            for split, attack, frames in (
                ("train", "benign", virtual_drive.profile),
                (kind, kind, virtual_drive.frames),
            ):
                yield Capture(
                    dataset="virtual", name=f"{split}/{car}", vehicle=car, attack=attack, split=split, path=None,
                    sha256=hashed(frames), data_kind="synthetic", duplicate_of="", table=frames.to_table(),
                )  # fmt: skip
