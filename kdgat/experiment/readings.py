"""The log of readings: every evaluation that opened a test capture. The paper prints the count."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kdgat import provenance, records
from kdgat.catalog.datasets import Capture
from kdgat.experiment.task import Task
from kdgat.runtime import work_folder


def _log() -> Path:
    return work_folder() / "test-readings.jsonl"


def log_reading(task: Task, scenario: str, capture: Capture) -> None:
    """Note that a test capture was read: when, by which configuration and code. The paper prints the count."""
    line = {
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dataset": task.dataset,
        "scenario": scenario,
        "capture": capture.name,
        "config_hash": task.config.hash(),
        "commit": provenance.commit(),
        "reader": task.path,
    }
    with open(_log(), "a+b") as file:
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
        # after a line that a dying process left unfinished, on a line of its own
        begin = b"" if file.read(1) in (b"", b"\n") else b"\n"
        file.write(begin + json.dumps(line, sort_keys=True).encode() + b"\n")


def readings(datasets: Collection[str]) -> list[dict[str, Any]]:
    """All readings of these datasets that the work folder knows of: rows of the table `readings`.

    A line that is not whole (its process died over it, or is writing it) counts as none.
    """
    lines = _log().read_text(errors="replace", encoding="utf-8").splitlines() if _log().is_file() else []
    rows = {line: row for line in lines if (row := _row(line)) is not None and row["dataset"] in datasets}
    return list(rows.values())


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and set(row) == set(records.schema("readings").names) else None
