"""The embedded default: two seeded vehicles and four attacks, for a first run without captures.

The scenarios mirror those of can-train-and-test: a known and an unknown vehicle, known and unknown attacks. Everything that
is computed from it is marked synthetic, in the records and wherever a result is shown.
"""

from __future__ import annotations

import hashlib

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.catalog.datasets import Capture
from kdgat.synthetic.attacks import inject
from kdgat.synthetic.vehicle import Ranges, Vehicle

#: What the embedded vehicles are drawn from: values that CAN literature and bus practice give, fitted to no car.
BUS_RANGES = Ranges(
    ids=(25, 60),  # passenger cars show some 25–90 IDs on their powertrain bus
    periods=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),  # usual cycle times of OEM message catalogues
    period_weights=(3, 3, 1, 3, 2, 1, 1),  # fast control messages dominate
    rate=None,
    full_dlc=(0.6, 0.95),
    kinds=(0.7, 0.1, 0.08, 0.06, 0.04, 0.02),  # most payload bytes of production traffic never change
    delay=(0.005, 0.03),
    bit_time=(2.0e-6, 2.3e-6),  # 500 kbit/s and up to 15 % of stuffing
    event_share=(0.0, 0.05),
)

#: (split, vehicle, attack, mean gap between injected frames in ms); known: alpha, dos and fuzzing
_PLAN = (
    ("train", "alpha", "benign", 0.0),
    ("train", "alpha", "dos", 0.6),
    ("train", "alpha", "fuzzing", 1.0),
    ("test_01", "alpha", "dos", 0.8),
    ("test_01", "alpha", "fuzzing", 1.3),
    ("test_02", "beta", "dos", 0.8),
    ("test_02", "beta", "fuzzing", 1.3),
    ("test_03", "alpha", "spoofing", 1.0),
    ("test_03", "alpha", "replay", 1.0),
    ("test_04", "beta", "spoofing", 1.0),
    ("test_04", "beta", "replay", 1.0),
)
SECONDS = 40.0
SEED = 20250726


def captures(seconds: float = SECONDS, seed: int = SEED) -> list[Capture]:
    """All captures of the synthetic dataset, each `seconds` s long with attacks of 5 s from 15 s on."""
    vehicles = {
        name: Vehicle.draw(BUS_RANGES, np.random.default_rng([seed, i])) for i, name in enumerate(("alpha", "beta"))
    }
    out = []
    for number, (split, vehicle, attack, gap) in enumerate(_PLAN):
        rng = np.random.default_rng([seed, 100 + number])
        frames = vehicles[vehicle].drive(seconds, rng)
        if attack != "benign":
            begins = np.arange(15.0, seconds - 5.0, 10.0)
            frames = inject(frames, attack, [(b, b + 5.0) for b in begins], gap * 1e-3, rng)
        out.append(
            Capture(
                dataset="synthetic",
                name=f"{split}/{attack}-{vehicle}",
                vehicle=vehicle,
                attack=attack,
                split=split,
                path=None,
                sha256=hashed(frames),
                data_kind="synthetic",
                duplicate_of="",
                table=frames.to_table(),
            )
        )
    return out


def hashed(frames: Frames) -> str:
    """sha256 of generated frames."""
    digest = hashlib.sha256()
    for array in frames.columns:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
