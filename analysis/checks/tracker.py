"""Hold what the tracker has of a run against the run's own record.

A differing value is an error, a shorter mirror a warning. W&B's offline log is read where the run left it; no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from kdgat.errors import KdgatError
from kdgat.tracking import wandb_log

#: W&B keeps doubles, the record float32
TOLERANCE = 1e-6


class MirrorError(KdgatError):
    """A tracker's log that is not one, or that contradicts the run's record."""


def history(log: Path) -> tuple[dict[str, list[float]], bool]:
    """Read metric → values in the order in which they were logged, and whether the run was finished.

    Raises:
        MirrorError: not a log of W&B.
    """
    try:
        run = wandb_log.read(log)
    except KdgatError as error:
        raise MirrorError(str(error)) from None
    return run.values, run.finished


def find_log(folder: Path, tracker_id: str) -> Path | None:
    """Find the offline log of a run below W&B's folder."""
    return next(iter(sorted(folder.rglob(f"run-{tracker_id}.wandb"))), None)


def check(tables: Mapping[str, pa.Table], folder: Path) -> list[str]:
    """Hold the curves of every mirrored run against its log.

    Returns:
        Warnings: runs whose log is missing or shorter than the record.

    Raises:
        MirrorError: a value differs.
    """
    curves: dict[str, dict[str, list[float]]] = {}
    for r in tables["curves"].to_pylist():  # sorted by run, metric and epoch
        curves.setdefault(r["run"], {}).setdefault(r["metric"], []).append(r["value"])
    warnings = []
    for run in tables["runs"].to_pylist():
        if run["tracker"] != "wandb" or run["run"] not in curves:
            continue
        log = find_log(folder, run["tracker_id"])
        if log is None:
            warnings.append(f"{run['run']}: no log of W&B run {run['tracker_id']} below the work folder")
            continue
        mirrored, finished = history(log)
        warnings += _compare(run, curves[run["run"]], mirrored, finished)
    return warnings


def _compare(
    run: dict[str, Any], recorded: dict[str, list[float]], mirrored: dict[str, list[float]], finished: bool
) -> list[str]:
    warnings = []
    for metric, values in recorded.items():
        mirror = mirrored.get(metric, [])
        for epoch, (a, b) in enumerate(zip(values, mirror, strict=False)):
            if a is not None and abs(a - b) > TOLERANCE * max(1.0, abs(b)):
                raise MirrorError(
                    f"{run['run']}: {metric} of epoch {epoch} is {a} in the record and {b} in W&B run {run['tracker_id']}"
                )
        if len(mirror) < len(values):
            state = "finished" if finished else "killed"
            warnings.append(f"{run['run']}: W&B run ({state}) holds {len(mirror)} of {len(values)} values of {metric}")
    return warnings
