"""The log of readings: every evaluation that opened a test capture. The paper prints the count."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kdgat import provenance
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
    with open(_log(), "a") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")


def readings(datasets: Collection[str]) -> list[dict[str, Any]]:
    """All readings of these datasets that the work folder knows of: rows of the table `readings`."""
    lines = _log().read_text().splitlines() if _log().is_file() else []
    rows = {line: row for line in lines if (row := json.loads(line))["dataset"] in datasets}
    return list(rows.values())
