"""One row of the table `benchmarks`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def row(name: str, values: Sequence[float], unit: str) -> dict[str, Any]:
    """The median of repeated measurements, and where they were made."""
    from kdgat import provenance

    value = statistics.median(values)
    return {"name": name, "value": value, "unit": unit, "n": len(values), "machine": provenance.machine()}


def keep(rows: Sequence[dict[str, Any]], name: str) -> Path:
    """Keep rows as the table `benchmarks` in the file `name` of the work folder, which `kdgat freeze --benchmarks` takes."""
    from kdgat import atomic, records
    from kdgat.runtime import work_folder

    target = work_folder() / name
    table = records.table("benchmarks", list(rows))
    atomic.write_bytes(target, records.dump({"benchmarks": table})["benchmarks"])
    return target
