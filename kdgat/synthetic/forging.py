"""Attacks that change, silence or shadow genuine frames, and attackers who know the detector.

A scene is a stretch of traffic that several attacks are worked into before it is put on the bus once: injections of
`kdgat.synthetic.attacks`, and the kinds here, which may also change what a scene holds. An evader gives something up to stay
unseen: `given_up` counts what.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.synthetic.attacks import INJECTIONS
from kdgat.synthetic.trips import send

#: how a forged payload is made from the genuine one, see `Scene.forged`
MODES = ("copy", "random", "set", "valid", "frozen", "offset", "drift")


@dataclass(frozen=True)
class Strike:
    """One attack.

    Attributes:
        kind: one of `KINDS`.
        begin, end: s, of the traffic's clock.
        gap: mean time between forged frames (s); kinds that are bound to a victim's rate ignore it.
    """

    kind: str
    begin: float
    end: float
    gap: float


class Scene:
    """Traffic that attackers see and change.

    Attributes:
        frames: n genuine frames in bus order; payloads and labels are changed in place.
        lost: bool[n], frames that are kept from the bus.
    """

    def __init__(self, frames: Frames) -> None:
        """Take `frames`, in bus order, without changing them."""
        self.frames = replace(frames, payload=frames.payload.copy(), label=frames.label.copy())
        self.lost = np.zeros(len(frames), bool)
        order = np.argsort(frames.id, kind="stable")
        ids, first = np.unique(frames.id[order], return_index=True)
        self._own = dict(zip(ids.tolist(), np.split(order, first[1:]), strict=True))

    def victim(self, begin: float, end: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw an identifier with a payload: its frames, and those of them in [begin, end); empty if none is sent then."""
        for i in rng.permutation(len(self._own)):
            own = list(self._own.values())[i]
            inside = own[slice(*np.searchsorted(self.frames.timestamp[own], (begin, end)))]
            if len(inside) and len(own) >= 4 and self.frames.dlc[own[0]]:
                return own, inside
        return np.empty(0, np.int64), np.empty(0, np.int64)

    def forged(self, own: np.ndarray, at: np.ndarray, mode: str, rng: np.random.Generator) -> np.ndarray:
        """Make payloads for the k frames `at` of an identifier with the frames `own`, u8[k, 8].

        - copy: what is sent anyway. random: other values in bytes that change, or in all.
        - set: one byte held at another value. valid: payloads of other times. frozen: the first one, again and again.
        - offset: one byte moved by a constant. drift: one byte moved further from frame to frame.
        """
        payload, dlc = self.frames.payload[at], int(self.frames.dlc[own[0]])
        changing = np.flatnonzero((self.frames.payload[own] != self.frames.payload[own[0]]).any(axis=0)[:dlc])
        byte = int(rng.choice(changing)) if len(changing) else int(rng.integers(0, dlc))
        if mode == "random":
            which = changing if len(changing) and rng.random() < 0.5 else np.arange(dlc)
            payload[:, which] = rng.integers(0, 256, (len(at), len(which)))
        elif mode == "set":
            payload[:, byte] = rng.integers(0, 256)
        elif mode == "valid":
            payload = self.frames.payload[rng.choice(own, len(at))]
        elif mode == "frozen":
            payload[:] = payload[0]
        elif mode == "offset":
            payload[:, byte] += np.uint8(rng.integers(1, 256))
        elif mode == "drift":
            payload[:, byte] += (np.arange(1, len(at) + 1) * rng.uniform(0.2, 4.0)).astype(np.int64).astype(np.uint8)
        if mode != "copy" and np.array_equal(payload, self.frames.payload[at]):
            payload[:, byte] ^= np.uint8(rng.integers(1, 256))  # an attack that changes nothing is none
        return payload

    def beside(self, own: np.ndarray, times: np.ndarray, rng: np.random.Generator, mode: str = "") -> Frames:
        """Frames of the identifier with the frames `own`, sent at `times`; payloads after those that are genuine then."""
        at = own[np.maximum(np.searchsorted(self.frames.timestamp[own], times) - 1, 0)]
        payload = (
            self.forged(own, at, mode or MODES[int(rng.integers(len(MODES)))], rng) if len(at) else np.empty((0, 8))
        )
        return Frames.of(times, self.frames.id[own[0]] if len(own) else 0, self.frames.dlc[at], payload, 1)

    def replace(self, at: np.ndarray, payload: np.ndarray) -> None:
        """Let the frames `at` hold forged payloads, u8[k, 8], at their own times."""
        self.frames.payload[at] = payload
        self.frames.label[at] = 1

    def on_the_bus(self, injected: Sequence[Frames], bit_time: float) -> Frames:
        """Put what was not lost and what was injected on one bus."""
        return send(Frames.concat([self.frames.take(~self.lost), *injected]), bit_time)


