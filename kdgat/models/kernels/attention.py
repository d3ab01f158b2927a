"""GATv2's attention (Brody et al. 2022, eq. 7), forwards and backwards, in one pass over the edges of each target.

Arrays are f32 and contiguous; nodes N, edges E, edge features G, heads H of C columns each, D = H·C. Nothing of the size
E·D is ever made: what an edge adds to the score is computed where it is needed, and again on the way back.
"""

from __future__ import annotations

import numpy as np

from kdgat.compiled import kernel, summing


@kernel
def by_target(target, nodes):  # type: ignore[no-untyped-def]
    """Sort edges by target, i64[E]: order i64[E], stable, and where each node's edges begin in it, i64[N + 1]."""
    begins = np.zeros(nodes + 1, np.int64)
    for e in range(len(target)):
        begins[target[e] + 1] += 1
    for n in range(nodes):
        begins[n + 1] += begins[n]
    free = begins[:-1].copy()
    order = np.empty(len(target), np.int64)
    for e in range(len(target)):
        order[free[target[e]]] = e
        free[target[e]] += 1
    return order, begins


@kernel
def _sums(left, right, edge, edge_weight, out):  # type: ignore[no-untyped-def]
    """What an edge is scored by, before the rectifier, into `out` f32[D]: of its source, its target and its features f32[G]."""
    for j in range(len(out)):
        out[j] = left[j] + right[j]
    for g in range(len(edge)):
        value, row = edge[g], edge_weight[g]
        for j in range(len(out)):
            out[j] += value * row[j]


@summing
def _score(att, z, slope):  # type: ignore[no-untyped-def]
    """One head's score of an edge, of f32[C] each."""
    total = np.float32(0)
    for c in range(len(att)):
        total += att[c] * max(z[c], slope * z[c])
    return total


@summing
def _dot(a, b):  # type: ignore[no-untyped-def]
    """Scalar product of f32[n] each."""
    total = np.float32(0)
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@kernel
def forward(left, right, edge, edge_weight, att, source, order, begins, slope):  # type: ignore[no-untyped-def]  # noqa: PLR0913
    """Output f32[N, D] and attention f32[E, H].

    Args:
        left, right: f32[N, D], projections of a node as source and as target.
        edge, edge_weight: f32[E, G] and f32[G, D]; G may be 0.
        att: f32[H, C].
        source: i64[E].
        order, begins: of `by_target`.
        slope: of the rectifier under 0.
    """
    nodes, width = left.shape
    heads, columns = att.shape
    out, alpha = np.zeros((nodes, width), np.float32), np.empty((len(source), heads), np.float32)
    z = np.empty(width, np.float32)
    for t in range(nodes):
        for k in range(begins[t], begins[t + 1]):
            e = order[k]
            _sums(left[source[e]], right[t], edge[e], edge_weight, z)
            for h in range(heads):
                alpha[e, h] = _score(att[h], z[h * columns : (h + 1) * columns], slope)
        for h in range(heads):
            largest, total = np.float32(-np.inf), np.float32(0)
            for k in range(begins[t], begins[t + 1]):
                largest = max(largest, alpha[order[k], h])
            for k in range(begins[t], begins[t + 1]):
                weight = np.exp(alpha[order[k], h] - largest)
                alpha[order[k], h] = weight
                total += weight
            own = out[t, h * columns : (h + 1) * columns]
            for k in range(begins[t], begins[t + 1]):
                e = order[k]
                weight = alpha[e, h] / total
                alpha[e, h] = weight
                value = left[source[e], h * columns : (h + 1) * columns]
                for c in range(columns):
                    own[c] += weight * value[c]
    return out, alpha


@kernel
def _to_edge(to_z, edge_weight, out):  # type: ignore[no-untyped-def]
    """Gradient of one edge's features, into `out` f32[G]."""
    for g in range(len(out)):
        out[g] = _dot(edge_weight[g], to_z)


@kernel
def backward(grad, left, right, edge, edge_weight, att, source, order, begins, slope, alpha, edges):  # type: ignore[no-untyped-def]  # noqa: PLR0913
    """Gradients of left, right f32[N, D], edge f32[E, G], edge_weight f32[G, D] and att f32[H, C].

    Args:
        grad: f32[N, D], of the output.
        left, right, edge, edge_weight, att, source, order, begins, slope: of `forward`.
        alpha: f32[E, H], the attention that it gave.
        edges: whether the gradient of `edge` is wanted; it is 0 otherwise.
    """
    nodes, width = left.shape
    heads, columns = att.shape
    features = edge.shape[1]
    to_left, to_right = np.zeros((nodes, width), np.float32), np.zeros((nodes, width), np.float32)
    to_edge, to_weight = np.zeros(edge.shape, np.float32), np.zeros((features, width), np.float32)
    to_att = np.zeros((heads, columns), np.float32)
    to_alpha = np.empty((len(source), heads), np.float32)
    z, to_z, mean = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(heads, np.float32)
    for t in range(nodes):
        mean[:] = 0
        for k in range(begins[t], begins[t + 1]):
            e = order[k]
            for h in range(heads):
                own = slice(h * columns, (h + 1) * columns)
                to_alpha[e, h] = _dot(grad[t, own], left[source[e], own])
                mean[h] += alpha[e, h] * to_alpha[e, h]
        for k in range(begins[t], begins[t + 1]):
            e = order[k]
            s = source[e]
            _sums(left[s], right[t], edge[e], edge_weight, z)
            for h in range(heads):
                weight = alpha[e, h]
                to_score = weight * (to_alpha[e, h] - mean[h])
                for c in range(columns):
                    j = h * columns + c
                    steep = np.float32(1) if z[j] > 0 else slope
                    to_z[j] = to_score * att[h, c] * steep
                    to_att[h, c] += to_score * steep * z[j]
                    to_left[s, j] += weight * grad[t, j] + to_z[j]
                    to_right[t, j] += to_z[j]
            for g in range(features):
                value = edge[e, g]
                for j in range(width):
                    to_weight[g, j] += value * to_z[j]
            if edges:
                _to_edge(to_z, edge_weight, to_edge[e])
    return to_left, to_right, to_edge, to_weight, to_att
