"""Virtual drives: whole trips of virtual cars with several attacks each, of which some windows are trained on.

A model whose features carry state through a recording must be trained on recordings: on a bus that is still unknown, on one
that has been listened to for a minute, and on what an attack leaves behind. Nothing here looks at a capture outside the
training folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.config import Augmentation
from kdgat.graphs.splits import starts
from kdgat.synthetic.forging import EVADERS, PLAIN, Strike, forge
from kdgat.synthetic.trips import Car, log_uniform, send

#: length of an attack (s); with the gaps of the configuration, from a flood to one forged frame
LENGTHS = (0.05, 8.0)
#: mean gap between forged frames (s) of attacks that are to leave no room on the bus
FLOODS, FLOOD_GAPS = ("dos", "flood"), (0.2e-3, 10e-3)
#: share of drives that are cut from training captures, where there are any
CUT = 0.25
#: length of the trip that a profile comes from (s)
PROFILE_SECONDS = (10.0, 40.0)
#: share of those trips that begin on a bus that runs: most recordings do
_RUNNING = 0.7
#: how much more often than others an attack comes that adds no frame: there are fewer kinds of those
_OFTEN = {"payload_replaced": 3.0, "masquerade_timed": 2.0}
#: least share of drawn windows whose state is younger than so long (s)
YOUNG_SHARE, YOUNG = 0.1, 5.0
#: benign windows this near to an attack are not drawn (s): what it leaves behind is neither benign nor labelled
SPILL_OVER = 1.0
#: shortest stretch of a capture that a drive is cut from, and pauses between stretches (s): the bus is off, and starts anew
_STRETCH, _PAUSES = 2.0, (1.5, 5.0)
#: time of a bit for drives cut from captures, whose time may be compressed (s)
_CUT_BIT_TIME = 1.2e-6


class Driven(Protocol):
    """What makes trips: a drawn car, or one cut from captures."""

    @property
    def bit_time(self) -> float:
        """Time of a bit on its bus (s)."""
        ...

    def trip(self, seconds: float, rng: np.random.Generator, *, running: bool = False) -> Frames:
        """Benign traffic from t = 0, in bus order."""
        ...


@dataclass(frozen=True)
class CutCar:
    """A car cut from stretches of training captures: other identifiers, some left out, bytes permuted, another pace.

    Attributes:
        stretches: contiguous benign traffic of one real car.
        ids: the car's identifiers, u32[m], ascending.
        named: what they are called now, u32[m]; kept: which are sent, bool[m].
        byte: i64[m, 8], which byte stands where.
        pace: by which times are stretched.
    """

    stretches: Sequence[Frames]
    ids: np.ndarray
    named: np.ndarray
    kept: np.ndarray
    byte: np.ndarray
    pace: float
    bit_time: float = _CUT_BIT_TIME

    @staticmethod
    def draw(stretches: Sequence[Frames], rng: np.random.Generator) -> CutCar:
        """Draw what becomes of a real car's stretches."""
        ids, code = np.unique(np.concatenate([s.id for s in stretches]), return_inverse=True)
        dlc = np.zeros(len(ids), np.uint8)
        np.maximum.at(dlc, code, np.concatenate([s.dlc for s in stretches]))  # padding stays padding
        byte = np.argsort(rng.random((len(ids), 8)) + (np.arange(8) >= dlc[:, None]), axis=1)
        named = np.sort(rng.choice(np.arange(1, 0x7FF), len(ids), replace=False)).astype(np.uint32)
        kept = rng.random(len(ids)) < rng.uniform(0.5, 1.0)
        return CutCar(stretches, ids, rng.permutation(named), kept | ~kept.any(), byte, float(rng.uniform(0.6, 1.7)))

    def trip(self, seconds: float, rng: np.random.Generator, *, running: bool = False) -> Frames:
        """Stretches in random order, with the bus off between two of them, cut to `seconds`; they run as they are."""
        del running
        parts: list[Frames] = []
        now = 0.0
        while now < seconds:
            for s in (self.stretches[i] for i in rng.permutation(len(self.stretches))):
                code = np.searchsorted(self.ids, s.id)
                s = replace(s, timestamp=now + (s.timestamp - s.timestamp[0]) * self.pace, id=self.named[code])
                s = replace(s, payload=np.take_along_axis(s.payload, self.byte[code], axis=1))
                parts.append(s.take(self.kept[code] & (s.timestamp < seconds)))
                now = float(s.timestamp[-1]) + rng.uniform(*_PAUSES)
                if now >= seconds:
                    break
        return send(Frames.concat(parts), self.bit_time)


