"""Second pass for the feature set `published`: 35 node and 11 edge features (see `kdgat.graphs.features`)."""

from __future__ import annotations

import numpy as np

from kdgat.compiled import inlined, kernel
from kdgat.graphs.kernels.common import GROWTH, LOG2, group, mask
from kdgat.graphs.kernels.topology import adjacency, clustering, ends, linked


@kernel
def _moments(n, s1, s2, s3, s4):
    """Skewness and excess kurtosis of n bytes from their power sums (integers); 0, 0 if they are all equal.

    The sums are first moved to an integer beside the mean, exactly, so that the floating part cannot cancel.
    """
    if n == 0 or n * s2 == s1 * s1:
        return 0.0, 0.0
    inverse = 1.0 / n
    a = np.int64(s1 * inverse)
    c4 = s4 - 4 * a * s3 + 6 * a * a * s2 - 4 * a * a * a * s1 + n * a * a * a * a
    c3 = s3 - 3 * a * s2 + 3 * a * a * s1 - n * a * a * a
    c2 = s2 - 2 * a * s1 + n * a * a
    m = (s1 - n * a) * inverse
    r2, r3, r4 = c2 * inverse, c3 * inverse, c4 * inverse
    v = r2 - m * m
    third = r3 - 3 * m * r2 + 2 * m * m * m
    fourth = r4 - 4 * m * r3 + 6 * m * m * r2 - 3 * m * m * m * m
    return third / (v * np.sqrt(v)), fourth / (v * v) - 3.0


@inlined
def _clear(histogram, content, n):
    """Set the counts of the first n bytes of a payload back to 0."""
    for _ in range(n):
        histogram[np.int64(content & np.uint64(255))] = 0
        content >>= np.uint64(8)


