"""`kdgat evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def evaluate(
    *,
    data: Path,
    release: str | None = None,
    datasets: str = "",
    profile: Path | None = None,
    models: str = "",
    trained_on: str | None = None,
    out: Path = Path("evaluation"),
    bad_rows: Literal["raise", "quarantine"] = "raise",
) -> int:
    """Score captures that a release never saw with its frozen models, all seeds.

    Prints a table per car and attack with intervals on stdout, progress and what cannot serve on stderr, and
    writes Parquet files that are marked as no part of the release.

    Args:
        data: folder of captures, in a layout of the catalog or plain labelled files.
        release: name of a release. [default: the current one]
        datasets: datasets of the catalog below it, comma-separated. [default: all that are there]
        profile: attack-free recording of the car. [default: another recording of it below the folder]
        models: names of models, comma-separated. [default: all that the release holds]
        trained_on: use the models trained on this dataset. [default: the release's first]
        out: folder of the Parquet files.
        bad_rows: what to do with unreadable rows.
    """
    from analysis import evaluate

    return evaluate.run(
        release,
        data,
        chosen=[name.strip() for name in datasets.split(",") if name.strip()],
        profile=profile,
        models=[name.strip() for name in models.split(",") if name.strip()],
        trained_on=trained_on,
        out=out,
        on_bad_rows=bad_rows,
    )
