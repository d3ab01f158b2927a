"""GATv2's attention (Brody et al. 2022, eq. 7), forwards and backwards, over edges that are sorted by target.

Arrays are f32 and contiguous; nodes N, edges E, edge features G, heads H of C columns each, D = H·C. Loops over edges run one
after the other, and their inner loops write one row each, which the compiler vectorises.
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
def _add_ends(left, right, source, target, z):  # type: ignore[no-untyped-def]
    """Add to each edge's projected features `z` f32[E, D] the projections f32[N, D] of its source and of its target."""
    for e in range(len(source)):
        to, begin, end = z[e], left[source[e]], right[target[e]]
        for j in range(len(to)):
            to[j] += begin[j] + end[j]


@kernel
def _weigh(z, att, slope, begins, alpha):  # type: ignore[no-untyped-def]
    """Softmax over the edges of each target of what heads score them by, into `alpha` f32[E, H], from z f32[E, H, C]."""
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
def forward(left, right, source, target, begins, z, att, slope):  # type: ignore[no-untyped-def]
    """Weigh the sources of each node.

    Args:
        left, right: f32[N, D], projections of a node as source and as target.
        source, target, begins: of `by_target`.
        z: f32[E, D], projected features of the edges; those of their ends are added to it.
        att: f32[H, C].
        slope: of the rectifier under 0.

    Returns:
        output f32[N, D] and attention f32[E, H].
    """
    heads, columns = att.shape
    out, alpha = np.zeros(left.shape, np.float32), np.empty((len(z), heads), np.float32)
    _add_ends(left, right, source, target, z)
    _weigh(z.reshape(len(z), heads, columns), att, slope, begins, alpha)
    values, sums = left.reshape(len(left), heads, columns), out.reshape(len(out), heads, columns)
    for e in range(len(z)):
        for h in range(heads):
            weight, value, to = alpha[e, h], values[source[e], h], sums[target[e], h]
            for c in range(columns):
                to[c] += weight * value[c]
    return out, alpha


@kernel
def _to_scores(grad, left, source, target, begins, alpha):  # type: ignore[no-untyped-def]
    """Gradient of each edge's scores f32[E, H], from that of the output, f32[N, H, C]."""
    out = np.empty(alpha.shape, np.float32)
    for e in range(len(source)):
        _products(grad[target[e]], left[source[e]], out[e])
    for t in range(len(begins) - 1):
        for h in range(out.shape[1]):
            mean = np.float32(0)
            for e in range(begins[t], begins[t + 1]):
                mean += alpha[e, h] * out[e, h]
            for e in range(begins[t], begins[t + 1]):
                out[e, h] = alpha[e, h] * (out[e, h] - mean)
    return out


@kernel
def _to_sums(scores, att, slope, z, to_z, to_att):  # type: ignore[no-untyped-def]
    """Gradient of `z` f32[E, H, C] into `to_z`, from that of the scores f32[E, H]; that of `att` is added to `to_att` f32[H, C]."""
    for e in range(len(z)):
        for h in range(len(att)):
            score, of, at, to = scores[e, h], z[e, h], att[h], to_att[h]
            for c in range(len(to)):
                to[c] += score * max(of[c], slope * of[c])
            to = to_z[e, h]
            for c in range(len(to)):
                to[c] = score * at[c] * (np.float32(1) if of[c] > 0 else slope)


@kernel
def backward(grad, left, source, target, begins, z, att, slope, alpha):  # type: ignore[no-untyped-def]  # noqa: PLR0913
    """Gradients of left, right f32[N, D], z f32[E, D] and att f32[H, C].

    Args:
        grad: f32[N, D], of the output.
        left, source, target, begins, att, slope: of `forward`.
        z, alpha: what it left and gave.
    """
    heads, columns = att.shape
    to_left, to_right, to_z = np.zeros(left.shape, np.float32), np.zeros(left.shape, np.float32), np.empty_like(z)
    to_att = np.zeros(att.shape, np.float32)
    given, values = grad.reshape(len(grad), heads, columns), left.reshape(len(left), heads, columns)
    scores = _to_scores(given, values, source, target, begins, alpha)
    by_head = to_z.reshape(len(z), heads, columns)
    _to_sums(scores, att, slope, z.reshape(len(z), heads, columns), by_head, to_att)
    to_values = to_left.reshape(len(left), heads, columns)
    for e in range(len(z)):
        for h in range(heads):
            weight, own, of, to = alpha[e, h], given[target[e], h], by_head[e, h], to_values[source[e], h]
            for c in range(columns):
                to[c] += weight * own[c] + of[c]
    for e in range(len(z)):
        of, to = to_z[e], to_right[target[e]]
        for j in range(len(to)):
            to[j] += of[j]
    return to_left, to_right, to_z, to_att