@kernel
def fill(t, ids, dlc, words, starts, size, node_of, edge_of, node_ptr, edge_ptr, x, pairs, edge_attr, id_code):  # noqa: C901, PLR0913, PLR0915
    """Rows of the windows at `starts`: node rows from `node_ptr[b]`, edge rows from `edge_ptr[b]` of the final arrays.

    Args:
        t, ids, dlc: columns of the capture; words: u64[N], payloads as little-endian numbers; starts: i64[B].
        node_of, edge_of: u16[B, W] from `topology.count`; node_ptr, edge_ptr: i64[B + 1].
        x: f32[·, 35]; pairs: i32[·, 2], source and target; edge_attr: f32[·, 11]; id_code: u32[·].
    """
    n_words = (size + 63) // 64
    source = np.empty(size, np.int64)
    target = np.empty(size, np.int64)
    counts = np.empty(size, np.int64)
    offset = np.empty(size, np.int64)
    order = np.empty(size, np.int64)
    out = np.empty((size, n_words), np.uint64)
    near = np.empty((size, n_words), np.uint64)
    out_degree = np.empty(size, np.int64)
    in_degree = np.empty(size, np.int64)
    degree = np.empty(size, np.int64)
    coefficient = np.empty(size, np.float64)
    histogram = np.zeros(256, np.int64)
    half = size / 2
    frames_with = np.empty(8, np.int64)  # per byte position: frames that have it, sums, squares, least, greatest
    sums = np.empty(8, np.int64)
    squares = np.empty(8, np.int64)
    least = np.empty(8, np.int64)
    greatest = np.empty(8, np.int64)
    for b in range(len(starts)):
        begin = starts[b]
        n0, e0 = node_ptr[b], edge_ptr[b]
        n_nodes = node_ptr[b + 1] - n0
        n_edges = edge_ptr[b + 1] - e0
        ends(node_of[b], edge_of[b], size, source, target)
        adjacency(source, target, n_nodes, n_edges, out, near, out_degree, in_degree)
        clustering(source, target, out, near, n_nodes, n_edges, degree, coefficient)
        group(node_of[b], size, n_nodes, counts, offset, order)
        for u in range(n_nodes):
            row = x[n0 + u]
            c = counts[u]
            first = offset[u]
            changes = 0
            for j in range(first + 1, first + c):
                f, g = begin + order[j - 1], begin + order[j]
                changes += words[f] != words[g] or dlc[f] != dlc[g]
            entropies = 0.0
            m, s1, s2, s3, s4 = 0, 0, 0, 0, 0
            for k in range(24):
                row[k] = 0.0
            if changes == 0:
                # one payload, c times
                n = dlc[begin + order[first]]
                content = words[begin + order[first]]
                information = 0.0
                for k in range(n):
                    byte = np.int64(content & np.uint64(255))
                    content >>= np.uint64(8)
                    h = histogram[byte] + 1
                    histogram[byte] = h
                    information += GROWTH[h]
                    square = byte * byte
                    row[k] = byte
                    s1 += byte
                    s2 += square
                    s3 += square * byte
                    s4 += square * square
                _clear(histogram, words[begin + order[first]], n)
                if n:
                    entropies = c * (LOG2[n] - information / n)
                m = n
            else:
                for k in range(8):
                    frames_with[k], sums[k], squares[k], least[k], greatest[k] = 0, 0, 0, 255, 0
                run = 0
                for j in range(first, first + c):
                    f = begin + order[j]
                    n = dlc[f]
                    content = words[f]
                    run += 1
                    if j + 1 < first + c:
                        g = begin + order[j + 1]
                        if words[g] == content and dlc[g] == n:
                            continue
                    # the last of `run` frames with the same payload: its bytes are looked at once
                    information = 0.0
                    for k in range(n):
                        byte = np.int64(content & np.uint64(255))
                        content >>= np.uint64(8)
                        h = histogram[byte] + 1
                        histogram[byte] = h
                        information += GROWTH[h]
                        times = run * byte
                        square = times * byte
                        frames_with[k] += run
                        sums[k] += times
                        squares[k] += square
                        least[k] = min(least[k], byte)
                        greatest[k] = max(greatest[k], byte)
                        s3 += square * byte
                        s4 += square * byte * byte
                    _clear(histogram, words[f], n)
                    if n:
                        entropies += run * (LOG2[n] - information / n)
                    run = 0
                for k in range(8):
                    with_k = frames_with[k]
                    m += with_k
                    s1 += sums[k]
                    s2 += squares[k]
                    if with_k:
                        row[k] = sums[k] / with_k
                        row[16 + k] = greatest[k] - least[k]
                        if greatest[k] > least[k]:
                            row[8 + k] = np.sqrt(float(with_k * squares[k] - sums[k] * sums[k])) / with_k
            early = 0
            gaps = 0.0
            for j in range(first, first + c):
                early += order[j] < half
            for j in range(first + 1, first + c):
                gaps += max(0.0, t[begin + order[j]] - t[begin + order[j - 1]])
            gap_squares = 0.0
            mean_gap = gaps / (c - 1) if c > 1 else 0.0
            for j in range(first + 1, first + c):
                gap = max(0.0, t[begin + order[j]] - t[begin + order[j - 1]]) - mean_gap
                gap_squares += gap * gap
            row[24] = c
            row[25] = entropies / c
            row[26], row[27] = _moments(m, s1, s2, s3, s4)
            row[28] = coefficient[u]
            row[29] = early / c
            row[30] = changes / (c - 1) if c > 1 else 0.0
            row[31] = mean_gap
            row[32] = np.sqrt(gap_squares / (c - 1)) if c > 1 else 0.0
            row[33] = in_degree[u]
            row[34] = out_degree[u]
            id_code[n0 + u] = ids[begin + order[first]]

        group(edge_of[b], size - 1, n_edges, counts, offset, order)
        for e in range(n_edges):
            row = edge_attr[e0 + e]
            c = counts[e]
            first = offset[e]
            if c == 1:
                f = begin + order[first]
                row[0] = max(0.0, t[f + 1] - t[f])
                both = mask(min(dlc[f], dlc[f + 1]))
                one, two = words[f] & both, words[f + 1] & both
                for k in range(8):
                    low = np.uint64(8 * k)
                    row[1 + k] = abs(np.int32((one >> low) & np.uint64(255)) - np.int32((two >> low) & np.uint64(255)))
            else:
                gaps = 0.0
                for k in range(8):
                    sums[k] = 0
                for j in range(first, first + c):
                    f = begin + order[j]
                    gaps += max(0.0, t[f + 1] - t[f])
                    one, two = words[f], words[f + 1]
                    for k in range(min(dlc[f], dlc[f + 1])):
                        sums[k] += abs(np.int64(one & np.uint64(255)) - np.int64(two & np.uint64(255)))
                        one >>= np.uint64(8)
                        two >>= np.uint64(8)
                inverse = 1.0 / c
                row[0] = gaps * inverse
                for k in range(8):
                    row[1 + k] = sums[k] * inverse
            row[9] = 1.0 if linked(out, target[e], source[e]) and source[e] != target[e] else 0.0
            row[10] = c
            pairs[e0 + e, 0] = source[e]
            pairs[e0 + e, 1] = target[e]
