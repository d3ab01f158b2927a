"""Benign trips of virtual cars: a bus that wakes, loses senders and falls silent, as buses do.

A car is drawn once and makes any number of trips; between two of them its phases, its slow values and a few of its
constants differ. Nothing here looks at a capture: the ranges are those of the training cars, widened (see `TRIP_RANGES`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.config import Augmentation
from kdgat.synthetic.vehicle import KINDS, Vehicle
from kdgat.synthetic.virtual import LIFELIKE_RANGES

#: What cars are drawn from, identifiers and bursts apart, which the configuration says: `LIFELIKE_RANGES`, which widen what
#: the training cars (Soul, Sonata) show.
TRIP_RANGES = LIFELIKE_RANGES
#: frames a second on the whole bus, log-uniform: a car in accessory mode to a bus at its limit
TRIP_RATE = (160.0, 4000.0)
#: most of a bus that a car's own traffic takes
_LOAD = 0.85
#: changes a second of an enumerated byte, and diffusion of a physical one per √s, both log-uniform
_CHANGES, _DIFFUSION = (0.02, 2.0), (0.5, 40.0)
#: share of constant bytes that differ from trip to trip
_SWITCHED = 0.03
#: share of trips whose senders started at other times than before
_NEW_PHASES = 0.7
#: of trips that begin parked: share that stays so, and share of the moving bytes that stand still until then
_STAYS, _STILL = 0.5, (0.5, 1.0)
#: longest that a genuine frame waits for the bus before its successor takes its place (s)
PATIENCE = 0.1

#: how a trip begins whose senders wake late: one by one, or a few long before all others
LATE_STARTS = ("ignition", "accessory")
_IGNITION, _ACCESSORY = (0.2, 8.0), (2.0, 20.0)  # s until the last sender is awake
_OUTAGES, _OUTAGE = 1.0, (0.1, 8.0)  # senders that fail in a trip, on average, and for how long (s)
_SILENT, _SILENCE = 0.3, (0.2, 5.0)  # trips in which the whole bus falls silent, and for how long (s)
_HALVINGS = 0.7  # identifiers that are sent at half their rate for a while, on average


@dataclass(frozen=True)
class Car:
    """A virtual car: a vehicle, which of its identifiers one sender sends, and how fast its values change.

    Attributes:
        vehicle: its m identifiers.
        sender: i64[m].
        pace: f64[m, 8], see `kdgat.synthetic.kernels.traffic.payloads`.
        waking: share of its trips on which senders wake late.
        parked: share of its trips that begin with the car parked.
    """

    vehicle: Vehicle
    sender: np.ndarray
    pace: np.ndarray
    waking: float
    parked: float

    @property
    def bit_time(self) -> float:
        """Time of a bit on its bus (s)."""
        return self.vehicle.bit_time

    @staticmethod
    def draw(rng: np.random.Generator, augmentation: Augmentation) -> Car:
        """Draw a car from the ranges of `augmentation`."""
        rate = float(log_uniform(TRIP_RATE, rng))
        vehicle = Vehicle.draw(
            replace(TRIP_RANGES, rate=(rate, rate), ids=augmentation.identifiers, bursts=augmentation.bursts), rng
        )
        load = ((47 + 8.0 * vehicle.dlc) / vehicle.period).sum() * vehicle.bit_time
        stretch = max(load / _LOAD, 1.0)
        vehicle = replace(vehicle, period=vehicle.period * stretch, phase=vehicle.phase * stretch)
        m = len(vehicle.id)
        changes, diffusion = log_uniform(_CHANGES, rng, (m, 8)), log_uniform(_DIFFUSION, rng, (m, 8))
        pace = np.where(vehicle.kind == KINDS.index("enum"), changes, diffusion)
        return Car(vehicle, rng.integers(0, max(m // 6, 2), m), pace, augmentation.waking, augmentation.parked)

    def trip(self, seconds: float, rng: np.random.Generator, *, running: bool = False) -> Frames:
        """Benign traffic of `seconds` s from t = 0, in bus order; with `running`, no sender has yet to wake."""
        from kdgat.synthetic.kernels import traffic  # late: compiled code is loaded when it is needed

        v = self.vehicle
        m = len(v.id)
        first = np.concatenate([[0], np.cumsum(np.ceil(seconds / v.period).astype(np.int64))])
        n = np.diff(first)
        due, seeds = np.empty(first[-1]), rng.integers(1, 2**63, 2).astype(np.uint64)
        phase = rng.random(m) * v.period if rng.random() < _NEW_PHASES else v.phase
        traffic.schedule(first, v.period, phase, v.event, v.delay, v.burst, v.spacing, seeds[0], due)
        number = np.arange(first[-1]) + np.repeat(rng.integers(0, 256, m) - first[:-1], n)
        late = rng.random() < self.waking and not running
        start = LATE_STARTS[int(rng.integers(len(LATE_STARTS)))] if late else "running"
        sent = self._disturb(due, number, first, seconds, start, rng) & (due < seconds)
        due, number, owner = due[sent], number[sent], np.repeat(np.arange(m), n)[sent]
        first = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=m))])
        payload = np.empty((len(due), 8), np.uint8)
        base, still = self._base(rng), self._still(seconds, rng)
        traffic.payloads(due, number, first, v.dlc, v.kind, base, self.pace, still, seeds[1], payload)
        frames = Frames(due, v.id[owner], v.dlc[owner], payload, np.zeros(len(due), np.uint8))
        return send(frames, v.bit_time)

    def _base(self, rng: np.random.Generator) -> np.ndarray:
        """Values that the bytes of a trip start from, u8[m, 8]."""
        v = self.vehicle
        constant = v.kind == KINDS.index("constant")
        moving = (v.kind == KINDS.index("physical")) | (constant & (rng.random(v.kind.shape) < _SWITCHED))
        # bits that decide how a byte moves stay: a trip changes levels, not meanings
        fresh = (rng.integers(0, 64, v.kind.shape) * 4 + v.base % 4).astype(np.uint8)
        return np.where(moving, fresh, v.base).astype(np.uint8)

    def _still(self, seconds: float, rng: np.random.Generator) -> np.ndarray:
        """Until when each byte stands still on a trip, f64[m, 8] (s): half of the parked cars drive off."""
        shape = self.vehicle.kind.shape
        if not self.parked or rng.random() >= self.parked:
            return np.zeros(shape)
        until = seconds if rng.random() < _STAYS else rng.uniform(0, seconds)
        return np.where(rng.random(shape) < rng.uniform(*_STILL), until, 0.0)

    def _disturb(
        self,
        due: np.ndarray,
        number: np.ndarray,
        first: np.ndarray,
        seconds: float,
        start: str,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Silence and restart senders, in place; which frames are sent, bool[n]."""
        sent = np.ones(len(due), bool)
        ids = range(len(self.vehicle.id))
        if start != "running":
            latest = float(log_uniform(_IGNITION if start == "ignition" else _ACCESSORY, rng))
            wake = np.where(rng.random(self.sender.max() + 1) < (0.2 if start == "accessory" else 0.0), 0.0, 1.0)
            wake *= latest * (rng.random(len(wake)) if start == "ignition" else rng.uniform(0.95, 1.0, len(wake)))
            if start == "accessory":
                wake[rng.integers(len(wake))] = 0.0
            for i in ids:
                self._silence(i, 0.0, wake[self.sender[i]], due, number, first, sent, rng)
        for _ in range(rng.poisson(_OUTAGES)):
            begin, length = rng.uniform(0, seconds), float(log_uniform(_OUTAGE, rng))
            for i in np.flatnonzero(self.sender == rng.integers(0, self.sender.max() + 1)).tolist():
                self._silence(i, begin, begin + length, due, number, first, sent, rng)
        if rng.random() < _SILENT:
            begin, length = rng.uniform(0, seconds), float(log_uniform(_SILENCE, rng))
            restarts = rng.random() < 0.5  # else the recorder or the bus failed, and the senders went on
            for i in ids:
                self._silence(i, begin, begin + length, due, number, first, sent, rng if restarts else None)
        for i in rng.choice(len(ids), min(rng.poisson(_HALVINGS), len(ids)), replace=False):
            begin = rng.uniform(0, seconds)
            at = slice(first[i], first[i + 1])
            halved = (
                (due[at] >= begin) & (due[at] < begin + rng.uniform(2, 20)) & (np.arange(at.stop - at.start) % 2 == 1)
            )
            sent[at] &= ~halved
        return sent

    def _silence(
        self,
        i: int,
        begin: float,
        end: float,
        due: np.ndarray,
        number: np.ndarray,
        first: np.ndarray,
        sent: np.ndarray,
        rng: np.random.Generator | None,
    ) -> None:
        """Silence identifier number i in [begin, end); with `rng` it restarts then, with another phase, counting anew."""
        at = slice(first[i], first[i + 1])
        sent[at] &= (due[at] < begin) | (due[at] >= end)
        after = np.flatnonzero(due[at] >= end) + first[i]
        if rng is not None and len(after):
            due[after] += rng.random() * self.vehicle.period[i]
            number[after] -= number[after].min()


def send(frames: Frames, bit_time: float) -> Frames:
    """Put frames, in any order, on one bus at the times they are due: see `kdgat.synthetic.kernels.traffic.arbitrate`."""
    from kdgat.synthetic.kernels import traffic

    waiting = np.argsort(frames.timestamp, kind="stable")
    due, ids, dlc, label = (c[waiting] for c in (frames.timestamp, frames.id, frames.dlc, frames.label))
    order, start = np.empty(len(frames), np.int64), np.empty(len(frames))
    n = traffic.arbitrate(due, ids, dlc, label, bit_time, PATIENCE, order, start)
    order = order[:n]
    words = np.ascontiguousarray(frames.payload).reshape(-1).view("<u8")[waiting[order]]  # faster than row by row
    return Frames(start[:n], ids[order], dlc[order], words.view(np.uint8).reshape(-1, 8), label[order])


def log_uniform(
    bounds: tuple[float, float], rng: np.random.Generator, shape: tuple[int, ...] | None = None
) -> np.ndarray:
    """Draw numbers whose logarithm is uniform between those of `bounds`."""
    low, high = np.log(bounds)
    return np.exp(rng.uniform(low, high, shape))
