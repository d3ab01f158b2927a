"""`kdgat detect`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def detect(
    capture: Path,
    /,
    *,
    release: str | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    alarms: bool = False,
    bad_rows: Literal["raise", "quarantine"] = "raise",
) -> int:
    """Score a capture of your own with a released student.

    Prints windows, scores and alarms as CSV on stdout, and what was used on stderr.

    Args:
        capture: CSV, candump, Vector ASC or BLF, Parquet; also gzip or zstd.
        release: name of a release. [default: the current one]
        dataset: use the student trained on this dataset. [default: the release's first]
        seed: use the student trained with this seed. [default: the lowest]
        alarms: print only windows with an alarm.
        bad_rows: what to do with unreadable rows.
    """
    from analysis import detect

    return detect.run(capture, release, dataset, seed, alarms_only=alarms, on_bad_rows=bad_rows)
