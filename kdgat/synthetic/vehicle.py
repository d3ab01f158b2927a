"""Vehicles: which IDs they send, when, and what the bytes mean."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kdgat.synthetic.frames import Frames, transmit

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
        delay: scale of a frame's delay, share of its period.
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
    delay: float
    bit_time: float

    @staticmethod
    def draw(ranges: Ranges, rng: np.random.Generator) -> Vehicle:
        """A random vehicle."""
        m = int(rng.integers(ranges.ids[0], ranges.ids[1] + 1))
        weights = np.asarray(ranges.period_weights)
        period = rng.choice(ranges.periods, m, p=weights / weights.sum())
        if ranges.rate is not None:
            period = period * ((1 / period).sum() / rng.uniform(*ranges.rate))
            period = np.maximum(period, ranges.shortest)
        full = rng.random(m) < rng.uniform(*ranges.full_dlc)
        kinds = np.asarray(ranges.kinds)
        vehicle = Vehicle(
            id=np.sort(rng.choice(np.arange(1, 0x7FF), m, replace=False)).astype(np.uint32),
            period=period,
            phase=rng.random(m) * period,
            event=rng.random(m) < rng.uniform(*ranges.event_share),
            dlc=np.where(full, 8, rng.integers(1, 9, m)).astype(np.uint8),
            kind=rng.choice(len(KINDS), (m, 8), p=kinds / kinds.sum()).astype(np.uint8),
            base=rng.integers(0, 256, (m, 8)).astype(np.uint8),
            burst=np.ones(m, np.uint8),
            spacing=np.zeros(m),
            delay=float(rng.uniform(*ranges.delay)),
            bit_time=float(rng.uniform(*ranges.bit_time)),
        )
        if ranges.bursts[1] <= 0:
            return vehicle
        # drawn last, so that vehicles without bursts are what they were
        chosen = rng.random(m) < rng.uniform(*ranges.bursts)
        burst = np.where(chosen, rng.integers(BURST_FRAMES[0], BURST_FRAMES[1] + 1, m), 1).astype(np.uint8)
        low, high = np.log(BURST_SPACING)
        return replace(vehicle, burst=burst, spacing=np.exp(rng.uniform(low, high, m)))

    def drive(self, seconds: float, rng: np.random.Generator) -> Frames:
        """Benign traffic of `seconds` s, from t = 0.

        A frame's due time is its slot in a fixed schedule plus an independent delay, so that gaps within an ID have the
        lag-1 autocorrelation of about −0.5 that real buses show; accumulating jitter would not.
        """
        counts = np.maximum(np.floor((seconds - self.phase) / self.period), 0).astype(np.int64)
        owner = np.repeat(np.arange(len(self.id)), counts)
        slot = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        period = self.period[owner]
        due = self.phase[owner] + slot * period + rng.exponential(self.delay, len(owner)) * period
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
