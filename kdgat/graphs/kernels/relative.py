"""Second pass for the feature sets `relative` and `profile` (see `kdgat.graphs.features`)."""

from __future__ import annotations

import numpy as np

from kdgat.compiled import inlined, kernel
from kdgat.graphs.kernels.common import GROWTH, XLOG2X, bits, changed_bytes, group, mask, median
from kdgat.graphs.kernels.topology import adjacency, ends, linked

FLOOR = 1e-6  # s, under any gap two frames can have on a bus; keeps logarithms of ties finite
LIMIT = 10.0  # logarithms (base 2) are clipped to ±LIMIT


@inlined
def _log_ratio(a, b):
    """log2((a + FLOOR)/(b + FLOOR)), clipped to ±LIMIT."""
    return min(LIMIT, max(-LIMIT, np.log2((a + FLOOR) / (b + FLOOR))))


@kernel
def fill(  # noqa: C901, PLR0913, PLR0915
    t, ids, dlc, words, starts, size, node_of, edge_of, node_ptr, edge_ptr,
    with_profile, has_profile, p_ids, p_period, p_rate, p_change, p_dlc, p_mask, p_value,
    x, pairs, edge_attr, id_code,
):  # fmt: skip
    """Rows of the windows at `starts`: node rows from `node_ptr[b]`, edge rows from `edge_ptr[b]` of the final arrays.

    Args:
        t, ids, dlc: columns of the capture; words: u64[N], payloads as little-endian numbers; starts: i64[B].
        node_of, edge_of: u16[B, W] from `topology.count`; node_ptr, edge_ptr: i64[B + 1].
        with_profile: write the columns of `profile` too; has_profile: there is one (else they are zeros).
        p_ids: u32[K] ascending IDs of the profile, p_period: s, 0 if unknown, p_rate: 1/s,
            p_change: 0–1, p_dlc: u8, p_mask and p_value: u64, the bits of constant bytes and their content.
        x: f32[·, 23 or 33]; pairs: i32[·, 2], source and target; edge_attr: f32[·, 10]; id_code: u32[·].
    """
    n_words = (size + 63) // 64
    source = np.empty(size, np.int64)
    target = np.empty(size, np.int64)
    counts = np.empty(size, np.int64)
    offset = np.empty(size, np.int64)
    order = np.empty(size, np.int64)
    e_counts = np.empty(size, np.int64)
    e_offset = np.empty(size, np.int64)
    e_order = np.empty(size, np.int64)
    out = np.empty((size, n_words), np.uint64)
    near = np.empty((size, n_words), np.uint64)
    out_degree = np.empty(size, np.int64)
    in_degree = np.empty(size, np.int64)
    log_gap = np.empty(size, np.float64)
    scratch = np.empty(size + 1, np.float64)
    of_count = np.empty(size + 1, np.int64)
    histogram = np.empty(256, np.uint16)  # a window has at most 8 · 4096 bytes
    n_profile = len(p_ids)
    half = size / 2
    for b in range(len(starts)):
        begin = starts[b]
        n0, e0 = node_ptr[b], edge_ptr[b]
        n_nodes = node_ptr[b + 1] - n0
        n_edges = edge_ptr[b + 1] - e0
        ends(node_of[b], edge_of[b], size, source, target)
        adjacency(source, target, n_nodes, n_edges, out, near, out_degree, in_degree)
        group(node_of[b], size, n_nodes, counts, offset, order)
        group(edge_of[b], size - 1, n_edges, e_counts, e_offset, e_order)
        duration = max(0.0, t[begin + size - 1] - t[begin])

        for i in range(size - 1):
            scratch[i] = max(0.0, t[begin + i + 1] - t[begin + i])
            log_gap[i] = scratch[i]
        bus_gap = median(scratch, size - 1)
        for i in range(size - 1):
            log_gap[i] = _log_ratio(log_gap[i], bus_gap)

        # how many nodes have a lower count: the rank; and the median count
        for c in range(size + 1):
            of_count[c] = 0
        for u in range(n_nodes):
            of_count[counts[u]] += 1
        n_gaps = 0
        for u in range(n_nodes):
            if counts[u] > 1:
                total = 0.0
                for j in range(offset[u] + 1, offset[u] + counts[u]):
                    total += max(0.0, t[begin + order[j]] - t[begin + order[j - 1]])
                scratch[n_gaps] = total / (counts[u] - 1)
                n_gaps += 1
        median_mean_gap = median(scratch, n_gaps) if n_gaps else 0.0
        below, lower, upper = 0, 0, 0  # the middle two counts
        for c in range(size + 1):
            here = of_count[c]
            of_count[c] = below
            scratch[c] = here  # nodes with this count
            below += here
            lower += below <= (n_nodes - 1) // 2
            upper += below <= n_nodes // 2
        median_count = 0.5 * (lower + upper)

        missing = 0.0
        if with_profile:
            for p in range(n_profile):
                missing += p_rate[p] * duration
        for u in range(n_nodes):
            row = x[n0 + u]
            c = counts[u]
            first = offset[u]
            node_id = ids[begin + order[first]]
            id_code[n0 + u] = node_id

            gaps, shortest, longest = 0.0, np.inf, 0.0
            hamming, hamming2 = 0.0, 0.0
            changed, dlc_changed = 0, 0
            varies = np.uint64(0)
            n_bytes = 0
            low_dlc = 8
            before, before_low, n_before = 0.0, np.inf, 0
            after, after_low, n_after = 0.0, np.inf, 0
            early = 0
            repeats_info = 0.0
            histogram[:] = 0
            last_word, last_dlc, last_time = np.uint64(0), np.uint8(0), 0.0
            for j in range(first, first + c):
                i = order[j]
                f = begin + i
                word, length, time = words[f], dlc[f], t[f]
                early += i < half
                if i > 0:
                    before += log_gap[i - 1]
                    before_low = min(before_low, log_gap[i - 1])
                    n_before += 1
                if i < size - 1:
                    after += log_gap[i]
                    after_low = min(after_low, log_gap[i])
                    n_after += 1
                low_dlc = min(low_dlc, length)
                rest = word
                for _ in range(length):
                    byte = rest & np.uint64(255)
                    rest >>= np.uint64(8)
                    h = histogram[byte] + 1
                    histogram[byte] = h
                    repeats_info += GROWTH[h]
                n_bytes += length
                if j > first:
                    gap = max(0.0, time - last_time)
                    gaps += gap
                    shortest = min(shortest, gap)
                    longest = max(longest, gap)
                    both = min(length, last_dlc)
                    difference = (word ^ last_word) & mask(both)
                    varies |= difference
                    share = bits(difference) / (8 * both) if both else 0.0
                    hamming += share
                    hamming2 += share * share
                    dlc_changed += length != last_dlc
                    changed += word != last_word or length != last_dlc
                last_word, last_dlc, last_time = word, length, time

            row[0] = c / size
            row[1] = (of_count[c] + 0.5 * (scratch[c] - 1)) / (n_nodes - 1) if n_nodes > 1 else 0.0
            row[2] = min(LIMIT, max(-LIMIT, np.log2(c / median_count)))
            row[3] = 1.0 if c == 1 else 0.0
            row[12] = 0.0
            mean_gap = 0.0
            for k in range(4, 8):
                row[k] = 0.0
            row[10] = 0.0
            row[11] = 0.0
            row[14] = 0.0
            if c > 1:
                n = c - 1
                mean_gap = gaps / n
                gap_squares = 0.0
                for j in range(first + 1, first + c):
                    d = max(0.0, t[begin + order[j]] - t[begin + order[j - 1]]) - mean_gap
                    gap_squares += d * d
                if mean_gap > 0:
                    row[4] = np.sqrt(gap_squares / n) / mean_gap
                    row[5] = shortest / mean_gap
                    row[6] = np.log1p(longest / mean_gap)
                row[7] = _log_ratio(mean_gap, median_mean_gap)
                row[10] = hamming / n
                row[11] = np.sqrt(max(0.0, hamming2 / n - (hamming / n) ** 2))
                row[12] = changed / n
                row[14] = dlc_changed / n
            last = max(0.0, t[begin + order[first + c - 1]] - t[begin + order[first]])
            row[8] = min(1.0, last / duration) if duration > 0 else 0.0
            row[9] = early / c
            row[13] = changed_bytes(varies & mask(low_dlc)) / low_dlc if low_dlc else 0.0
            row[15] = max(0.0, 1.0 - repeats_info / XLOG2X[n_bytes]) if n_bytes > 1 else 0.0
            row[16] = before / n_before if n_before else 0.0
            row[17] = before_low if n_before else 0.0
            row[18] = after / n_after if n_after else 0.0
            row[19] = after_low if n_after else 0.0
            row[20] = in_degree[u] / c
            row[21] = out_degree[u] / c
            row[22] = 0.0

            if with_profile:
                for k in range(23, 33):
                    row[k] = 0.0
                row[27] = 1.0
                if not has_profile:
                    row[27] = 0.0
                    continue
                row[32] = 1.0
                p = np.searchsorted(p_ids, node_id)
                if p == n_profile or p_ids[p] != node_id:
                    row[23] = 1.0
                    continue
                expected = p_rate[p] * duration
                missing -= min(expected, float(c))
                row[24] = (c - expected) / size
                row[25] = min(LIMIT, max(-LIMIT, np.log2(c / max(expected, FLOOR))))
                if c > 1 and p_period[p] > 0:
                    fast = 0
                    for j in range(first + 1, first + c):
                        fast += t[begin + order[j]] - t[begin + order[j - 1]] < 0.5 * p_period[p]
                    row[26] = fast / (c - 1)
                    row[27] = min(2.0, shortest / p_period[p])
                other_dlc, broken = 0, 0
                for j in range(first, first + c):
                    f = begin + order[j]
                    other_dlc += dlc[f] != p_dlc[p]
                    broken += ((words[f] ^ p_value[p]) & p_mask[p] & mask(dlc[f])) != 0
                row[28] = other_dlc / c
                row[29] = row[12] - p_change[p] if c > 1 else 0.0
                row[30] = broken / c
        if with_profile:
            for u in range(n_nodes):
                x[n0 + u, 31] = max(0.0, missing) / size

        for e in range(n_edges):
            row = edge_attr[e0 + e]
            u, v = source[e], target[e]
            c = e_counts[e]
            first = e_offset[e]
            total, squares, low = 0.0, 0.0, np.inf
            hamming = 0.0
            same = 0
            for j in range(first, first + c):
                i = e_order[j]
                f = begin + i
                total += log_gap[i]
                low = min(low, log_gap[i])
                both = min(dlc[f], dlc[f + 1])
                if both:
                    hamming += bits((words[f] ^ words[f + 1]) & mask(both)) / (8 * both)
                same += dlc[f] == dlc[f + 1]
            mean = total / c
            for j in range(first, first + c):
                d = log_gap[e_order[j]] - mean
                squares += d * d
            row[0] = c / (size - 1)
            row[1] = c / counts[u]
            row[2] = c / counts[v]
            row[3] = 1.0 if u != v and linked(out, v, u) else 0.0
            row[4] = 1.0 if u == v else 0.0
            row[5] = mean
            row[6] = low
            row[7] = np.sqrt(squares / c)
            row[8] = hamming / c
            row[9] = same / c
            if u == v:
                x[n0 + u, 22] = c / counts[u]
            pairs[e0 + e, 0] = u
            pairs[e0 + e, 1] = v
