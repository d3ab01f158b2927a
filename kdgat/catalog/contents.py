"""What captures hold, whatever their files and clocks say: which car sends, and which recording another one contains.

A car is told by the identifiers it sends, and a recording by its sequence of (identifier, payload): forged frames that were
written into a recording, or times that were shifted, leave no hash of a file unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.captures.reader import OnBadRows
from kdgat.catalog.datasets import Capture

#: frames of an identifier that make it one of the car's: an unlabelled attack hardly repeats what it makes up
_OWN_FRAMES = 3
#: identifiers that two captures share, of all that either sends: from here on they are one car's, or those of sister cars.
#: Recordings of one training car share all of theirs, Impala and Traverse .79, Soul and Sonata .44, other pairs under .05.
SAME_CAR, SISTER_CAR = 0.9, 0.5

#: frames that are looked for first: other recordings hardly hold them all
_FIRST = 64

Relation = Literal["same", "sister", "other"]


def identifiers(benign: np.ndarray) -> frozenset[int]:
    """Identifiers that a car sends: those of three or more of its benign frames, whose identifiers are `benign` u32[n]."""
    ids, counts = np.unique(benign, return_counts=True)
    return frozenset(ids[counts >= _OWN_FRAMES].tolist())


def relation(a: frozenset[int], b: frozenset[int]) -> Relation:
    """Say whether two sets of identifiers are those of one car, of two on one platform, or of others."""
    shared = len(a & b) / max(len(a | b), 1)
    return "same" if shared >= SAME_CAR else "sister" if shared >= SISTER_CAR else "other"


@dataclass(frozen=True)
class Training:
    """What a model was trained on.

    Attributes:
        vehicles: car → identifiers it sends.
        attacks: kinds.
    """

    vehicles: Mapping[str, frozenset[int]]
    attacks: frozenset[str]

    @staticmethod
    def of(captures: Iterable[tuple[Capture, frozenset[int]]]) -> Training:
        """Join training captures and the identifiers that each shows."""
        vehicles: dict[str, frozenset[int]] = {}
        attacks = set()
        for capture, sent in captures:
            vehicles[capture.vehicle] = vehicles.get(capture.vehicle, frozenset()) | sent
            attacks.add(capture.attack)
        return Training(vehicles, frozenset(attacks))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"vehicles": {car: sorted(ids) for car, ids in self.vehicles.items()}, "attacks": sorted(self.attacks)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Training:
        """The reverse of `to_dict`."""
        cars = {car: frozenset(ids) for car, ids in values["vehicles"].items()}
        return Training(cars, frozenset(values["attacks"]))

    def cars(self, sent: frozenset[int], kind: Relation) -> list[str]:
        """Name the cars in such a relation to one that sends the identifiers `sent`."""
        return sorted(car for car, own in self.vehicles.items() if relation(sent, own) == kind)

    def columns(self, capture: Capture, sent: frozenset[int]) -> dict[str, bool | str]:
        """Columns of the table `datasets`: whether car and attack are known, and which training cars are sisters."""
        return {
            "known_vehicle": bool(self.cars(sent, "same")),
            "known_attack": capture.attack in self.attacks,
            "sisters": ", ".join(self.cars(sent, "sister")),
        }


def sequence(frames: Frames) -> np.ndarray:
    """Number each frame by its identifier and payload alone, u64[n]; times, lengths and labels do not count."""
    words = np.ascontiguousarray(frames.payload).reshape(-1).view("<u8")
    mixed = (words ^ (frames.id.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xD6E8FEB86659FD93)
    return mixed ^ (mixed >> np.uint64(32))


def contains(longer: np.ndarray, shorter: np.ndarray) -> bool:
    """Say whether `shorter` u64[m] is what is left of `longer` u64[n] without some of its frames. One pass."""
    if len(shorter) > len(longer) or not all((longer == frame).any() for frame in shorter[:_FIRST]):
        return False
    rest = iter(longer.tolist())
    return all(frame in rest for frame in shorter.tolist())


def once(
    captures: Sequence[Capture], against: Sequence[Capture], on_bad_rows: OnBadRows = "raise", *, whole: bool = False
) -> list[Capture]:
    """Fill in `duplicate_of` for captures whose content another one has: the same frames, or those and forged ones.

    Of two that stand in `captures`, the longer one stays.

    Args:
        captures: to be marked; what is marked already is left alone.
        against: captures that come before them, such as the training captures.
        on_bad_rows: as in `kdgat.captures.read`.
        whole: two that stand in `captures` are twins only if neither has frames that the other lacks: beside an attack-free
            recording, the same with forged frames is another test.

    Raises:
        CaptureError: as `kdgat.captures.read` does.
    """
    numbers = {
        c.name: sequence(Frames.from_table(c.frames(on_bad_rows))) for c in (*against, *captures) if not c.duplicate_of
    }
    kept = [c.name for c in against if not c.duplicate_of]
    before = set(kept)
    twins: dict[str, str] = {}
    for name in sorted((c.name for c in captures if not c.duplicate_of), key=lambda name: -len(numbers[name])):
        for other in kept:
            longer, shorter = sorted((numbers[name], numbers[other]), key=len, reverse=True)
            if whole and other not in before and len(longer) != len(shorter):
                continue
            if contains(longer, shorter):
                twins[name] = other
                break
        else:
            kept.append(name)
    return [replace(c, duplicate_of=twins.get(c.name, c.duplicate_of)) for c in captures]
