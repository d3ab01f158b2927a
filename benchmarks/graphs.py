"""Speeds of the way from captures to graphs: `python -m benchmarks.graphs`.

Each line gives what was measured, the median of the repetitions, and a ratio to what it is compared with in the same
run. The captures are those of hcrl-sa below $KDGAT_DATA; without them, synthetic ones are written as CSV first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

from kdgat.errors import cli

THREADS = int(os.environ.setdefault("POLARS_MAX_THREADS", str(len(os.sched_getaffinity(0)))))
SIZE = 100
HEADER = b"timestamp,arbitration_id,data_field,attack\n"
Captures = list[tuple[str, str, Path]]


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def csv_of(table: Any, path: Path) -> Path:
    """Write a frame table in the can-train-and-test layout."""
    from kdgat.captures.frames import Frames

    t, ids, dlc, payload, label = Frames.from_table(table).columns
    hexed = payload.tobytes().hex().upper()
    with path.open("wb") as file:
        file.write(HEADER)
        for i, n in enumerate(dlc.tolist()):
            data = hexed[16 * i : 16 * i + 2 * n]
            file.write(f"{t[i]:.6f},{ids[i]:03X},{data},{label[i]}\n".encode())
    return path


def captures(folder: Path) -> Captures:
    """The captures to measure with."""
    from kdgat.dataset import sources
    from kdgat.errors import KdgatError

    try:
        real = [c for c in sources.captures("hcrl-sa") if not c.duplicate_of]
        print(f"captures: hcrl-sa, {len(real)} files")
        return [(c.name, c.attack, c.path) for c in real if c.path]
    except KdgatError:
        synthetic = sources.captures("synthetic")
        print(f"captures: synthetic, {len(synthetic)} files (no hcrl-sa found)")
        return [(c.name, c.attack, csv_of(c.frames(), folder / f"{i}.csv")) for i, c in enumerate(synthetic)]


def polars_frames(files: Captures) -> int:
    """Frames of the files, parsed by polars and nothing else; IDs and payloads stay text."""
    import polars

    types = {
        "timestamp": polars.Float64,
        "arbitration_id": polars.String,
        "data_field": polars.String,
        "attack": polars.UInt8,
    }
    return sum(polars.read_csv(path, schema=types).height for _, _, path in files)


def csv_to_store(files: Captures, folder: Path, repeats: int) -> float:
    """CSV → GraphStore against polars only parsing the same files; the ratio for the feature set `memory`."""
    from kdgat.captures.reader import read
    from kdgat.config import FeatureSet
    from kdgat.graphs.profile import Profile
    from kdgat.graphs.stream import stream

    frames = polars_frames(files)
    profiles = [Profile.fit(read(path)) for _, _, path in files]
    out = folder / "store"
    ratios = {}
    for feature_set in get_args(FeatureSet):
        times: dict[str, list[float]] = {"polars": [], "store": []}
        for repeat in range(repeats + 1):
            pair = (
                seconds(lambda: polars_frames(files)),
                seconds(partial(stream, files, out, SIZE, SIZE, feature_set, profiles, threads=THREADS)),
            )
            shutil.rmtree(out)
            if repeat:  # the first turn warms caches and loads the kernels
                times["polars"].append(pair[0])
                times["store"].append(pair[1])
        ours, theirs = (statistics.median(times[name]) for name in ("store", "polars"))
        ratios[feature_set] = theirs / ours
        print(
            f"CSV → GraphStore on disk, {feature_set}: {frames / ours / 1e6:.2f} M frames/s; "
            f"polars parsing alone {frames / theirs / 1e6:.2f} M frames/s; ratio {ratios[feature_set]:.2f}"
        )
    return ratios["memory"]


def memory_to_graphs(files: Captures, repeats: int) -> Any:
    """Frames in memory → graphs in memory; returns a store."""
    from kdgat.captures.reader import read
    from kdgat.config import FeatureSet
    from kdgat.graphs import splits
    from kdgat.graphs.store import GraphStore

    tables = [(name, attack, read(path)) for name, attack, path in files]
    inputs = [(name, attack, t, splits.starts(t.num_rows, SIZE, SIZE)) for name, attack, t in tables]
    store = None
    for feature_set in get_args(FeatureSet):
        store = GraphStore.build(inputs, SIZE, feature_set, threads=THREADS)
        build = partial(GraphStore.build, inputs, SIZE, feature_set, threads=THREADS)
        took = statistics.median(seconds(build) for _ in range(repeats))
        print(f"frames in memory → graphs, {feature_set}, {THREADS} threads: {len(store) / took / 1e3:.0f} k graphs/s")
    return store


def batches(store: Any, repeats: int) -> None:
    """Shuffled batches of 128 from the store against PyG's DataLoader over Data objects."""
    import numpy as np
    import torch
    from torch_geometric.loader import DataLoader

    torch.set_num_threads(1)
    n = min(len(store), 6400)
    graphs = [store.to_pyg(i) for i in range(n)]
    order = np.random.default_rng(0).permutation(n)

    def from_store() -> None:
        for begin in range(0, n, 128):
            batch = store.batch(order[begin : begin + 128])
            for array in (batch.x, batch.edge_index, batch.edge_attr, batch.batch):
                torch.from_numpy(array)

    def from_loader() -> None:
        for _ in DataLoader(graphs, batch_size=128, shuffle=True):
            pass

    ours = statistics.median(seconds(from_store) for _ in range(repeats))
    theirs = statistics.median(seconds(from_loader) for _ in range(repeats))
    print(
        f"batches of 128: {n / ours / 1e3:.0f} k graphs/s from the store, {n / theirs / 1e3:.0f} k graphs/s "
        f"from PyG's DataLoader; ratio {theirs / ours:.1f}"
    )


