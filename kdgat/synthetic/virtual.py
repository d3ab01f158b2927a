"""Virtual vehicles: broadly randomised traffic that models are trained on beside the real captures.

A detector that has seen two cars learns those two cars. Vehicles drawn far more broadly than any real one, or cut from the
training captures and remapped, take that shortcut away. Nothing here looks at a capture outside the training folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.synthetic.attacks import inject
from kdgat.synthetic.vehicle import Ranges, Vehicle

#: What virtual vehicles are drawn from. The evidence named is that of the training cars (Soul, Sonata), widened.
TRAINING_RANGES = Ranges(
    ids=(18, 120),  # the training cars send 45 and 27 IDs
    periods=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),  # theirs are 10 ms to 1 s
    period_weights=(3, 2, 1, 3, 2, 1, 1),  # 10 and 100 ms are the most frequent in both
    rate=(1000.0, 3000.0),  # both run at about 2,000 frames/s
    full_dlc=(0.5, 1.0),  # 92–94 % of their frames are full
    kinds=(0.65, 0.1, 0.1, 0.08, 0.04, 0.03),  # two thirds of their byte positions are constant
    delay=(0.002, 0.05),
    bit_time=(1.8e-6, 2.4e-6),  # their bursts run at 0.24 ms per frame of 8 bytes
    event_share=(0.0, 0.1),
    shortest=0.005,  # no ID of theirs is faster than 10 ms; a benign ID at 2 ms could not be told from a forged one
)

#: The same, with what every training car's benign windows show and `TRAINING_RANGES` never gives: payloads that are
#: largely blank (38–46 % zero bytes), delays of 0.1–1.2 ms whatever the period, IDs that are sent one after the other,
#: and few slow IDs or many. A feature in which all real cars differ from all virtual ones tells a model which is which,
#: and what it has learned from virtual vehicles then holds for them alone.
LIFELIKE_RANGES = replace(
    TRAINING_RANGES,
    ids=(15, 100),
    delay=(0.002, 0.1),
    blank=(0.0, 1.0),
    jitter=(5e-6, 3e-3),
    concentration=4.0,
    offsets=(1, 40),
)

#: `augmentation.ranges` → what virtual vehicles are drawn from
RANGES = {"wide": TRAINING_RANGES, "lifelike": LIFELIKE_RANGES}

#: mean gap between injected frames (s); DoS and fuzzing of the training captures inject every 0.3–2.4 ms
GAPS = (0.4e-3, 3e-3)

#: attacks that virtual vehicles are trained under; everything else is left unseen on purpose
TRAINING_ATTACKS = ("dos", "fuzzing", "spoofing", "replay")


@dataclass(frozen=True)
class Attacks:
    """What attacks a drive.

    Attributes:
        share: of the scored time that lies in an attack.
        segment: length of an attack, from and to (s).
        kinds: dealt out to the vehicles in turn.
    """

    share: float = 0.5
    segment: tuple[float, float] = (0.2, 1.0)
    kinds: Sequence[str] = TRAINING_ATTACKS


@dataclass(frozen=True)
class VirtualDrive:
    """Traffic of one virtual vehicle.

    Attributes:
        name: unique within a training.
        attack: kind of `kdgat.synthetic.attacks`.
        profile: the unlabelled first seconds, from which a profile is made.
        frames: what follows, partly under attack; its clock goes on from the profile's.
    """

    name: str
    attack: str
    profile: Frames
    frames: Frames


def from_captures(captures: Sequence[Frames], seconds: float, rng: np.random.Generator) -> Frames:
    """Benign traffic cut from training captures: a random stretch with some IDs left out, IDs remapped, bytes permuted.

    With two captures or more, half of the drives mix the IDs of two. Time is stretched by 0.6–1.7.
    """
    mixed = len(captures) > 1 and rng.random() < 0.5
    chosen = rng.choice(len(captures), 2 if mixed else 1, replace=False)
    parts = []
    new_ids = rng.permutation(np.arange(1, 0x7FF)).astype(np.uint32)
    for number in chosen:
        source = captures[number]
        stretch = rng.uniform(0.6, 1.7) * (1.6 if mixed else 1.0)
        source = source.take(source.label == 0)
        t = (source.timestamp - source.timestamp[0]) * stretch
        length = float(t[-1] + np.median(np.diff(t)))
        begin = rng.uniform(0, length)
        # a capture that is shorter than the drive begins again: a bus that fell silent would be another vehicle
        laps = int(np.ceil((begin + seconds) / length))
        part = source.take(np.tile(np.arange(len(source)), laps))
        t = np.tile(t, laps) + np.repeat(np.arange(laps) * length, len(source)) - begin
        inside = (t >= 0) & (t < seconds)
        part, t = part.take(inside), t[inside]
        ids, code = np.unique(part.id, return_inverse=True)
        mapped, new_ids = new_ids[: len(ids)], new_ids[len(ids) :]
        order = np.argsort(rng.random((len(ids), 8)) + (np.arange(8) >= _dlc_of(part, code, len(ids))[:, None]), axis=1)
        payload = np.take_along_axis(part.payload, order[code], axis=1)
        kept = rng.random(len(ids)) < rng.uniform(0.5, 1.0)
        parts.append(Frames(t, mapped[code], part.dlc, payload, part.label).take(kept[code]))
    frames = Frames.concat(parts)
    return frames.take(np.argsort(frames.timestamp, kind="stable"))


def _dlc_of(frames: Frames, code: np.ndarray, n: int) -> np.ndarray:
    """Largest DLC of each ID, u8[n]: bytes are permuted within it, so that padding stays padding."""
    dlc = np.zeros(n, np.uint8)
    np.maximum.at(dlc, code, frames.dlc)
    return dlc


def drive(
    number: int,
    seconds: float,
    profile_seconds: float,
    benign: Sequence[Frames],
    rng: np.random.Generator,
    *,
    attacks: Attacks = Attacks(),
    ranges: Ranges = TRAINING_RANGES,
) -> VirtualDrive:
    """One virtual vehicle on the road.

    Args:
        number: goes into the name; the attack kinds are dealt out in turn.
        seconds: scored traffic (s).
        profile_seconds: traffic before it that gives the profile (s).
        benign: benign training captures to cut vehicles from; every third vehicle is (none: all are drawn).
        rng: source of every random choice.
        attacks: what attacks it, and for how long.
        ranges: what vehicles are drawn from.

    Returns:
        The drive; its attacks never begin in the profile.
    """
    total = seconds + profile_seconds
    if benign and number % 3 == 0:
        traffic = from_captures(benign, total, rng)
    else:
        traffic = Vehicle.draw(ranges, rng).drive(total, rng)
    kind = attacks.kinds[number % len(attacks.kinds)]
    length = float(rng.uniform(*attacks.segment))
    pause = length * (1 - attacks.share) / max(attacks.share, 1e-9)
    begins = np.arange(profile_seconds + rng.uniform(0, pause), total, length + pause) if attacks.share else np.empty(0)
    for begin in begins:
        gap = float(np.exp(rng.uniform(*np.log(GAPS))))
        traffic = inject(traffic, kind, [(begin, min(begin + length, total))], gap, rng)
    head = traffic.timestamp < profile_seconds
    return VirtualDrive(f"virtual-{number:04d}", kind, traffic.take(head), traffic.take(~head))
