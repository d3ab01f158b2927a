"""`kdgat select`."""

from __future__ import annotations

from pathlib import Path


def select(*, data: Path | None = None, seeds: str = "0", candidates: str | None = None, jobs: int = 2) -> int:
    """Choose the configuration of the preset `paper` where no test folder can be opened.

    Args:
        data: folder of captures. [default: $KDGAT_DATA, else data/raw]
        seeds: comma-separated.
        candidates: comma-separated. [default: all]
        jobs: trainings side by side, one thread each.
    """
    from kdgat import selection

    return selection.run(data, seeds, candidates, jobs)