def _status(field: str) -> int:
    """A field of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def memory_of_long_capture(files: Captures, folder: Path, n_frames: int) -> None:
    """Peak memory of one capture of `n_frames` frames, end to end: a synthetic capture, repeated on disk."""
    from kdgat.dataset import sources
    from kdgat.graphs.stream import stream

    body = csv_of(sources.captures("synthetic")[0].frames(), folder / "one.csv").read_bytes()[len(HEADER) :]
    per_copy = body.count(b"\n")
    copies = -(-n_frames // per_copy)
    path = folder / "long.csv"
    with path.open("wb") as file:
        file.write(HEADER)
        for _ in range(copies):
            file.write(body)
    peak = {"RssAnon": 0, "VmRSS": 0}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            for name in peak:
                peak[name] = max(peak[name], _status(name))

    watcher = threading.Thread(target=watch)
    watcher.start()
    took = seconds(lambda: stream([("long", "benign", path)], folder / "long", SIZE, SIZE, "memory"))
    done.set()
    watcher.join()
    frames = copies * per_copy
    print(
        f"{frames / 1e6:.1f} M synthetic frames end to end: {frames / took / 1e6:.2f} M frames/s, "
        f"peak anonymous memory {peak['RssAnon'] / 1e6:.0f} MB (RSS {peak['VmRSS'] / 1e6:.0f} MB)"
    )
    shutil.rmtree(folder / "long")
    path.unlink()


def main() -> None:
    """Run all measurements; the last line is the ratio for the feature set of the preset `paper`, `memory`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="repetitions of each measurement (median is printed)")
    parser.add_argument("--frames", type=int, default=50_000_000, help="frames of the memory test, 0 leaves it out")
    parser.add_argument("--folder", type=Path, help="where the stores are written, default: a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        files = captures(folder)
        if options.frames:
            memory_of_long_capture(files, folder, options.frames)
        store = memory_to_graphs(files, options.repeats)
        batches(store, options.repeats)
        ratio = csv_to_store(files, folder, options.repeats)
    print(f"ratio to polars parsing alone: {ratio:.2f}")


if __name__ == "__main__":
    cli(main)
