"""Sums over the nodes of each graph, forwards and backwards. Arrays are f32 and contiguous: N nodes of D columns, B graphs;
`begins` i64[B + 1] is where each graph's nodes begin. Loops run along one row and write one: the compiler vectorises these.
"""

from __future__ import annotations

import numpy as np

from kdgat.compiled import inlined, kernel

#: log₂ e, and ln 2 as a sum whose first part has few bits
PER_LN2, LN2_HIGH, LN2_LOW = np.float32(1.4426950408889634), np.float32(0.693359375), np.float32(-2.12194440e-4)


@kernel
def begins(graph, graphs):  # type: ignore[no-untyped-def]
    """Where each graph's nodes begin, i64[B + 1]; `graph` i64[N] is the graph of each node, ascending."""
    out = np.zeros(graphs + 1, np.int64)
    for n in range(len(graph)):
        out[graph[n] + 1] += 1
    for b in range(graphs):
        out[b + 1] += out[b]
    return out


@inlined
def less_one(x):  # type: ignore[no-untyped-def]
    """eˣ − 1 for x ≤ 0 to one unit in the last place or so (Cephes' expf, without its last addition)."""
    x = max(x, np.float32(-87))
    n = np.floor(x * PER_LN2 + np.float32(0.5))
    r = x - n * LN2_HIGH - n * LN2_LOW
    p = np.float32(1.9875691500e-4) * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    power = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
    return power * (p * r * r + r) + (power - np.float32(1))


@kernel
def _standardise(x, mean_scale, eps, mean, inverse, scaled):  # type: ignore[no-untyped-def]
    """Standardise the rows `x` of one graph into `scaled`; their mean and 1/deviation go into `mean`, `inverse` f32[D], zeros so far."""
    count, width = np.float32(max(len(x), 1)), len(mean)
    for n in range(len(x)):
        row = x[n]
        for j in range(width):
            mean[j] += row[j]
    for j in range(width):
        mean[j] /= count
    for n in range(len(x)):
        row, to = x[n], scaled[n]
        for j in range(width):
            to[j] = row[j] - mean[j] * mean_scale[j]
        for j in range(width):
            inverse[j] += to[j] * to[j]
    for j in range(width):
        inverse[j] = np.float32(1) / np.sqrt(inverse[j] / count + eps)
    for n in range(len(x)):
        to = scaled[n]
        for j in range(width):
            to[j] *= inverse[j]


@kernel
def _drop(rows, kept, factor):  # type: ignore[no-untyped-def]
    """Multiply what dropout keeps of `rows` by `factor`, and set the rest to 0; `kept` without rows: there is no dropout."""
    for n in range(len(kept)):
        row, keep = rows[n], kept[n]
        for j in range(len(row)):
            row[j] = row[j] * factor if keep[j] else np.float32(0)


@kernel
def activated(x, begins, weight, bias, mean_scale, eps, kept, factor):  # type: ignore[no-untyped-def]
    """ELU of GraphNorm (Cai et al. 2021, eq. 6), then dropout.

    Args:
        x: f32[N, D].
        begins: of `begins`.
        weight, bias, mean_scale: f32[D].
        eps: added to the variance.
        kept: bool[N, D], what dropout keeps; [0, D]: there is none.
        factor: what dropout multiplies it by.

    Returns:
        output and standardised rows f32[N, D], mean and 1/deviation f32[B, D].
    """
    graphs, width = len(begins) - 1, x.shape[1]
    means, inverses = np.zeros((graphs, width), np.float32), np.zeros((graphs, width), np.float32)
    scaled, out = np.empty(x.shape, np.float32), np.empty(x.shape, np.float32)
    for b in range(graphs):
        own = slice(begins[b], begins[b + 1])
        _standardise(x[own], mean_scale, eps, means[b], inverses[b], scaled[own])
        for n in range(begins[b], begins[b + 1]):
            standard, to = scaled[n], out[n]
            for j in range(width):
                to[j] = weight[j] * standard[j] + bias[j]
            for j in range(width):
                to[j] = max(to[j], np.float32(0)) + less_one(min(to[j], np.float32(0)))
    _drop(out, kept, factor)
    return out, scaled, means, inverses


@kernel
def _to_norm(grad, out, kept, factor, to):  # type: ignore[no-untyped-def]
    """Gradient of what ELU and dropout made `out` of, into `to`; all f32[n, D] but `kept`."""
    share = np.float32(1) / factor
    for n in range(len(grad)):
        given, value, row = grad[n], out[n], to[n]
        for j in range(len(row)):  # the slope of ELU: 1 over 0, its value + 1 under it
            row[j] = given[j] * (min(value[j] * share, np.float32(0)) + np.float32(1))
    _drop(to, kept, factor)


