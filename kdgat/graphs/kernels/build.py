"""Both passes over any number of captures, ranges of windows side by side in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.compiled import threads_available
from kdgat.config import FeatureSet
from kdgat.graphs.features import FEATURES
from kdgat.graphs.kernels import memory, published, relative, topology
from kdgat.graphs.kernels.common import frozen
from kdgat.graphs.kernels.common import words as words_of
from kdgat.graphs.kernels.state import COLUMNS, State
from kdgat.graphs.profile import NO_PROFILE, Profile

#: most frames in a window: bounds the scratch arrays and keeps the integer sums of the kernels exact
MAX_SIZE = 4096
_CHUNK = 256  # windows a thread takes at once

#: row of each frame in the columns of the state, i64[N], and these columns, f32[·, COLUMNS]
Remembered: TypeAlias = tuple[np.ndarray, np.ndarray]


def graphs(
    captures: Sequence[Frames],
    starts: Sequence[np.ndarray],
    size: int,
    feature_set: FeatureSet,
    profiles: Sequence[Profile | None],
    remembered: Sequence[Remembered] | None = None,
    threads: int | None = None,
) -> dict[str, np.ndarray]:
    """The arrays of a `GraphStore` (all but `attack`) for the windows at `starts[c]` of each `captures[c]`.

    Args:
        remembered: for `memory`, what `remember` made of each capture.
    """
    captures = [Frames(*map(frozen, frames.columns)) for frames in captures]
    starts = [frozen(s) for s in starts]
    words = [words_of(frames.payload) for frames in captures]
    known = [_known(profile or NO_PROFILE) for profile in profiles]
    rates = [_rates(profile or NO_PROFILE) for profile in profiles]
    n_windows = np.array([len(s) for s in starts], np.int64)
    first = np.concatenate([[0], np.cumsum(n_windows)])
    total = int(first[-1])
    node_of, edge_of = np.empty((total, size), np.uint16), np.empty((total, size), np.uint16)
    n_nodes, n_edges, injected = np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total, np.uint16)
    jobs = [(c, int(b), int(min(b + _CHUNK, n))) for c, n in enumerate(n_windows) for b in range(0, int(n), _CHUNK)]

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
        if remembered is not None:
            at = (where[0], size, where[2], where[4])
            memory.fill((t, ids), *at, *remembered[c], rates[c], x)

    _each(fill, jobs, threads)
    return {
        "x": x,
        "edge_index": pairs.T,
        "edge_attr": edge_attr,
        "id_code": id_code,
        "y": (injected > 0).astype(np.uint8),
        "injected": injected,
        **_times([frames.timestamp for frames in captures], starts, size),
        "capture": np.repeat(np.arange(len(captures), dtype=np.uint16), n_windows),
        "start": _join(starts, np.int64),
        "node_ptr": node_ptr,
        "edge_ptr": edge_ptr,
    }


def remember(
    captures: Sequence[Frames],
    starts: Sequence[np.ndarray],
    size: int,
    profiles: Sequence[Profile | None],
    resets: Sequence[np.ndarray],
    threads: int | None = None,
) -> list[Remembered]:
    """Carry each capture's state through it, empty at its `resets`, and keep the columns of frames that windows hold."""

    def one(c: int) -> Remembered:
        frames, ends = captures[c], [*resets[c][1:], len(captures[c])]
        changes = np.zeros(len(frames) + 1, np.int64)
        np.add.at(changes, starts[c], 1)
        np.add.at(changes, starts[c] + size, -1)
        inside = np.cumsum(changes[:-1]) > 0
        row = np.where(inside, np.cumsum(inside) - 1, -1)
        columns = np.empty((int(inside.sum()), COLUMNS), np.float32)
        state = State(profiles[c])
        for begin, end in zip(resets[c], ends, strict=True):
            state.forget()
            state.advance(frames, int(begin), int(end), row, columns)
        return row, columns

    with ThreadPoolExecutor(threads or threads_available()) as pool:
        return list(pool.map(one, range(len(captures))))


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


def _times(t: Sequence[np.ndarray], starts: Sequence[np.ndarray], size: int) -> dict[str, np.ndarray]:
    """When windows begin, from their capture's first frame on, and how long they last (s)."""
    ends = list(zip(t, starts, strict=True))
    return {
        "t0": _join([t[s] - t[:1] for t, s in ends], np.float64),
        "duration": _join([np.maximum(0, t[s + (size - 1)] - t[s]) for t, s in ends], np.float32),
    }


def _rates(profile: Profile) -> tuple[float, np.ndarray, np.ndarray]:
    """A profile as `memory.fill` takes it."""
    return profile.seconds, frozen(profile.id), frozen(profile.rate)


def _known(profile: Profile) -> tuple[np.ndarray, ...]:
    """A profile as `relative.fill` takes it."""
    columns = (profile.id, profile.period, profile.rate, profile.change_rate, profile.dlc)
    return (*map(frozen, columns), words_of(profile.constant), words_of(profile.value))


def _join(parts: Iterable[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.empty(0, kind), *parts]).astype(kind, copy=False)
