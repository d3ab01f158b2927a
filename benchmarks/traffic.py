"""Generating virtual vehicles, and captures → graphs: speeds, and costs against work (`python -m benchmarks`)."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.graphs import SIZE, Captures, captures, polars_frames, seconds
from benchmarks.row import row
from kdgat.config import FeatureSet

#: graphs whose making is timed, from frames in memory
GRAPHS = (1_000, 10_000, 100_000)
#: of the preset `paper`
FEATURES: FeatureSet = "memory"


def rows(repetitions: int = 5, graphs: Sequence[int] = GRAPHS) -> Iterator[dict[str, Any]]:
    """Rows of the table `benchmarks`: medians over the repetitions."""
    from kdgat.graphs.stream import stream
    from kdgat.synthetic import virtual

    speeds = []
    for number in range(repetitions):
        begin = time.perf_counter()
        drive = virtual.drive(3 * number + 1, 20.0, 10.0, [], np.random.default_rng(number))
        speeds.append((len(drive.frames) + len(drive.profile)) / (time.perf_counter() - begin))
    yield row("virtual vehicles", speeds, "frames/s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = captures(folder)[:2]
        frames = polars_frames(files)
        stream(files, folder / "warm", SIZE, SIZE, "profile", threads=1)
        speeds = [
            frames / seconds(lambda n=n: stream(files, folder / f"s{n}", SIZE, SIZE, "profile", threads=1))  # type: ignore[misc]
            for n in range(repetitions)
        ]
        yield row("captures to graphs, one thread", speeds, "frames/s")
        turns = list(_turns(files, folder, repetitions))
        yield row("captures to graphs", [frames / turn.ours for turn in turns], "frames/s")
        yield row("captures to graphs, processors", [frames / turn.processors for turn in turns], "frames/CPU s")
        yield row("polars' parsing alone", [frames / turn.polars for turn in turns], "frames/s")
        yield row("captures to graphs over polars' parsing alone", [turn.polars / turn.ours for turn in turns], "")
    yield from _costs(graphs)


class _Turn(NamedTuple):
    """Seconds of polars parsing the files and of making their graphs, and processor seconds of the latter."""

    polars: float
    ours: float
    processors: float


def _turns(files: Captures, folder: Path, repetitions: int) -> Iterator[_Turn]:
    """Parse the files by polars and make their graphs, in turns, with the features of `paper`."""
    from kdgat.captures.reader import read
    from kdgat.graphs.profile import Profile
    from kdgat.graphs.stream import stream

    profiles = [Profile.fit(read(path)) for _, _, path in files]
    for n in range(-1, repetitions):
        theirs = seconds(lambda: polars_frames(files))
        begin = time.process_time()
        ours = seconds(lambda: stream(files, folder / "turn", SIZE, SIZE, FEATURES, profiles))
        processors = time.process_time() - begin
        shutil.rmtree(folder / "turn")  # else the disk is waited for when many pages are to be written
        if n >= 0:  # the first turn loads the kernels
            yield _Turn(theirs, ours, processors)


def _costs(graphs: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Processor seconds of making so many graphs of one drive that is repeated."""
    from kdgat.graphs.store import GraphStore
    from kdgat.synthetic import virtual

    drive = virtual.drive(1, 20.0, 10.0, [], np.random.default_rng(0)).frames
    length = float(np.ptp(drive.timestamp)) + 0.001
    for n in sorted(graphs):
        index = np.arange(n * SIZE)
        frames = drive.take(index % len(drive))
        frames = replace(frames, timestamp=frames.timestamp + index // len(drive) * length)
        table, starts = frames.to_table(), index[::SIZE]
        begin = time.process_time()
        GraphStore.build([("drive", "benign", table, starts)], SIZE, FEATURES)
        yield row(f"build {n:,} graphs", [time.process_time() - begin], "CPU s")
