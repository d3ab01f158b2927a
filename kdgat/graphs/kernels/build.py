"""Both passes over any number of captures, ranges of windows side by side in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.config import FeatureSet
from kdgat.graphs.features import FEATURES
from kdgat.graphs.kernels import published, relative, topology
from kdgat.graphs.profile import Profile

#: most frames in a window: bounds the scratch arrays and keeps the integer sums of the kernels exact
MAX_SIZE = 4096
_CHUNK = 256  # windows a thread takes at once

_NO_PROFILE = Profile(
    0.0, 0, *(np.empty(0, t) for t in (np.uint32, *["f8"] * 4, np.uint8)), *[np.empty((0, 8), np.uint8)] * 2
)


def threads_available() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def graphs(
    captures: Sequence[Frames],
    starts: Sequence[np.ndarray],
    size: int,
    feature_set: FeatureSet,
    profiles: Sequence[Profile | None],
    threads: int | None = None,
) -> dict[str, np.ndarray]:
    """The arrays of a `GraphStore` (all but `attack`) for the windows at `starts[c]` of each `captures[c]`."""
    captures = [Frames(*map(_frozen, frames.columns)) for frames in captures]
    starts = [_frozen(s) for s in starts]
    words = [_words(frames.payload) for frames in captures]
    known = [_known(profile or _NO_PROFILE) for profile in profiles]
    n_windows = np.array([len(s) for s in starts], np.int64)
    first = np.concatenate([[0], np.cumsum(n_windows)])
    total = int(first[-1])
    node_of = np.empty((total, size), np.uint16)
    edge_of = np.empty((total, size), np.uint16)
    n_nodes, n_edges = np.empty(total, np.int64), np.empty(total, np.int64)
    injected = np.empty(total, np.uint16)
    jobs = [
        (c, int(begin), int(min(begin + _CHUNK, n_windows[c])))
        for c in range(len(captures))
        for begin in range(0, int(n_windows[c]), _CHUNK)
    ]

    def count(job: tuple[int, int, int]) -> None:
        c, begin, end = job
        at = slice(first[c] + begin, first[c] + end)
        topology.count(
            captures[c].id, captures[c].label, starts[c][begin:end], size,
            node_of[at], edge_of[at], n_nodes[at], n_edges[at], injected[at],
        )  # fmt: skip

    _each(count, jobs, threads)
    node_ptr = np.concatenate([[0], np.cumsum(n_nodes)])
    edge_ptr = np.concatenate([[0], np.cumsum(n_edges)])
    nodes, edges = FEATURES[feature_set]
    x = np.empty((node_ptr[-1], len(nodes)), np.float32)
    id_code = np.empty(node_ptr[-1], np.uint32)
    # source and target of an edge lie side by side: a store can grow on disk, and a batch reads one stretch
    pairs = np.empty((edge_ptr[-1], 2), np.int32)
    edge_attr = np.empty((edge_ptr[-1], len(edges)), np.float32)

    def fill(job: tuple[int, int, int]) -> None:
        c, begin, end = job
        frames = captures[c]
        t, ids, dlc = frames.timestamp, frames.id, frames.dlc
        lo, hi = first[c] + begin, first[c] + end
        where = (
            starts[c][begin:end],
            size,
            node_of[lo:hi],
            edge_of[lo:hi],
            node_ptr[lo : hi + 1],
            edge_ptr[lo : hi + 1],
        )
        target = (x, pairs, edge_attr, id_code)
        if feature_set == "published":
            published.fill(t, ids, dlc, words[c], *where, *target)
        else:
            flags = (feature_set == "profile", profiles[c] is not None)
            relative.fill(t, ids, dlc, words[c], *where, *flags, *known[c], *target)

    _each(fill, jobs, threads)
    ends = [(f.timestamp, s) for f, s in zip(captures, starts, strict=True)]
    return {
        "x": x,
        "edge_index": pairs.T,
        "edge_attr": edge_attr,
        "id_code": id_code,
        "y": (injected > 0).astype(np.uint8),
        "injected": injected,
        "t0": _join([t[s] - t[:1] for t, s in ends], np.float64),
        "duration": _join([np.maximum(0, t[s + (size - 1)] - t[s]) for t, s in ends], np.float32),
        "capture": np.repeat(np.arange(len(captures), dtype=np.uint16), n_windows),
        "start": _join(starts, np.int64),
        "node_ptr": node_ptr,
        "edge_ptr": edge_ptr,
    }


def _each(
    work: Callable[[tuple[int, int, int]], None], jobs: Sequence[tuple[int, int, int]], threads: int | None
) -> None:
    threads = threads or threads_available()
    if threads == 1 or len(jobs) < 2:
        for job in jobs:
            work(job)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, jobs):
            pass


def _frozen(array: np.ndarray) -> np.ndarray:
    """`array` contiguous and read-only: columns from Arrow are, and kernels are compiled anew for every type."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _words(payload: np.ndarray) -> np.ndarray:
    """u8[N, 8] as little-endian u64[N], the same memory; read-only."""
    return _frozen(np.ascontiguousarray(payload).reshape(-1).view("<u8"))


def _known(profile: Profile) -> tuple[np.ndarray, ...]:
    """A profile as `relative.fill` takes it."""
    columns = (profile.id, profile.period, profile.rate, profile.change_rate, profile.dlc)
    return (*map(_frozen, columns), _words(profile.constant), _words(profile.value))


def _join(parts: Iterable[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.empty(0, kind), *parts]).astype(kind, copy=False)
