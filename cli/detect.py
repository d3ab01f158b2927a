"""`kdgat detect`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def detect(
    captures: list[Path],
    /,
    *,
    release: str | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    zero_shot: bool = False,
    adapted: bool = False,
    profile: Path | None = None,
    channel: str | None = None,
    alarms: bool = False,
    bad_rows: Literal["raise", "quarantine"] = "raise",
    device: Literal["cpu", "cuda"] = "cpu",
) -> int:
    """Score captures of your own with released students.

    Prints windows, scores and alarms as CSV on stdout, and what was used on stderr. Without one of --zero-shot, --adapted and
    --profile, the first seconds of a capture give the profile of its vehicle and are not scored.

    Args:
        captures: CSV, candump, Vector ASC or BLF, PCAN TRC, BUSMASTER, Kvaser, Parquet, MF4 (extra `mf4`); also packed by gzip, zstd, bz2 or xz. `-` reads a pipe and judges windows as they come.
        release: name of a release. [default: the current one]
        dataset: use the students trained on this dataset. [default: the release's first]
        seed: use the student trained with this seed. [default: all, by their mean logit]
        zero_shot: nothing is known of the vehicle.
        adapted: likewise, but the operating point follows the stream; the score is the margin over it.
        profile: attack-free recording of the vehicle.
        channel: bus that is read, where a capture holds several (`can0`; of other logs its number).
        alarms: print only windows with an alarm.
        bad_rows: what to do with unreadable rows.
        device: where the students score; the graphs are built on the CPU.
    """
    from analysis.detect import Knowledge, run
    from kdgat.errors import KdgatError

    options = {"zero-shot": zero_shot, "adapted": adapted, "profiled": profile is not None}
    protocols = [protocol for protocol, flag in options.items() if flag] or ["calibrated"]
    if len(protocols) > 1:
        raise KdgatError("one of --zero-shot, --adapted and --profile FILE")
    knowledge = Knowledge(protocols[0], profile, channel)
    return run(
        captures, release, dataset, seed, knowledge=knowledge, alarms_only=alarms, on_bad_rows=bad_rows, device=device
    )
