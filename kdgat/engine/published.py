"""Second pass for the feature set `published`: 35 node and 11 edge features (see `kdgat.features`)."""

from __future__ import annotations

import numpy as np

from kdgat.engine.common import LOG2, group, kernel
from kdgat.engine.topology import adjacency, clustering, ends, linked


@kernel
def _moments(n, s1, s2, s3, s4):
    """Skewness and excess kurtosis of n bytes from their power sums (integers); 0, 0 if they are all equal.

    The sums are first moved to the integer below the mean, exactly, so that the floating part cannot cancel.
    """
    if n == 0 or n * s2 == s1 * s1:
        return 0.0, 0.0
    a = s1 // n
    c4 = s4 - 4 * a * s3 + 6 * a * a * s2 - 4 * a * a * a * s1 + n * a * a * a * a
    c3 = s3 - 3 * a * s2 + 3 * a * a * s1 - n * a * a * a
    c2 = s2 - 2 * a * s1 + n * a * a
    m = (s1 - n * a) / n
    r2, r3, r4 = c2 / n, c3 / n, c4 / n
    v = r2 - m * m
    third = r3 - 3 * m * r2 + 2 * m * m * m
    fourth = r4 - 4 * m * r3 + 6 * m * m * r2 - 3 * m * m * m * m
    return third / v**1.5, fourth / (v * v) - 3.0


@kernel
def fill(t, ids, dlc, payload, starts, size, node_of, edge_of, node_ptr, edge_ptr, x, edge_index, edge_attr, id_code):
    """Rows of the windows at `starts`: node rows from `node_ptr[b]`, edge rows from `edge_ptr[b]` of the final arrays.

    Args:
        t, ids, dlc, payload: columns of the capture, u8[N, 8] for the payload; starts: i64[B].
        node_of, edge_of: u16[B, W] from `topology.count`; node_ptr, edge_ptr: i64[B + 1].
        x: f32[·, 35]; edge_index: i32[2, ·]; edge_attr: f32[·, 11]; id_code: u32[·].
    """
    words = (size + 63) // 64
    source = np.empty(size, np.int64)
    target = np.empty(size, np.int64)
    counts = np.empty(size, np.int64)
    offset = np.empty(size, np.int64)
    order = np.empty(size, np.int64)
    out = np.empty((size, words), np.uint64)
    near = np.empty((size, words), np.uint64)
    out_degree = np.empty(size, np.int64)
    in_degree = np.empty(size, np.int64)
    coefficient = np.empty(size, np.float64)
    entropy = np.empty(size, np.float64)
    histogram = np.zeros(256, np.int64)
    half = size / 2
    for b in range(len(starts)):
        begin = starts[b]
        n0, e0 = node_ptr[b], edge_ptr[b]
        n_nodes = node_ptr[b + 1] - n0
        n_edges = edge_ptr[b + 1] - e0
        ends(node_of[b], edge_of[b], size, source, target)
        adjacency(source, target, n_nodes, n_edges, out, near, out_degree, in_degree)
        clustering(near, n_nodes, coefficient)
        for i in range(size):
            f = begin + i
            n = dlc[f]
            total = 0.0
            for k in range(n):
                byte = payload[f, k]
                h = histogram[byte] + 1
                histogram[byte] = h
                total += h * LOG2[h] - (h - 1) * LOG2[h - 1]
            for k in range(n):
                histogram[payload[f, k]] = 0
            entropy[i] = LOG2[n] - total / n if n else 0.0

        group(node_of[b], size, n_nodes, counts, offset, order)
        for u in range(n_nodes):
            row = x[n0 + u]
            c = counts[u]
            first = offset[u]
            for k in range(8):
                m, s1, s2, low, high = 0, 0, 0, 255, 0
                for j in range(first, first + c):
                    f = begin + order[j]
                    if dlc[f] > k:
                        byte = np.int64(payload[f, k])
                        m += 1
                        s1 += byte
                        s2 += byte * byte
                        low = min(low, byte)
                        high = max(high, byte)
                row[k] = s1 / m if m else 0.0
                row[8 + k] = np.sqrt(m * s2 - s1 * s1) / m if m else 0.0
                row[16 + k] = high - low if m else 0.0
            m, s1, s2, s3, s4 = 0, 0, 0, 0, 0
            entropies = 0.0
            early = 0
            repeats_changed = 0
            gaps = 0.0
            squares = 0.0
            for j in range(first, first + c):
                i = order[j]
                f = begin + i
                for k in range(dlc[f]):
                    byte = np.int64(payload[f, k])
                    s1 += byte
                    s2 += byte * byte
                    s3 += byte * byte * byte
                    s4 += byte * byte * byte * byte
                m += dlc[f]
                entropies += entropy[i]
                early += i < half
                if j > first:
                    g = begin + order[j - 1]
                    gap = max(0.0, t[f] - t[g])
                    gaps += gap
                    differs = dlc[f] != dlc[g]
                    for k in range(8):
                        differs |= payload[f, k] != payload[g, k]
                    repeats_changed += differs
            mean_gap = gaps / (c - 1) if c > 1 else 0.0
            for j in range(first + 1, first + c):
                gap = max(0.0, t[begin + order[j]] - t[begin + order[j - 1]]) - mean_gap
                squares += gap * gap
            row[24] = c
            row[25] = entropies / c
            row[26], row[27] = _moments(m, s1, s2, s3, s4)
            row[28] = coefficient[u]
            row[29] = early / c
            row[30] = repeats_changed / (c - 1) if c > 1 else 0.0
            row[31] = mean_gap
            row[32] = np.sqrt(squares / (c - 1)) if c > 1 else 0.0
            row[33] = in_degree[u]
            row[34] = out_degree[u]
            id_code[n0 + u] = ids[begin + order[first]]

        group(edge_of[b], size - 1, n_edges, counts, offset, order)
        for e in range(n_edges):
            row = edge_attr[e0 + e]
            c = counts[e]
            first = offset[e]
            gaps = 0.0
            for j in range(first, first + c):
                f = begin + order[j]
                gaps += max(0.0, t[f + 1] - t[f])
            row[0] = gaps / c
            for k in range(8):
                total = 0
                for j in range(first, first + c):
                    f = begin + order[j]
                    if dlc[f] > k and dlc[f + 1] > k:
                        total += abs(np.int64(payload[f, k]) - np.int64(payload[f + 1, k]))
                row[1 + k] = total / c
            row[9] = 1.0 if linked(out, target[e], source[e]) and source[e] != target[e] else 0.0
            row[10] = c
            edge_index[0, e0 + e] = source[e]
            edge_index[1, e0 + e] = target[e]
