"""Captures → GraphStore on disk in one pass: all processors, memory bounded by a constant.

Reading, parsing, building and writing overlap: blocks of a few ten thousand frames are parsed ahead in threads, cut
into windows in their order (a window may span blocks), built in the same threads, and appended to the store's files.
What is in memory at any time is a fixed number of blocks and of chunks of graphs, whatever the length of the capture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from kdgat import atomic
from kdgat.captures.frames import Frames
from kdgat.captures.reader import CaptureReader, OnBadRows
from kdgat.compiled import threads_available
from kdgat.config import FeatureSet
from kdgat.errors import KdgatError
from kdgat.graphs.kernels import build
from kdgat.graphs.kernels.state import COLUMNS, State
from kdgat.graphs.profile import Profile
from kdgat.graphs.store import ARRAYS, BENIGN, GraphStore, write_meta

_CHUNK = 2048  # windows a thread builds at once
_HEADER = 128  # bytes kept free for the header of a .npy file, whose length is known at the end


def stream(
    captures: Sequence[tuple[str, str, Path]],
    folder: Path,
    size: int,
    stride: int,
    feature_set: FeatureSet,
    profiles: Sequence[Profile | None] | None = None,
    *,
    on_bad_rows: OnBadRows = "raise",
    threads: int | None = None,
) -> GraphStore:
    """Graphs of all windows of `captures`, written to `folder` (appears whole or not at all), opened memory-mapped.

    Args:
        captures: per capture its name, attack kind and file, in any format of `kdgat.captures`.
        size, stride: frames in a window and between two starts.
        profiles: for `profile` and `memory`, that of each capture's vehicle or None.
        on_bad_rows: see `CaptureReader`.
        threads: default: the processors this process may use.

    Raises:
        CaptureError: a capture that cannot be read; nothing is left behind.
    """
    if not 2 <= size <= build.MAX_SIZE:
        raise KdgatError(f"a window of {size} frames: 2 to {build.MAX_SIZE} are possible")
    profiles = profiles or [None] * len(captures)
    kinds = tuple(sorted({kind for _, kind, _ in captures} - {BENIGN}))
    attack_names = (BENIGN, *kinds)
    threads = threads or threads_available()
    with atomic.new_directory(folder) as temporary, ThreadPoolExecutor(threads) as pool:
        files = _Files(temporary)
        pending: deque[tuple[int, int, Future]] = deque()

        def settle(most: int) -> None:
            while len(pending) > most:
                capture, base, built = pending.popleft()
                arrays = built.result()
                arrays["capture"] = np.full(len(arrays["y"]), capture, np.uint16)
                arrays["attack"] = arrays["y"] * np.uint8(attack_names.index(captures[capture][1]))
                arrays["start"] = arrays["start"] + base
                files.append(arrays)

        try:
            for number, (_, _, path) in enumerate(captures):
                reader = CaptureReader(path, on_bad_rows=on_bad_rows, pool=pool)
                state = State(profiles[number]) if feature_set == "memory" else None
                for base, frames, columns, first_time, starts in windows(reader, size, stride, state):
                    work = (frames, columns, starts, size, feature_set, profiles[number], first_time)
                    pending.append((number, base, pool.submit(graphs_of, *work)))
                    settle(2 * threads)
            settle(0)
            shapes = files.close()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            files.abandon()
            raise
        write_meta(
            temporary,
            shapes,
            feature_set=feature_set,
            size=size,
            capture_names=tuple(name for name, _, _ in captures),
            attack_names=attack_names,
        )
    return GraphStore.open(folder)


def windows(
    blocks: Iterable[Frames], size: int, stride: int, state: State | None
) -> Iterator[tuple[int, Frames, np.ndarray, float, np.ndarray]]:
    """Stretches of a capture with the windows that begin in them.

    Args:
        blocks: the capture's frames, in file order.
        size, stride: frames in a window and between two starts.
        state: what is remembered of the identifiers, carried from block to block; None: nothing.

    Yields:
        number of the stretch's first frame in the capture, its frames, their columns by `state` (no columns without one),
        time of the capture's first frame, and the first frames of the windows, counted in the stretch.
    """
    base, next_start = 0, 0  # numbers in the capture: of the stretch's first frame, of the next window's
    rest, rest_columns = Frames.empty(0), np.empty((0, COLUMNS if state else 0), np.float32)  # before the block
    first_time: float | None = None
    for block in blocks:
        if first_time is None:
            first_time = float(block.timestamp[0])
        columns = np.empty((len(block), rest_columns.shape[1]), np.float32)
        if state is not None:
            state.advance(block, 0, len(block), np.arange(len(block)), columns)
        stretches = [(block, columns, len(block))]
        if len(rest) and size <= len(block):
            # windows that begin before the block need just its first W − 1 frames
            begun = np.concatenate([rest_columns, columns[: size - 1]])
            stretches.insert(0, (Frames.concat([rest, block.slice(0, size - 1)]), begun, len(rest)))
        elif len(rest):
            joined = Frames.concat([rest, block])
            stretches = [(joined, np.concatenate([rest_columns, columns]), len(joined))]
        for stretch, its_columns, own in stretches:
            starts = np.arange(next_start - base, min(own, len(stretch) - size + 1), stride)
            for begin in range(0, len(starts), _CHUNK):
                yield base, stretch, its_columns, first_time, starts[begin : begin + _CHUNK]
            next_start += stride * len(starts)
            done = min(next_start - base, own)
            rest, rest_columns, base = stretch.slice(done, own), its_columns[done:own], base + done


def graphs_of(
    frames: Frames,
    columns: np.ndarray,
    starts: np.ndarray,
    size: int,
    feature_set: FeatureSet,
    profile: Profile | None,
    first_time: float,
) -> dict[str, Any]:
    """Arrays of the windows `starts` of a stretch that `windows` gave; `start` is counted in the stretch."""
    remembered = [(np.arange(len(frames)), columns)] if feature_set == "memory" else None
    arrays = build.graphs([frames], [starts], size, feature_set, [profile], remembered, threads=1)
    arrays["t0"] = frames.timestamp[starts] - first_time
    return arrays


class _Files:
    """The .npy files of a store, growing: their headers are written when the lengths are known."""

    def __init__(self, folder: Path) -> None:
        self._files = {name: open(folder / f"{name}.npy", "wb") for name in ARRAYS}  # noqa: SIM115
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._rows = dict.fromkeys(ARRAYS, 0)
        for file in self._files.values():
            file.write(bytes(_HEADER))
        for name in ("node_ptr", "edge_ptr"):
            self._write(name, np.zeros(1, np.int64))

    def append(self, arrays: dict[str, Any]) -> None:
        """More graphs, in the form of `kdgat.graphs.kernels.build.graphs`."""
        offsets = {"node_ptr": self._rows["x"], "edge_ptr": self._rows["edge_attr"]}
        for name in ARRAYS:
            values = arrays[name]
            self._write(name, values[1:] + offsets[name] if name in offsets else values)

    def _write(self, name: str, values: np.ndarray) -> None:
        rows = values.T if name == "edge_index" else values  # its columns are what grows
        self._files[name].write(np.ascontiguousarray(rows, ARRAYS[name]).data)
        self._rows[name] += len(rows)
        self._shapes[name] = rows.shape[1:]

    def close(self) -> dict[str, tuple[int, ...]]:
        """Finish the files; the shape of each array."""
        shapes = {}
        for name, file in self._files.items():
            shape = (self._rows[name], *self._shapes.get(name, ()))
            columns_grow = name == "edge_index"
            shapes[name] = shape[::-1] if columns_grow else shape
            header = str(
                {"descr": np.dtype(ARRAYS[name]).str, "fortran_order": columns_grow, "shape": shapes[name]}
            ).encode()
            file.seek(0)
            # format 1.0 of .npy: magic, version, length of the header, the header padded with spaces
            length = _HEADER - 10
            file.write(b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + header.ljust(length - 1) + b"\n")
            file.close()
        return shapes

    def abandon(self) -> None:
        """Close what is open."""
        for file in self._files.values():
            file.close()
