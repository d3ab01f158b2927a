"""Attacks on a stretch of traffic: what is injected, dropped or replaced, labelled frame by frame.

Kinds follow HCRL Car-Hacking and Survival Analysis (DoS, fuzzing, malfunction), can-train-and-test (systematic,
standstill, interval, suppress, masquerade) and plain replay (HCRL: Song et al. 2020, Han et al. 2018; can-train-and-test:
Lampe & Meng 2024). An attack works on [begin, end) and leaves all else untouched.

Every kind is a function of the same five: `frames`, traffic in bus order; `begin` and `end` (s, of the frames' own clock);
`gap`, the mean time between injected frames (s), which kinds that are bound to a victim's rate ignore; `rng`, the source of
every random choice. Those of `INJECTIONS` return the injected frames alone, labelled 1, the others all frames in bus order;
`inject` applies any kind by its name. Those that change or silence genuine frames, and those that evade detectors, stand in
`kdgat.synthetic.forging`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.synthetic.wire import queue

#: time of one bit at 500 kbit/s without stuffing (s): the least that frames on one bus can be apart
BIT_TIME = 2e-6
#: wire time of a frame of 8 bytes (s)
FRAME_TIME = 111 * BIT_TIME


def _times(begin: float, end: float, gap: float, rng: np.random.Generator) -> np.ndarray:
    """Injection times with the mean gap (s) and 10 % independent jitter."""
    n = max(int((end - begin) / gap), 1)
    return np.clip(begin + (np.arange(n) + rng.normal(0, 0.1, n)) * gap, begin, end)


def _inside(frames: Frames, begin: float, end: float) -> np.ndarray:
    return (frames.timestamp >= begin) & (frames.timestamp < end)


def _target(frames: Frames, rng: np.random.Generator) -> tuple[int, np.ndarray]:
    """A periodic ID to impersonate, and the positions of its frames. IDs that are rarely sent make no target."""
    ids, counts = np.unique(frames.id, return_counts=True)
    busy = ids[counts >= min(np.median(counts), 8)]
    target = int(rng.choice(busy))
    return target, np.flatnonzero(frames.id == target)


def _inject(frames: Frames, injected: Frames) -> Frames:
    """Both on one bus: what collides waits; frames that were alone keep their time."""
    merged = Frames.concat([frames, injected])
    return queue(merged.take(np.argsort(merged.timestamp, kind="stable")), BIT_TIME)


def dos(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """Flood of the highest priority; what is sent meanwhile comes late."""
    times = _times(begin, end, gap, rng)
    return Frames.of(times, 0, 8, np.zeros((len(times), 8)), 1)


def dos_starving(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """Flood that leaves no room: lower priorities lose most of their frames while it lasts, and all frames queue."""
    del gap
    times = _times(begin, end, FRAME_TIME * 1.1, rng)
    starved = _inside(frames, begin, end) & (rng.random(len(frames)) < 0.8)
    injected = Frames.of(times, int(rng.integers(0, 4)), 8, rng.integers(0, 256, (1, 8)).repeat(len(times), 0), 1)
    return _inject(frames.take(~starved), injected)


def fuzzing(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """Random IDs, lengths and payloads."""
    times = _times(begin, end, gap, rng)
    n = len(times)
    dlc = rng.integers(0, 9, n) if rng.random() < 0.5 else np.full(n, 8)
    return Frames.of(times, rng.integers(0, 0x800, n), dlc, rng.integers(0, 256, (n, 8)), 1)


def payload_fuzzing(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """The vehicle's own IDs with random payloads."""
    times = _times(begin, end, gap, rng)
    source = rng.integers(0, len(frames), len(times))
    payload = rng.integers(0, 256, (len(times), 8))
    return Frames.of(times, frames.id[source], frames.dlc[source], payload, 1)