@kernel
def activated_backward(grad, out, scaled, means, inverses, begins, weight, mean_scale, kept, factor):  # type: ignore[no-untyped-def]  # noqa: PLR0913
    """Gradients of x f32[N, D], weight, bias and mean_scale f32[D], from that of `out`; the rest as `activated` had or gave it."""
    nodes, width = grad.shape
    to_weight, to_bias = np.zeros(width, np.float32), np.zeros(width, np.float32)
    to_scale, to_x = np.zeros(width, np.float32), np.empty((nodes, width), np.float32)
    along, total, back = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    for b in range(len(begins) - 1):
        own = slice(begins[b], begins[b + 1])
        count = np.float32(max(begins[b + 1] - begins[b], 1))
        _to_norm(grad[own], out[own], kept[own], factor, to_x[own])
        along[:] = 0
        total[:] = 0
        for n in range(begins[b], begins[b + 1]):
            to, standard = to_x[n], scaled[n]
            for j in range(width):
                to_bias[j] += to[j]
            for j in range(width):
                along[j] += to[j] * standard[j]
        for j in range(width):
            to_weight[j] += along[j]
            along[j] /= count
            back[j] = weight[j] * inverses[b, j]
        for n in range(begins[b], begins[b + 1]):
            to, standard = to_x[n], scaled[n]
            for j in range(width):
                to[j] = back[j] * (to[j] - standard[j] * along[j])
            for j in range(width):
                total[j] += to[j]
        for j in range(width):
            to_scale[j] -= means[b, j] * total[j]
            total[j] *= mean_scale[j] / count
        for n in range(begins[b], begins[b + 1]):
            to = to_x[n]
            for j in range(width):
                to[j] -= total[j]
    return to_x, to_weight, to_bias, to_scale


@kernel
def readout(h, share, begins, least):  # type: ignore[no-untyped-def]
    """Mean, maximum, mean weighted by `share` f32[N] and, if `least`, minimum of each graph's rows, f32[B, 3 or 4, D].

    Of NaN, means become NaN, extremes need not.
    """
    width = h.shape[1]
    out = np.zeros((len(begins) - 1, 4 if least else 3, width), np.float32)
    for b in range(len(begins) - 1):
        first, end = begins[b], begins[b + 1]
        mean, largest, weighted = out[b, 0], out[b, 1], out[b, 2]
        if first < end:
            largest[:] = h[first]
        for n in range(first, end):
            row, weight = h[n], share[n]
            for j in range(width):
                mean[j] += row[j]
            for j in range(width):
                largest[j] = max(largest[j], row[j])
            for j in range(width):
                weighted[j] += weight * row[j]
        for j in range(width):
            mean[j] /= np.float32(max(end - first, 1))
        if least:
            smallest = out[b, 3]
            if first < end:
                smallest[:] = h[first]
            for n in range(first, end):
                row = h[n]
                for j in range(width):
                    smallest[j] = min(smallest[j], row[j])
    return out


@kernel
def _shared(h, extreme, first, end, to):  # type: ignore[no-untyped-def]
    """Divide the gradient `to` f32[D] of an extreme f32[D] of the rows from `first` to before `end` by the rows that reach it.

    Torch's scatter counts the zero that it begins with among them, where the extreme is 0; so does this.
    """
    ties = np.zeros(len(to), np.float32)
    for n in range(first, end):
        row = h[n]
        for j in range(len(to)):
            ties[j] += np.float32(1) if row[j] == extreme[j] else np.float32(0)
    for j in range(len(to)):
        zero = np.float32(1) if extreme[j] == 0 else np.float32(0)
        to[j] /= max(ties[j] + zero, np.float32(1))


@kernel
def readout_backward(grad, out, h, share, begins):  # type: ignore[no-untyped-def]
    """Gradient of h f32[N, D], from that of `out` f32[B, 3 or 4, D], which `readout` gave; an extreme's is shared by its rows."""
    width = h.shape[1]
    to_h, parts = np.empty(h.shape, np.float32), np.empty(grad.shape[1:], np.float32)
    for b in range(len(begins) - 1):
        first, end = begins[b], begins[b + 1]
        parts[:] = grad[b]
        mean, most, weighted, largest = parts[0], parts[1], parts[2], out[b, 1]
        for j in range(width):
            mean[j] /= np.float32(max(end - first, 1))
        _shared(h, largest, first, end, most)
        for n in range(first, end):
            row, to, weight = h[n], to_h[n], share[n]
            for j in range(width):
                to[j] = mean[j] + weight * weighted[j]
            for j in range(width):
                to[j] += most[j] if row[j] == largest[j] else np.float32(0)
        if len(parts) > 3:
            smallest, least = out[b, 3], parts[3]
            _shared(h, smallest, first, end, least)
            for n in range(first, end):
                row, to = h[n], to_h[n]
                for j in range(width):
                    to[j] += least[j] if row[j] == smallest[j] else np.float32(0)
    return to_h


@kernel
def neighbours(x, source, target):  # type: ignore[no-untyped-def]
    """Mean of the rows of each node's sources, over its edges, f32[N, D]; 0 without any."""
    out, count = np.zeros(x.shape, np.float32), np.zeros(len(x), np.float32)
    for e in range(len(source)):
        count[target[e]] += 1
        for j in range(x.shape[1]):
            out[target[e], j] += x[source[e], j]
    for n in range(len(x)):
        for j in range(x.shape[1]):
            out[n, j] /= max(count[n], np.float32(1))
    return out
