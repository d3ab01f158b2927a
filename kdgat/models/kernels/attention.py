"""GATv2's attention (Brody et al. 2022, eq. 7), forwards and backwards, over edges that are sorted by target.

Arrays are f32 and contiguous; nodes N, edges of a part E, heads H of C columns each. Each kernel is one pass over a part's edges,
whose inner loops write one row each: such are made vector instructions.
"""

from __future__ import annotations

import numpy as np

from kdgat.compiled import kernel, summing
from kdgat.models.kernels.graphs import less_one


@kernel
def by_target(source, target, edge, nodes):  # type: ignore[no-untyped-def]
    """Sort edges by target.

    Args:
        source, target: i64[E].
        edge: f32[E, G], their features.
        nodes: N.

    Returns:
        order i64[E], stable; where each node's edges begin in it, i64[N + 1]; source, target and features in that order.
    """
    begins = np.zeros(nodes + 1, np.int64)
    for e in range(len(target)):
        begins[target[e] + 1] += 1
    for n in range(nodes):
        begins[n + 1] += begins[n]
    free = begins[:-1].copy()
    order, sources, targets = np.empty(len(target), np.int64), np.empty(len(target), np.int64), target.copy()
    features = np.empty(edge.shape, np.float32)
    for e in range(len(target)):
        at = free[target[e]]
        free[target[e]] = at + 1
        order[at], sources[at], targets[at] = e, source[e], target[e]
        to, row = features[at], edge[e]
        for g in range(len(row)):
            to[g] = row[g]
    return order, begins, sources, targets, features


@kernel
def in_order(rows, order):  # type: ignore[no-untyped-def]
    """Put rows f32[E, H] that are sorted by target back to where their edges were, which `order` says."""
    out = np.empty(rows.shape, np.float32)
    for e in range(len(order)):
        for h in range(rows.shape[1]):
            out[order[e], h] = rows[e, h]
    return out


@summing
def _scores(att, z, slope, to):  # type: ignore[no-untyped-def]
    """Score of an edge by each head, into `to` f32[H], from f32[H, C] each."""
    for h in range(len(to)):
        total = np.float32(0)
        for c in range(att.shape[1]):
            total += att[h, c] * max(z[h, c], slope * z[h, c])
        to[h] = total


@summing
def _products(a, b, to):  # type: ignore[no-untyped-def]
    """Scalar product of two rows f32[C] of each head, into `to` f32[H]."""
    for h in range(len(to)):
        total = np.float32(0)
        for c in range(a.shape[1]):
            total += a[h, c] * b[h, c]
        to[h] = total


@kernel
def add_ends(left, right, source, target, z):  # type: ignore[no-untyped-def]
    """Add to each edge's projected features `z` f32[E, D] the projections f32[N, D] of its source and of its target."""
    for e in range(len(source)):
        to, begin, end = z[e], left[source[e]], right[target[e]]
        for j in range(len(to)):
            to[j] += begin[j] + end[j]


@kernel
def weigh(z, att, slope, begins, alpha):  # type: ignore[no-untyped-def]
    """Softmax over the edges of each target of what heads score them by, into `alpha` f32[E, H].

    Args:
        z: f32[E, H, C], what `add_ends` gave.
        att: f32[H, C].
        slope: of the rectifier under 0.
        begins: i64[n + 1], where the edges of each target of this part begin.
        alpha: what is written.
    """
    heads = alpha.shape[1]
    for e in range(len(z)):
        _scores(att, z[e], slope, alpha[e])
    for t in range(len(begins) - 1):
        for h in range(heads):
            largest = np.float32(-np.inf)
            for e in range(begins[t], begins[t + 1]):
                largest = max(largest, alpha[e, h])
            for e in range(begins[t], begins[t + 1]):
                alpha[e, h] -= largest
    flat = alpha.reshape(alpha.size)
    for i in range(len(flat)):
        flat[i] = less_one(flat[i]) + np.float32(1)
    for t in range(len(begins) - 1):
        for h in range(heads):
            total = np.float32(0)
            for e in range(begins[t], begins[t + 1]):
                total += alpha[e, h]
            for e in range(begins[t], begins[t + 1]):
                alpha[e, h] /= total


@kernel
def gather(left, source, target, alpha, out):  # type: ignore[no-untyped-def]
    """Add each source's projection f32[N, H, C], weighed by `alpha` f32[E, H], to its target's row of `out` f32[N, H, C]."""
    for e in range(len(source)):
        for h in range(alpha.shape[1]):
            weight, value, to = alpha[e, h], left[source[e], h], out[target[e], h]
            for c in range(len(to)):
                to[c] += weight * value[c]


@kernel
def to_scores(grad, left, source, target, alpha, begins, out):  # type: ignore[no-untyped-def]
    """Gradient of each edge's scores, into `out` f32[E, H], from that of the nodes' output, `grad` f32[N, H, C]."""
    for e in range(len(source)):
        _products(grad[target[e]], left[source[e]], out[e])
    for t in range(len(begins) - 1):
        for h in range(out.shape[1]):
            mean = np.float32(0)
            for e in range(begins[t], begins[t + 1]):
                mean += alpha[e, h] * out[e, h]
            for e in range(begins[t], begins[t + 1]):
                out[e, h] = alpha[e, h] * (out[e, h] - mean)


@kernel
def to_sums(scores, att, slope, z, to_att):  # type: ignore[no-untyped-def]
    """Replace `z` f32[E, H, C] by its gradient, from that of the scores f32[E, H]; add that of `att` to `to_att` f32[H, C]."""
    for e in range(len(z)):
        for h in range(len(att)):
            score, of, at, to = scores[e, h], z[e, h], att[h], to_att[h]
            for c in range(len(to)):
                to[c] += score * max(of[c], slope * of[c])
            for c in range(len(to)):
                of[c] = score * at[c] * (np.float32(1) if of[c] > 0 else slope)


@kernel
def to_ends(grad, z, source, target, alpha, to_left, to_right):  # type: ignore[no-untyped-def]
    """Add to the gradients of sources and targets, f32[N, H, C], what each edge's `z`, its gradient by now, gives them."""
    for e in range(len(source)):
        for h in range(alpha.shape[1]):
            weight, given, of, to = alpha[e, h], grad[target[e], h], z[e, h], to_left[source[e], h]
            for c in range(len(to)):
                to[c] += weight * given[c] + of[c]
    for e in range(len(source)):
        for h in range(alpha.shape[1]):
            of, to = z[e, h], to_right[target[e], h]
            for c in range(len(to)):
                to[c] += of[c]