Kind = Callable[[Scene, float, float, float, np.random.Generator], Frames]
_NOTHING = Frames.empty(0)


def _regular(begin: float, end: float, gap: float, rng: np.random.Generator) -> np.ndarray:
    """Times with the mean gap and up to 20 % independent jitter; at least one."""
    n = max(int((end - begin) / gap), 1)
    jitter = rng.uniform(0, 0.2)
    return np.clip(
        begin + (rng.random() + np.arange(n) + rng.uniform(-jitter, jitter, n)) * min(gap, end - begin), begin, end
    )


def flood(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """Flood that wins every arbitration, with any payload."""
    times = _regular(begin, end, gap, rng)
    identifier = int(rng.integers(0, max(int(scene.frames.id.min()), 1)))
    payload = rng.integers(0, 256, (1, 8)).repeat(len(times), 0)
    return Frames.of(times, identifier, int(rng.integers(0, 9)), payload, 1)


def payload_replaced(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """Random payloads in frames of one identifier, all or some of them; no time changes."""
    del gap
    own, inside = scene.victim(begin, end, rng)
    inside = inside[rng.random(len(inside)) < (1.0 if rng.random() < 0.5 else rng.uniform(0.1, 1.0))]
    if len(inside):
        scene.replace(inside, scene.forged(own, inside, "random", rng))
    return _NOTHING


def payload_added(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """Frames of one identifier with random payloads beside the genuine ones."""
    own, _ = scene.victim(begin, end, rng)
    return scene.beside(own, _regular(begin, end, gap, rng), rng, "random") if len(own) else _NOTHING


def single(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """One forged frame."""
    del gap
    own, _ = scene.victim(begin, end, rng)
    return scene.beside(own, rng.uniform(begin, end, 1), rng) if len(own) else _NOTHING


def suppress(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """One identifier falls silent; nothing is labelled."""
    del gap
    scene.lost[scene.victim(begin, end, rng)[1]] = True
    return _NOTHING


def masquerade(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """One identifier is silenced and sent by another with a clock of its own."""
    del gap
    own, inside = scene.victim(begin, end, rng)
    if len(inside) < 2:
        return _NOTHING
    scene.lost[inside] = True
    t = scene.frames.timestamp[inside]
    pace = float(np.median(np.diff(t))) * (1 + rng.normal(0, 0.003))
    times = t[0] + rng.random() * pace + np.arange(len(inside)) * pace + rng.exponential(0.02 * pace, len(inside))
    return scene.beside(own, times[times < end], rng)


def masquerade_timed(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """One identifier is sent by another at its own times: only payloads differ."""
    del gap
    own, inside = scene.victim(begin, end, rng)
    if len(inside):
        scene.replace(inside, scene.forged(own, inside, MODES[int(rng.integers(1, len(MODES)))], rng))
    return _NOTHING


def evade_midpoint(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """At the midpoint between two genuine frames."""
    del gap
    own, inside = scene.victim(begin, end, rng)
    t = scene.frames.timestamp[inside]
    return scene.beside(own, (t[:-1] + t[1:]) / 2, rng) if len(t) > 1 else _NOTHING


def evade_before(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """Just before each genuine frame, where it is due."""
    del gap
    own, inside = scene.victim(begin, end, rng)
    early = rng.uniform(0.3e-3, 2e-3)
    return scene.beside(own, np.maximum(scene.frames.timestamp[inside] - early, begin), rng) if len(own) else _NOTHING


def evade_least_gap(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """Behind each genuine frame by the least gap that its identifier ever showed before."""
    del gap
    own, inside = scene.victim(begin, end, rng)
    t = scene.frames.timestamp[own]
    gaps = np.diff(t[t < begin]) if (t < begin).sum() > 1 else np.diff(t)
    times = scene.frames.timestamp[inside] + (gaps.min() if len(gaps) else 0.0)
    return scene.beside(own, times[times < end], rng) if len(own) else _NOTHING


def evade_doubled(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """One identifier is sent twice as often from `begin` on, for good: what is usual follows."""
    del gap
    own, _ = scene.victim(begin, end, rng)
    t = scene.frames.timestamp[own]
    if len(t) < 2:
        return _NOTHING
    return scene.beside(own, t[t >= begin] + np.median(np.diff(t)) / 2, rng)


def evade_creeping(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """Frames at the identifier's own pace at first, which shrinks from one to the next."""
    own, inside = scene.victim(begin, end, rng)
    if not len(own):
        return _NOTHING
    usual = float(np.median(np.diff(scene.frames.timestamp[own])))
    start = float(scene.frames.timestamp[inside[0]]) + usual / 2
    return scene.beside(own, _shrinking(start, end, usual, min(gap, usual), rng.uniform(0.9, 0.99)), rng)


def evade_slow_start(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """Frames that are seconds apart at first, and come ever faster."""
    own, _ = scene.victim(begin, end, rng)
    if not len(own):
        return _NOTHING
    return scene.beside(own, _shrinking(begin, end, max((end - begin) / 4, gap), gap, rng.uniform(0.7, 0.95)), rng)


def _shrinking(begin: float, end: float, first: float, last: float, factor: float) -> np.ndarray:
    """Times in [begin, end) whose gaps shrink from `first` to `last` by `factor` from one to the next."""
    gaps = np.maximum(first * factor ** np.arange(max(int((end - begin) / last), 0) + 1), last)
    times = begin + np.cumsum(gaps) - first
    return times[times < end]


def evade_offset(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """The genuine frames, one byte moved by a constant."""
    return _moved(scene, begin, end, "offset", rng)


def evade_drift(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
    """The genuine frames, one byte moved further and further."""
    return _moved(scene, begin, end, "drift", rng)


def _moved(scene: Scene, begin: float, end: float, mode: str, rng: np.random.Generator) -> Frames:
    own, inside = scene.victim(begin, end, rng)
    if len(inside):
        scene.replace(inside, scene.forged(own, inside, mode, rng))
    return _NOTHING


def _injecting(kind: str) -> Kind:
    """Make a kind of an injection of `kdgat.synthetic.attacks`."""

    def attack(scene: Scene, begin: float, end: float, gap: float, rng: np.random.Generator) -> Frames:
        return INJECTIONS[kind](scene.frames, begin, end, gap, rng)

    return attack


#: what attackers do who do not know the detector
PLAIN: dict[str, Kind] = {
    **{kind: _injecting(kind) for kind in INJECTIONS},
    "flood": flood,
    "payload_replaced": payload_replaced,
    "payload_added": payload_added,
    "single": single,
    "suppress": suppress,
    "masquerade": masquerade,
    "masquerade_timed": masquerade_timed,
}
#: what attackers do who know it
EVADERS: dict[str, Kind] = {
    "evade_midpoint": evade_midpoint,
    "evade_before": evade_before,
    "evade_least_gap": evade_least_gap,
    "evade_doubled": evade_doubled,
    "evade_creeping": evade_creeping,
    "evade_slow_start": evade_slow_start,
    "evade_offset": evade_offset,
    "evade_drift": evade_drift,
}
KINDS: dict[str, Kind] = PLAIN | EVADERS
#: the plain attack that an evader would like to make: added frames at the asked rate, or any payload at genuine times
_WISHED = {"evade_offset": "masquerade_timed", "evade_drift": "masquerade_timed"}


def forge(frames: Frames, strikes: Sequence[Strike], bit_time: float, rng: np.random.Generator) -> Frames:
    """Work attacks into traffic and put it on the bus.

    Args:
        frames: genuine traffic in bus order; not changed.
        strikes: in any order.
        bit_time: of the bus (s).
        rng: source of every random choice.

    Returns:
        All frames in bus order, forged ones labelled 1.
    """
    if not len(frames):
        return frames
    scene = Scene(frames)
    injected = [KINDS[s.kind](scene, s.begin, s.end, s.gap, rng) for s in strikes]
    return scene.on_the_bus(injected, bit_time)


def given_up(frames: Frames, strike: Strike, bit_time: float, seed: int) -> dict[str, int | float]:
    """Count what an evader gives up against the plain attack it stands for, both at the asked gap.

    Args:
        frames: genuine traffic in bus order.
        strike: of an evading kind.
        bit_time: of the bus (s).
        seed: of both attacks.

    Returns:
        `plain` and `evading`: forged frames in [begin, end); `given_up`: share of the plain ones, at least 0, that the
        evader does without.
    """

    def forged(kind: str) -> int:
        sent = forge(frames, [replace(strike, kind=kind)], bit_time, np.random.default_rng(seed))
        return int(sent.label[(sent.timestamp >= strike.begin) & (sent.timestamp < strike.end)].sum())

    plain, evading = forged(_WISHED.get(strike.kind, "spoofing")), forged(strike.kind)
    return {"plain": plain, "evading": evading, "given_up": max(1 - evading / max(plain, 1), 0.0)}
