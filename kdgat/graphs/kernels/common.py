"""Small functions the kernels share."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from kdgat.compiled import inlined, kernel

#: log2 of 1 … n for entropies over counts; index 0 is 0
LOG2 = np.log2(np.maximum(np.arange(8 * 4096 + 1), 1))
#: n·log2 n, and by how much it grows from n − 1 to n
XLOG2X = np.arange(8 * 4096 + 1) * LOG2
GROWTH = np.diff(XLOG2X, prepend=0.0)


@intrinsic
def _ctpop(typingctx, word):
    """Number of set bits, one machine instruction."""

    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


@inlined
def bits(word):
    """Set bits of a u64, as i64."""
    return np.int64(_ctpop(np.uint64(word)))


@inlined
def mask(dlc):
    """u64 with the first `dlc` bytes (little-endian) set."""
    return np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - 8 * dlc) if dlc > 0 else np.uint64(0)


@inlined
def changed(word):
    """The highest bit of each byte of a u64 that is not 0."""
    low = np.uint64(0x7F7F7F7F7F7F7F7F)
    return (((word & low) + low) | word) & ~low


@inlined
def changed_bytes(word):
    """Bytes of a u64 that are not 0, as i64."""
    return bits(changed(word))


@inlined
def byte(word, k):
    """Byte `k` of a u64 (little-endian), as f64."""
    return np.float64(np.int32((word >> np.uint64(8 * k)) & np.uint64(255)))


@kernel
def group(number, n_items, n_groups, count, offset, order):
    """Stable counting sort: positions 0 … n_items − 1 by group number.

    Fills `count[g]`, `offset[g]` (first place of group g in `order`) and `order`.
    """
    for g in range(n_groups):
        count[g] = 0
    for i in range(n_items):
        count[number[i]] += 1
    total = 0
    for g in range(n_groups):
        offset[g] = total
        total += count[g]
    for i in range(n_items):
        g = number[i]
        order[offset[g]] = i
        offset[g] += 1
    for g in range(n_groups):
        offset[g] -= count[g]


@kernel
def median(values, n):
    """Median of `values[:n]` (mean of the middle two if n is even); reorders them. n ≥ 1."""
    k = n // 2
    low, high = 0, n
    while high - low > 1:
        # selection with three parts, swapping whether or not it must: gaps are so irregular that a branch is guessed wrong
        pivot = values[(low + high) // 2]
        below = low
        for i in range(low, high):
            value = values[i]
            values[i] = values[below]
            values[below] = value
            below += value < pivot
        if k < below:
            high = below
            continue
        equal = below
        for i in range(below, high):
            value = values[i]
            values[i] = values[equal]
            values[equal] = value
            equal += value == pivot
        if k < equal:
            break
        low = equal
    upper = values[k]
    if n % 2:
        return upper
    lower = values[0]
    for i in range(1, k):
        if values[i] > lower:
            lower = values[i]
    return 0.5 * (lower + upper)


def frozen(array: np.ndarray) -> np.ndarray:
    """`array` contiguous and read-only: columns from Arrow are, and kernels are compiled anew for every type."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def words(payload: np.ndarray) -> np.ndarray:
    """u8[N, 8] as little-endian u64[N], the same memory; read-only."""
    return frozen(np.ascontiguousarray(payload).reshape(-1).view("<u8"))
