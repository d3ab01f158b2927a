"""Write captures of the synthetic bus, and say how real they are: what `kdgat synthetic` does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kdgat import atomic
from kdgat.captures.frames import Frames
from kdgat.catalog import datasets
from kdgat.errors import KdgatError
from kdgat.synthetic import write as writing
from kdgat.synthetic.attacks import ATTACKS, UNLABELLED, inject
from kdgat.synthetic.bus import BUS_RANGES
from kdgat.synthetic.forging import KINDS as FORGED
from kdgat.synthetic.forging import Strike, forge
from kdgat.synthetic.judged import costs
from kdgat.synthetic.vehicle import Vehicle
from kdgat.synthetic.virtual import RANGES

#: every attack that can be written; of kinds that both know, `kdgat.synthetic.attacks` has the older one
KINDS = (*ATTACKS, *(kind for kind in FORGED if kind not in ATTACKS))

#: of what is written, s: a day
_LONGEST = 86_400


def write_capture(path: Path, format: str, attack: str, gap: float, seconds: float, seed: int) -> int:
    """Write one capture, attacked in its middle third (`evade_doubled`: to its end), and print what is in it; return the exit code 0.

    Where the frames cannot say when the attack ran, `<path>.intervals.json` beside the capture does.

    Args:
        path: is replaced.
        format: one of `write.FORMATS`.
        attack: one of `KINDS`, or `benign`.
        gap: mean time between injected frames (s).
        seconds: length of the capture (s).
        seed: of the vehicle and the attack.

    Raises:
        KdgatError: a value that makes no sense, or a path that cannot be written to.
    """
    _check_time("a capture lasts", seconds)
    _check_time("injected frames are apart by", gap)
    _check_least("a seed is", seed, 0)
    if path.exists() and not path.is_file():
        raise KdgatError(
            f"{path} is {'a folder' if path.is_dir() else 'a device'}, not a file that a capture can be written to"
        )
    rng = np.random.default_rng(seed)
    vehicle = Vehicle.draw(BUS_RANGES, rng)
    frames = vehicle.drive(seconds, rng)
    third = seconds / 3
    intervals = [] if attack == "benign" else [(third, seconds if attack == "evade_doubled" else 2 * third)]
    if attack in ATTACKS:
        frames = inject(frames, attack, intervals, gap, rng)
    elif intervals:
        frames = forge(frames, [Strike(attack, *intervals[0], gap)], vehicle.bit_time, rng)
    writing.write(frames, path, format)
    print(f"{path}: {len(frames)} frames, {int(frames.label.sum())} injected (synthetic)")
    if intervals and (attack in UNLABELLED or not writing.FORMATS[format][1]):
        # what the frames cannot say stands beside them
        side = path.with_name(path.name + ".intervals.json")
        atomic.write_text(side, json.dumps({"attack": attack, "intervals_s": intervals}) + "\n")
        print(f"{side}: when the attack ran")
    return 0


def _check_time(what: str, seconds: float) -> None:
    if not 0 < seconds <= _LONGEST:
        raise KdgatError(f"{what} more than 0 and up to {_LONGEST} s, got {seconds:g} s")


def _check_least(what: str, number: int, least: int) -> None:
    if number < least:
        raise KdgatError(f"{what} {least} or more, got {number}")


def evaders(gap: float, seconds: float, vehicles: int, seed: int) -> int:
    """Print what attackers who know the detector give up to stay unseen; return the exit code 0.

    Args:
        gap: mean time between forged frames that the attacker would like (s).
        seconds: length of an attack (s).
        vehicles: virtual cars that each is counted on.
        seed: of cars and attacks.

    Raises:
        KdgatError: a value that makes no sense.
    """
    _check_time("an attack lasts", seconds)
    _check_time("forged frames are apart by", gap)
    _check_least("vehicles are", vehicles, 1)
    _check_least("a seed is", seed, 0)
    print(
        f"forged frames of attacks of {seconds:g} s on {vehicles} virtual cars, a frame every {gap * 1e3:g} ms if plain"
    )
    print(f"{'':18} {'plain':>8} {'evading':>8} {'given up':>9}")
    for kind, cost in costs(gap, seconds, vehicles, seed).items():
        print(f"{kind:18} {cost.plain:8.0f} {cost.evading:8.0f} {cost.share:9.1%}")
    return 0


def fidelity(dataset: str, data: Path | None, number: int, seed: int) -> int:
    """Print how far `number` synthetic vehicles are from a dataset's attack-free captures; return the exit code 0.

    Raises:
        KdgatError: no such dataset, none of its attack-free captures is on disk, or a value that makes no sense.
    """
    _check_least("vehicles are", number, 1)
    _check_least("a seed is", seed, 0)
    from kdgat.synthetic.fidelity import ASPECTS, report

    real = [
        Frames.from_table(c.frames())
        for c in datasets.captures(dataset, data)
        if c.attack == "benign" and not c.duplicate_of
    ]
    if not real:
        raise KdgatError(f"dataset {dataset} has no attack-free captures to compare with")
    rng = np.random.default_rng(seed)
    drives = [Vehicle.draw(BUS_RANGES, rng).drive(40.0, rng) for _ in range(number)]
    print(f"{len(real)} attack-free captures of {dataset} against {number} synthetic vehicles of 40 s")
    print(f"{'':24} {'KS':>6} {'real':>10} {'synthetic':>10}   (medians)")
    for name, distance, a, b in report(real, drives):
        print(f"{name:24} {distance:6.2f} {a:10.3g} {b:10.3g}   {ASPECTS[name]}")
    return 0


def coverage(ranges: str, dataset: str, data: Path | None, number: int, seed: int) -> int:
    """Print where a dataset's training cars lie outside `number` virtual vehicles; return the exit code 0.

    Raises:
        KdgatError: no such dataset, none of its captures is on disk, or a value that makes no sense.
    """
    _check_least("vehicles are", number, 1)
    _check_least("a seed is", seed, 0)
    from kdgat.synthetic.fidelity import uncovered, window_statistics

    rngs = [np.random.default_rng([seed, n]) for n in range(number)]
    vehicles = [window_statistics(Vehicle.draw(RANGES[ranges], rng).drive(3.0, rng)) for rng in rngs]
    for c in datasets.captures(dataset, data):
        if c.split != "train" or c.attack != "benign" or c.duplicate_of:
            continue
        rows = uncovered(window_statistics(Frames.from_table(c.frames())), vehicles)
        print(f"{c.name}: {len(rows)} statistics of its windows are reached by none of {number} virtual vehicles")
        for name, value, low, high in rows:
            print(f"  {name:28} {value:7.3f}   vehicles {low:7.3f} to {high:7.3f}")
    return 0