def spoofing(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """One ID of the vehicle with one made-up payload at a high rate (HCRL gear and RPM spoofing)."""
    target, own = _target(frames, rng)
    times = _times(begin, end, gap, rng)
    payload = np.tile(frames.payload[own[0]], (len(times), 1))
    changed = rng.random(8) < 0.6
    payload[:, changed] = rng.integers(0, 256, int(changed.sum()))
    return Frames.of(times, target, frames.dlc[own[0]], payload, 1)


def spoofing_slow(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """`spoofing` at about the target's own rate: one forged frame for each genuine one."""
    del gap
    target, own = _target(frames, rng)
    inside = own[_inside(frames, begin, end)[own]]
    if len(inside) == 0:
        return Frames.empty(0)
    payload = np.tile(frames.payload[own[0]], (len(inside), 1))
    payload[:, rng.integers(0, max(int(frames.dlc[own[0]]), 1))] = rng.integers(0, 256)
    times = frames.timestamp[inside] + 0.5e-3  # right behind the genuine frame, so that receivers keep the forged value
    return Frames.of(times, target, frames.dlc[inside], payload, 1)


def malfunction(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """One ID with payloads that jump between values (HCRL Survival Analysis: an ECU made to misbehave)."""
    target, own = _target(frames, rng)
    times = _times(begin, end, gap, rng)
    values = rng.integers(0, 256, (int(rng.integers(1, 5)), 8))
    payload = values[rng.integers(0, len(values), len(times))]
    return Frames.of(times, target, frames.dlc[own[0]], payload, 1)


def systematic(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """IDs swept in order, payloads counting up."""
    times = _times(begin, end, gap, rng)
    n = len(times)
    sweep = (int(rng.integers(0, 0x800)) + np.arange(n) // int(rng.integers(1, 9))) % 0x800
    counting = (np.arange(n)[:, None] * np.array([1, 0, 0, 0, 0, 0, 0, 0])) % 256
    return Frames.of(times, sweep, 8, counting, 1)


def replay(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """An earlier stretch sent again, compressed to the asked rate."""
    n = max(int((end - begin) / gap), 1)
    first = int(rng.integers(0, max(len(frames) - n, 1)))
    old = frames.take(np.arange(first, min(first + n, len(frames))))
    times = np.linspace(begin, end, len(old), endpoint=False)
    return Frames(times, old.id, old.dlc, old.payload, np.ones(len(old), np.uint8))


def interval(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """`spoofing` in bursts: on for 50–200 ms, off as long."""
    burst = float(rng.uniform(0.05, 0.2))
    forged = _inject(frames, spoofing(frames, begin, end, gap, rng))
    keep = (forged.label == 0) | ((forged.timestamp - begin) % (2 * burst) < burst)
    return forged.take(keep)


def standstill(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """One ID overwritten: each genuine frame is followed at once by one with all bytes zero."""
    del gap
    target, own = _target(frames, rng)
    inside = own[_inside(frames, begin, end)[own]]
    times = frames.timestamp[inside] + FRAME_TIME
    return Frames.of(times, target, frames.dlc[inside], np.zeros((len(inside), 8)), 1)


def masquerade(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """The sender is silenced and its frames are sent by another, with another clock and some bytes forged."""
    del gap
    return _masquerade(frames, begin, end, rng, timed=False)


def masquerade_timed(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """`masquerade` at exactly the sender's times: invisible to timing."""
    del gap
    return _masquerade(frames, begin, end, rng, timed=True)


def _masquerade(frames: Frames, begin: float, end: float, rng: np.random.Generator, *, timed: bool) -> Frames:
    _, own = _target(frames, rng)
    inside = own[_inside(frames, begin, end)[own]]
    if len(inside) == 0:
        return frames
    payload, label, times = frames.payload.copy(), frames.label.copy(), frames.timestamp.copy()
    forged = rng.integers(0, max(int(frames.dlc[inside[0]]), 1))
    payload[inside, forged] = int(rng.choice(frames.payload[own, forged]))  # a value that this byte does take
    label[inside] = 1
    if not timed and len(inside) > 1:
        pace = float(np.median(np.diff(times[inside])))
        times[inside] = np.clip(times[inside] + rng.normal(0, 0.1 * pace, len(inside)), begin, end)
    order = np.argsort(times, kind="stable")
    return Frames(times, frames.id, frames.dlc, payload, label).take(order)


def suppress(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """One ID falls silent. No frame is injected, so no frame is labelled: judge it against [begin, end)."""
    del gap
    _, own = _target(frames, rng)
    keep = np.ones(len(frames), bool)
    keep[own[_inside(frames, begin, end)[own]]] = False
    return frames.take(keep)


Attack = Callable[[Frames, float, float, float, np.random.Generator], Frames]

#: kinds that add frames and leave the genuine ones alone
INJECTIONS: dict[str, Attack] = {
    "dos": dos,
    "fuzzing": fuzzing,
    "payload_fuzzing": payload_fuzzing,
    "spoofing": spoofing,
    "spoofing_slow": spoofing_slow,
    "malfunction": malfunction,
    "systematic": systematic,
    "replay": replay,
    "standstill": standstill,
}


def _on_the_bus(injection: Attack) -> Attack:
    """Make an attack on all frames of an injection."""

    def attack(frames: Frames, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
        injected = injection(frames, begin, end, gap, rng)
        return _inject(frames, injected) if len(injected) else frames

    return attack


ATTACKS: dict[str, Attack] = {
    **{kind: _on_the_bus(injection) for kind, injection in INJECTIONS.items()},
    "dos_starving": dos_starving,
    "interval": interval,
    "masquerade": masquerade,
    "masquerade_timed": masquerade_timed,
    "suppress": suppress,
}

#: kinds that leave no label; judged against their intervals
UNLABELLED = ("suppress",)


def inject(
    frames: Frames, kind: str, intervals: list[tuple[float, float]], gap: float, rng: np.random.Generator
) -> Frames:
    """`frames` with the attack in every interval (s, from the frames' own clock).

    Args:
        frames: traffic in bus order.
        kind: one of `ATTACKS`; KeyError otherwise.
        intervals: [begin, end) each.
        gap: mean time between injected frames (s); kinds bound to a victim's rate ignore it.
        rng: source of every random choice.
    """
    for begin, end in intervals:
        frames = ATTACKS[kind](frames, begin, end, gap, rng)
    return frames
