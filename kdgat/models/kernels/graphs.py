"""Sums over the nodes of each graph, forwards and backwards. Arrays are f32 and contiguous: N nodes of D columns, B graphs;
`graph` i64[N] is the graph of each node.
"""

from __future__ import annotations

import numpy as np

from kdgat.compiled import kernel


@kernel
def sizes(graph, graphs):  # type: ignore[no-untyped-def]
    """Nodes of each graph, f32[B], at least 1."""
    out = np.zeros(graphs, np.float32)
    for n in range(len(graph)):
        out[graph[n]] += 1
    return np.maximum(out, np.float32(1))


@kernel
def means(x, graph, count):  # type: ignore[no-untyped-def]
    """Mean of the rows `x` of each graph, f32[B, D]; `count` f32[B] of `sizes`."""
    out = np.zeros((len(count), x.shape[1]), np.float32)
    for n in range(len(x)):
        for j in range(x.shape[1]):
            out[graph[n], j] += x[n, j]
    for b in range(len(count)):
        for j in range(x.shape[1]):
            out[b, j] /= count[b]
    return out


@kernel
def normalised(x, graph, count, weight, bias, mean_scale, eps):  # type: ignore[no-untyped-def]
    """GraphNorm (Cai et al. 2021, eq. 6): output and standardised rows f32[N, D], mean and 1/deviation f32[B, D]."""
    mean = means(x, graph, count)
    inverse = np.zeros(mean.shape, np.float32)
    scaled, out = np.empty(x.shape, np.float32), np.empty(x.shape, np.float32)
    width = x.shape[1]
    for n in range(len(x)):
        b = graph[n]
        for j in range(width):
            scaled[n, j] = x[n, j] - mean[b, j] * mean_scale[j]
            inverse[b, j] += scaled[n, j] * scaled[n, j]
    for b in range(len(count)):
        for j in range(width):
            inverse[b, j] = np.float32(1) / np.sqrt(inverse[b, j] / count[b] + eps)
    for n in range(len(x)):
        b = graph[n]
        for j in range(width):
            scaled[n, j] *= inverse[b, j]
            out[n, j] = weight[j] * scaled[n, j] + bias[j]
    return out, scaled, mean, inverse


@kernel
def normalised_backward(grad, scaled, mean, inverse, graph, count, weight, mean_scale):  # type: ignore[no-untyped-def]
    """Gradients of x f32[N, D], weight, bias and mean_scale f32[D]; `scaled`, `mean`, `inverse` as `normalised` gave them."""
    nodes, width = grad.shape
    to_weight, to_bias, to_scale = (
        np.zeros(width, np.float32),
        np.zeros(width, np.float32),
        np.zeros(width, np.float32),
    )
    along, total = np.zeros(mean.shape, np.float32), np.zeros(mean.shape, np.float32)
    to_x = np.empty((nodes, width), np.float32)
    for n in range(nodes):
        b = graph[n]
        for j in range(width):
            product = grad[n, j] * scaled[n, j]
            to_bias[j] += grad[n, j]
            to_weight[j] += product
            along[b, j] += product
    for b in range(len(count)):
        for j in range(width):
            along[b, j] /= count[b]
    for n in range(nodes):
        b = graph[n]
        for j in range(width):
            to_x[n, j] = weight[j] * inverse[b, j] * (grad[n, j] - scaled[n, j] * along[b, j])
            total[b, j] += to_x[n, j]
    for b in range(len(count)):
        for j in range(width):
            to_scale[j] -= mean[b, j] * total[b, j]
            total[b, j] *= mean_scale[j] / count[b]
    for n in range(nodes):
        b = graph[n]
        for j in range(width):
            to_x[n, j] -= total[b, j]
    return to_x, to_weight, to_bias, to_scale


@kernel
def readout(h, share, graph, count):  # type: ignore[no-untyped-def]
    """Mean, maximum and mean weighted by `share` f32[N] of each graph's rows, f32[B, 3·D]; `graph` is ascending."""
    width = h.shape[1]
    out = np.zeros((len(count), 3 * width), np.float32)
    for n in range(len(h)):
        row, b = h[n], graph[n]
        mean, largest, weighted = out[b, :width], out[b, width : 2 * width], out[b, 2 * width :]
        if n == 0 or graph[n - 1] != b:
            largest[:] = row
        for j in range(width):
            mean[j] += row[j]
            largest[j] = max(largest[j], row[j])
            weighted[j] += share[n] * row[j]
    for b in range(len(count)):
        for j in range(width):
            out[b, j] /= count[b]
    return out


@kernel
def readout_backward(grad, out, h, share, graph, count):  # type: ignore[no-untyped-def]
    """Gradient of h f32[N, D]; that of a maximum is shared by all rows that reach it.

    Torch's scatter counts the zero that it begins with among them, where the maximum is 0; so does this.
    """
    nodes, width = h.shape
    ties, both = np.zeros((len(count), width), np.float32), grad.copy()
    for n in range(nodes):
        row, b = h[n], graph[n]
        largest, reached = out[b, width : 2 * width], ties[b]
        for j in range(width):
            reached[j] += np.float32(1) if row[j] == largest[j] else np.float32(0)
    for b in range(len(count)):
        for j in range(width):
            both[b, j] /= count[b]
            zero = np.float32(1) if out[b, width + j] == 0 else np.float32(0)
            both[b, width + j] /= max(ties[b, j] + zero, np.float32(1))
    to_h = np.empty((nodes, width), np.float32)
    for n in range(nodes):
        row, b, to_row = h[n], graph[n], to_h[n]
        largest = out[b, width : 2 * width]
        mean, most, weighted = both[b, :width], both[b, width : 2 * width], both[b, 2 * width :]
        for j in range(width):
            most_here = most[j] if row[j] == largest[j] else np.float32(0)
            to_row[j] = mean[j] + share[n] * weighted[j] + most_here
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