@dataclass(frozen=True)
class Drive:
    """A drive and what is trained on of it.

    Attributes:
        name: unique within a training.
        frames: the whole drive, forged frames labelled 1; state starts empty with its first frame.
        begins: first frames of the drawn windows, i64[B], ascending.
        profile: another trip of the same car, benign or attacked; None: the car is not known.
        strikes: the attacks.
    """

    name: str
    frames: Frames
    begins: np.ndarray
    profile: Frames | None
    strikes: tuple[Strike, ...]


def drive(
    number: int,
    benign: Mapping[str, Sequence[Frames]],
    augmentation: Augmentation,
    size: int,
    rng: np.random.Generator,
    kinds: Sequence[str] = (),
    cut: float = CUT,
) -> Drive:
    """Draw one drive.

    Args:
        number: goes into the name.
        benign: real car → contiguous stretches of its benign training traffic.
        augmentation: settings.
        size: frames in a window.
        rng: source of every random choice.
        kinds: attacks to choose from; none: all, `augmentation.evaders` of them by attackers who know the detector.
        cut: probability that the car is one cut from `benign`, where it holds any.
    """
    cars = {car: long for car, all in benign.items() if (long := [s for s in all if _seconds(s) >= _STRETCH])}
    stretches = list(cars.values())[int(rng.integers(len(cars)))] if cars and rng.random() < cut else []
    halves = (stretches[::2], stretches[1::2] or stretches)  # a trip and the profile's trip are not the same traffic
    car: Driven = CutCar.draw(stretches, rng) if stretches else Car.draw(rng, augmentation)
    trips = [replace(car, stretches=half) if isinstance(car, CutCar) else car for half in halves]
    seconds = float(rng.uniform(*augmentation.seconds))
    benign_frames = trips[0].trip(seconds, rng)
    strikes = strikes_of(seconds, augmentation, kinds, rng)
    frames = forge(benign_frames, strikes, car.bit_time, rng)
    begins = drawn(frames, strikes, augmentation, size, rng)
    known = ("clean", "none", "contaminated")[int(rng.choice(3, p=augmentation.profiles))]
    profile = None
    if known != "none":
        length = float(rng.uniform(*PROFILE_SECONDS))
        profile = trips[1].trip(length, rng, running=bool(rng.random() < _RUNNING))
        if known == "contaminated":
            begin = float(rng.uniform(0, length))
            strike = replace(strikes_of(length, augmentation, kinds, rng)[0], begin=begin, end=begin + length / 2)
            profile = forge(profile, [strike], car.bit_time, rng)
    return Drive(f"virtual-{number:04d}", frames, begins, profile, tuple(strikes))


def strikes_of(
    seconds: float, augmentation: Augmentation, kinds: Sequence[str], rng: np.random.Generator
) -> list[Strike]:
    """Draw the attacks of a drive of `seconds` s, one after the other; at least one."""
    n = int(rng.integers(augmentation.strikes[0], augmentation.strikes[1] + 1))
    slot = seconds / n
    strikes = []
    for k in range(n):
        evades = rng.random() < augmentation.evaders
        among = kinds or tuple(EVADERS if evades else PLAIN)
        often = np.array([_OFTEN.get(kind, 1.0) for kind in among])
        kind = str(rng.choice(among, p=often / often.sum()))
        length = min(float(log_uniform(LENGTHS, rng)), 0.7 * slot)
        begin = k * slot + float(rng.uniform(0, slot - length))
        # a doubled identifier stays so: not before the drive has some calm behind it
        begin = max(begin, seconds * float(rng.uniform(0.6, 0.9))) if kind == "evade_doubled" else begin
        gap = float(log_uniform(FLOOD_GAPS if kind in FLOODS else augmentation.gaps, rng))
        strikes.append(Strike(kind, begin, begin + length, gap))
    return strikes


