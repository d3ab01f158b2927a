"""Frames a second on one thread: generating virtual vehicles, and captures → graphs (`python -m benchmarks`)."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.graphs import SIZE, captures, seconds


def rows(repetitions: int = 5) -> Iterator[dict[str, Any]]:
    """Rows of the table `benchmarks`: medians over the repetitions."""
    from kdgat import provenance
    from kdgat.graphs.stream import stream
    from kdgat.synthetic import virtual

    def row(name: str, values: list[float], unit: str) -> dict[str, Any]:
        value = statistics.median(values)
        return {"name": name, "value": value, "unit": unit, "n": len(values), "machine": provenance.machine()}

    speeds = []
    for number in range(repetitions):
        begin = time.perf_counter()
        drive = virtual.drive(3 * number + 1, 20.0, 10.0, [], np.random.default_rng(number))
        speeds.append((len(drive.frames) + len(drive.profile)) / (time.perf_counter() - begin))
    yield row("virtual vehicles", speeds, "frames/s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = captures(folder)[:2]
        frames = len(stream(files, folder / "warm", SIZE, SIZE, "profile", threads=1)) * SIZE
        speeds = [
            frames / seconds(lambda n=n: stream(files, folder / f"s{n}", SIZE, SIZE, "profile", threads=1))  # type: ignore[misc]
            for n in range(repetitions)
        ]
    yield row("captures to graphs, one thread", speeds, "frames/s")
