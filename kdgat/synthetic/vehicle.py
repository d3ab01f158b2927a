"""Vehicles: which IDs they send, when, and what the bytes mean."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.synthetic.wire import transmit

#: kinds of payload bytes
KINDS = ("constant", "enum", "physical", "counter", "checksum", "noise")


@dataclass(frozen=True)
class Ranges:
    """From what a vehicle is drawn; every pair is (low, high), inclusive.

    Attributes:
        ids: distinct CAN IDs.
        periods: cycle times an ID may have (s).
        period_weights: how often each is drawn.
        rate: frames a second on the whole bus; the periods are scaled to meet it. None: they stay as drawn.
        shortest: no period is shorter than this after scaling (s), though the rate then falls short.
        full_dlc: share of IDs that send 8 bytes; the others draw 1–8.
        kinds: share of payload bytes of each of `KINDS`.
        delay: scale of the independent delay of a frame behind its schedule, as a share of its period.
        bit_time: time of one bit on the wire, stuffing included (s).
        event_share: share of IDs that are sent at random times instead of periodically.
        bursts: share of IDs whose frames come a few at once, as segmented messages (ISO 15765-2) and the repeated
            transmission of a changed signal (AUTOSAR COM, n-times mode) do; their rate stays what it was.
        blank: share of constant and enumerated bytes that start from 0x00 (one in ten of them from 0xFF), as unused bits do.
        jitter: scale of a vehicle's independent delays (s), log-uniform, within a factor of e from ID to ID and no more
            than `delay` of the period. None: `delay` of the period.
        concentration: of the Dirichlet distributions around `period_weights` and `kinds` that a vehicle's own weights
            come from; 0 gives every vehicle the same, so that one of many IDs has the mean mixture of slow and fast ones.
        offsets: senders of a vehicle. IDs of one sender and period are due together and so follow each other on the
            wire; 0 gives each ID a phase of its own.
    """

    ids: tuple[int, int]
    periods: tuple[float, ...]
    period_weights: tuple[float, ...]
    rate: tuple[float, float] | None
    full_dlc: tuple[float, float]
    kinds: tuple[float, ...]
    delay: tuple[float, float]
    bit_time: tuple[float, float]
    event_share: tuple[float, float]
    shortest: float = 0.0
    bursts: tuple[float, float] = (0.0, 0.0)
    blank: tuple[float, float] = (0.0, 0.0)
    jitter: tuple[float, float] | None = None
    concentration: float = 0.0
    offsets: tuple[int, int] = (0, 0)


#: frames of a burst, and the time between two of them (s), from and to
BURST_FRAMES, BURST_SPACING = (2, 4), (0.3e-3, 5e-3)


@dataclass(frozen=True)
class Vehicle:
    """A drawn vehicle.

    Attributes:
        id: u32[m], ascending.
        period: f64[m], s.
        phase: f64[m], s.
        event: bool[m], sent at random times.
        dlc: u8[m].
        kind: u8[m, 8], index into `KINDS`.
        base: u8[m, 8], value of a constant, offset of the others.
        burst: u8[m], frames that are sent at once.
        spacing: f64[m], time between the frames of a burst (s).
        delay: f64[m], scale of a frame's delay (s).
        bit_time: s.
    """

    id: np.ndarray
    period: np.ndarray
    phase: np.ndarray
    event: np.ndarray
    dlc: np.ndarray
    kind: np.ndarray
    base: np.ndarray
    burst: np.ndarray
    spacing: np.ndarray
    delay: np.ndarray
    bit_time: float

    @staticmethod
    def draw(ranges: Ranges, rng: np.random.Generator) -> Vehicle:
        """A random vehicle."""
        m = int(rng.integers(ranges.ids[0], ranges.ids[1] + 1))

        def own(weights: tuple[float, ...]) -> np.ndarray:
            share = np.asarray(weights, float) / sum(weights)
            return rng.dirichlet(ranges.concentration * share) if ranges.concentration > 0 else share

        period = rng.choice(ranges.periods, m, p=own(ranges.period_weights))
        if ranges.rate is not None:
            period = period * ((1 / period).sum() / rng.uniform(*ranges.rate))
            period = np.maximum(period, ranges.shortest)
        full = rng.random(m) < rng.uniform(*ranges.full_dlc)
        vehicle = Vehicle(
            id=np.sort(rng.choice(np.arange(1, 0x7FF), m, replace=False)).astype(np.uint32),
            period=period,
            phase=rng.random(m) * period,
            event=rng.random(m) < rng.uniform(*ranges.event_share),
            dlc=np.where(full, 8, rng.integers(1, 9, m)).astype(np.uint8),
            kind=rng.choice(len(KINDS), (m, 8), p=own(ranges.kinds)).astype(np.uint8),
            base=rng.integers(0, 256, (m, 8)).astype(np.uint8),
            burst=np.ones(m, np.uint8),
            spacing=np.zeros(m),
            delay=rng.uniform(*ranges.delay) * period,
            bit_time=float(rng.uniform(*ranges.bit_time)),
        )
        # drawn last and only where asked for, so that vehicles without these are what they were
        if ranges.bursts[1] > 0:
            chosen = rng.random(m) < rng.uniform(*ranges.bursts)
            burst = np.where(chosen, rng.integers(BURST_FRAMES[0], BURST_FRAMES[1] + 1, m), 1).astype(np.uint8)
            low, high = np.log(BURST_SPACING)
            vehicle = replace(vehicle, burst=burst, spacing=np.exp(rng.uniform(low, high, m)))
        if ranges.blank[1] > 0:
            still = np.isin(vehicle.kind, [KINDS.index("constant"), KINDS.index("enum")])
            blank = still & (rng.random((m, 8)) < rng.uniform(*ranges.blank))
            filler = np.where(rng.random((m, 8)) < 0.1, 255, 0).astype(np.uint8)
            vehicle = replace(vehicle, base=np.where(blank, filler, vehicle.base))
        if ranges.jitter is not None:
            jitter = np.exp(rng.uniform(*np.log(ranges.jitter)) + rng.uniform(-1, 1, m))
            vehicle = replace(vehicle, delay=np.minimum(jitter, vehicle.delay))
        if ranges.offsets[1] > 0:
            offset = rng.random(int(rng.integers(ranges.offsets[0], ranges.offsets[1] + 1)))
            vehicle = replace(vehicle, phase=rng.choice(offset, m) * vehicle.period)
        return vehicle

    def drive(self, seconds: float, rng: np.random.Generator) -> Frames:
        """Benign traffic of `seconds` s, from t = 0.

        A frame's due time is its slot in a fixed schedule plus an independent delay, so that gaps within an ID have the
        lag-1 autocorrelation of about −0.5 that real buses show; accumulating jitter would not.
        """
        counts = np.maximum(np.floor((seconds - self.phase) / self.period), 0).astype(np.int64)
        owner = np.repeat(np.arange(len(self.id)), counts)
        slot = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        period = self.period[owner]
        due = self.phase[owner] + slot * period + rng.exponential(self.delay[owner])
        due = np.where(self.event[owner], rng.random(len(owner)) * seconds, due)
        within = slot % self.burst[owner]  # a burst follows its first frame
        due = due[np.arange(len(owner)) - within] + within * self.spacing[owner]
        payload = np.empty((len(owner), 8), np.uint8)
        stop = np.cumsum(counts)
        for i, (first, last) in enumerate(zip(stop - counts, stop, strict=True)):
            payload[first:last] = self._payload(i, int(last - first), rng)
        frames = Frames.of(due, self.id[owner], self.dlc[owner], payload, 0)
        return transmit(frames.take(frames.timestamp < seconds), self.bit_time)

    def _payload(self, i: int, n: int, rng: np.random.Generator) -> np.ndarray:
        """n consecutive payloads of ID number i, u8[n, 8]."""
        out = np.empty((n, 8), np.uint8)
        out[:] = self.base[i]
        for byte in np.flatnonzero(self.kind[i][: self.dlc[i]]):
            kind, base = KINDS[self.kind[i, byte]], int(self.base[i, byte])
            if kind == "enum":
                # a handful of states that change rarely
                switches = np.cumsum(rng.random(n) < 0.02)
                out[:, byte] = base ^ (1 << (switches % 3))
            elif kind == "physical":
                out[:, byte] = base + np.cumsum(rng.normal(0, 0.7, n)).astype(np.int64)
            elif kind == "counter":
                modulus = (256, 16, 4)[base % 3]
                out[:, byte] = (base & 0xF0 if modulus < 256 else 0) + np.arange(base, base + n) % modulus
            elif kind == "noise":
                out[:, byte] = rng.integers(0, 256, n)
        for byte in np.flatnonzero(self.kind[i][: self.dlc[i]] == KINDS.index("checksum")):
            others = np.arange(8) != byte
            out[:, byte] = np.bitwise_xor.reduce(out[:, others & (np.arange(8) < self.dlc[i])], axis=1)
        return out
