"""Windows of a capture and leak-free splits of its time.

A window is W consecutive frames of one capture, given by the index of its first frame; it never crosses captures.
"""

from __future__ import annotations

import zlib

import numpy as np

from kdgat.config import Windows

PARTS = ("train", "fusion", "validation")


def starts(n_frames: int, size: int, stride: int, first: int = 0) -> np.ndarray:
    """First frames of all whole windows, i64[B]; a rest shorter than a window is not covered.

    Args:
        n_frames: frames of the capture.
        size, stride: W and the frames between two starts.
        first: first frame that may be used (after a profile, say).
    """
    return np.arange(first, n_frames - size + 1, stride, dtype=np.int64)


def split(n_frames: int, windows: Windows, seed: int, capture: str = "") -> dict[str, np.ndarray]:
    """Deal one training capture out to `train`, `fusion` and `validation`: part → first frames, i64, ascending.

    The capture is cut into `windows.blocks` equal blocks of time, which are dealt to the parts at random in the
    proportion of `windows.fractions`; neighbours of one part are joined. Between two parts one window of frames is left
    out, so parts share no frame and windows of different parts never touch. Dealing each capture by itself
    stratifies by capture.

    Args:
        n_frames: frames of the capture. If a block would be shorter than four windows there are fewer blocks; a
            capture too short for one block per part goes to `train` whole.
        seed, capture: seed of the deal; the name makes captures of one seed differ.
    """
    size = windows.size
    n_blocks = min(windows.blocks, n_frames // (4 * size))
    shares = np.array(windows.fractions) / sum(windows.fractions)
    if n_blocks < len(PARTS):
        return {p: starts(n_frames if p == "train" else 0, size, windows.stride) for p in PARTS}
    rng = np.random.default_rng([seed, zlib.crc32(capture.encode())])
    deal = rng.permutation(np.repeat(np.arange(len(PARTS)), _counts(shares, n_blocks)))
    edges = np.linspace(0, n_frames, n_blocks + 1).astype(np.int64)
    changes = np.flatnonzero(np.diff(deal)) + 1
    parts: dict[str, list[np.ndarray]] = {p: [] for p in PARTS}
    for begin, end in zip([0, *changes], [*changes, n_blocks], strict=True):
        first = edges[begin] + (size if begin else 0)
        parts[PARTS[deal[begin]]].append(starts(edges[end], size, windows.stride, first))
    return {p: np.concatenate([np.empty(0, np.int64), *begins]) for p, begins in parts.items()}


def _counts(shares: np.ndarray, n: int) -> np.ndarray:
    """`n` blocks in proportion to `shares` (largest remainder), at least one for each share."""
    counts = np.maximum(1, np.floor(shares * n)).astype(int)
    while counts.sum() < n:
        counts[np.argmax(shares * n - counts)] += 1
    while counts.sum() > n:
        counts[np.argmax(np.where(counts > 1, counts - shares * n, -np.inf))] -= 1
    return counts


def sample(strata: np.ndarray, n: int, seed: int) -> np.ndarray:
    """`n` of the windows at random, each stratum in proportion to its size: ascending indices, i64.

    Args:
        strata: i64[B], the stratum of each window (capture and label, say).
    """
    if n >= len(strata):
        return np.arange(len(strata))
    rng = np.random.default_rng([seed, n])
    # an even spacing over the windows ordered by stratum (shuffled within) takes each stratum in its proportion
    order = np.lexsort((rng.random(len(strata)), strata))
    return np.sort(order[((np.arange(n) + rng.random()) * len(strata) / n).astype(np.int64)])
