"""One row of the table `benchmarks`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any


def row(name: str, values: Sequence[float], unit: str) -> dict[str, Any]:
    """The median of repeated measurements, and where they were made."""
    from kdgat import provenance

    value = statistics.median(values)
    return {"name": name, "value": value, "unit": unit, "n": len(values), "machine": provenance.machine()}
