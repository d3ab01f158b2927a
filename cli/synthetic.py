"""`kdgat synthetic`; the choices are those of `kdgat.synthetic`, written out so that help need not import it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cyclopts import App

synthetic = App(name="synthetic", help="Write captures of the synthetic bus, or ask how real they are.")

Format = Literal["labelled-csv", "hcrl-csv", "hcrl-keyed", "candump", "asc", "blf", "parquet"]
Attack = Literal[
    "benign", "dos", "dos_starving", "fuzzing", "payload_fuzzing", "spoofing", "spoofing_slow", "malfunction",
    "systematic", "replay", "interval", "standstill", "masquerade", "masquerade_timed", "suppress",
    "flood", "payload_replaced", "payload_added", "single",
    "evade_midpoint", "evade_before", "evade_least_gap", "evade_doubled", "evade_creeping", "evade_slow_start",
    "evade_offset", "evade_drift",
]  # fmt: skip
Ranges = Literal["wide", "lifelike"]


@synthetic.command
def write(
    path: Path,
    /,
    *,
    format: Format = "labelled-csv",
    attack: Attack = "benign",
    gap_ms: float = 1.0,
    seconds: float = 30.0,
    seed: int = 0,
) -> int:
    """Write one capture, attacked in its middle third.

    Args:
        path: file that is written.
        format: of the file.
        attack: kind of attack.
        gap_ms: mean time between injected frames (ms).
        seconds: length of the capture (s).
        seed: of the vehicle and the attack.
    """
    from kdgat.synthetic import commands

    return commands.write_capture(path, format, attack, gap_ms * 1e-3, seconds, seed)


@synthetic.command
def evaders(*, gap_ms: float = 1.0, seconds: float = 5.0, vehicles: int = 20, seed: int = 0) -> int:
    """Print what attackers who know the detector give up, in forged frames.

    Args:
        gap_ms: mean time between the forged frames of a plain attack (ms).
        seconds: length of an attack (s).
        vehicles: virtual cars that each is counted on; the table has medians.
        seed: of cars and attacks.
    """
    from kdgat.synthetic import commands

    return commands.evaders(gap_ms * 1e-3, seconds, vehicles, seed)


@synthetic.command
def fidelity(*, dataset: str = "hcrl-sa", data: Path | None = None, vehicles: int = 20, seed: int = 0) -> int:
    """Print distances of synthetic vehicles to a dataset's attack-free captures.

    Args:
        dataset: name in the catalog.
        data: folder of captures. [default: $KDGAT_DATA, else data/raw]
        vehicles: how many are drawn.
        seed: of the draws.
    """
    from kdgat.synthetic import commands

    return commands.fidelity(dataset, data, vehicles, seed)


@synthetic.command
def coverage(
    *,
    ranges: Ranges = "lifelike",
    dataset: str = "hcrl-sa",
    data: Path | None = None,
    vehicles: int = 60,
    seed: int = 0,
) -> int:
    """Print where a dataset's training cars lie outside the virtual vehicles.

    Args:
        ranges: what the virtual vehicles are drawn from.
        dataset: name in the catalog.
        data: folder of captures. [default: $KDGAT_DATA, else data/raw]
        vehicles: how many are drawn.
        seed: of the draws.
    """
    from kdgat.synthetic import commands

    return commands.coverage(ranges, dataset, data, vehicles, seed)