def drawn(
    frames: Frames, strikes: Sequence[Strike], augmentation: Augmentation, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw windows of a drive: their first frames, i64[B], ascending; no frame is in two of them.

    At most `augmentation.attacked` of them are attacked, each attack as often as another whatever it lasts; benign windows
    within `SPILL_OVER` of a forged frame, or of an identifier's suppression, are left out; a tenth or more has a state
    younger than `YOUNG`, as far as the drive has such windows.
    """
    if len(frames) < 2 * size:
        return np.empty(0, np.int64)
    begins = starts(len(frames), size, size, int(rng.integers(0, size)))
    begins = begins[~spilled_over(frames, begins, size, strikes)]
    last = frames.timestamp[begins + size - 1]
    attacked = _attacked(frames, begins, size)
    # which attack a window belongs to: the last one that had begun
    number = np.searchsorted(np.sort([s.begin for s in strikes]), last, "right")
    weight = np.where(attacked, 1 / np.bincount(number[attacked], minlength=len(strikes) + 1).clip(1)[number], 1.0)
    # a weighted draw without replacement (Efraimidis & Spirakis 2006)
    priority = rng.random(len(begins)) ** (1 / weight)
    n = int(rng.integers(augmentation.drawn[0], augmentation.drawn[1] + 1))
    young = np.flatnonzero(last - frames.timestamp[0] < YOUNG)
    quota = young[np.lexsort((-priority[young], attacked[young]))][: int(np.ceil(YOUNG_SHARE * n))]
    priority[quota] += 1
    share = augmentation.attacked
    most = int(share * n)
    n_benign = min(int((~attacked).sum()), n - min(most, int(attacked.sum())))
    n_attacked = min(most, int(attacked.sum()), int(n_benign * share / (1 - share)) if share < 1 else most)
    chosen = [
        which[np.argsort(-priority[which], kind="stable")[:count]]
        for which, count in ((np.flatnonzero(attacked), n_attacked), (np.flatnonzero(~attacked), n_benign))
    ]
    return np.sort(begins[np.concatenate(chosen)])


def spilled_over(frames: Frames, begins: np.ndarray, size: int, strikes: Sequence[Strike] = ()) -> np.ndarray:
    """Which windows hold no forged frame but lie within `SPILL_OVER` of what an attacker did, bool[B].

    Args:
        frames: a recording.
        begins: first frames of its windows, i64[B]; size: frames in each.
        strikes: attacks on it, for those that no label tells of.
    """
    first, last = frames.timestamp[begins], frames.timestamp[begins + size - 1]
    near = near_attacks(frames, begins, size)
    for s in strikes:
        if s.kind == "suppress":
            near |= (last >= s.begin) & (first <= s.end + SPILL_OVER)
    return near & ~_attacked(frames, begins, size)


def near_attacks(frames: Frames, begins: np.ndarray, size: int) -> np.ndarray:
    """Which windows lie within `SPILL_OVER` of a forged frame or hold one, bool[B]; arguments as of `spilled_over`."""
    first, last = frames.timestamp[begins], frames.timestamp[begins + size - 1]
    forged = np.sort(frames.timestamp[frames.label == 1])
    return np.searchsorted(forged, last + SPILL_OVER, "right") > np.searchsorted(forged, first - SPILL_OVER, "left")


def _attacked(frames: Frames, begins: np.ndarray, size: int) -> np.ndarray:
    """Which windows hold a forged frame, bool[B]."""
    forged = np.concatenate([[0], np.cumsum(frames.label, dtype=np.int64)])
    return forged[begins + size] > forged[begins]


def _seconds(frames: Frames) -> float:
    return float(frames.timestamp[-1] - frames.timestamp[0]) if len(frames) else 0.0
