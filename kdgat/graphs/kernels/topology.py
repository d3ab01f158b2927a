"""First pass: nodes and unique edges of every window."""

from __future__ import annotations

import numpy as np

from kdgat.compiled import inlined, kernel
from kdgat.graphs.kernels.common import bits


@kernel
def count(ids, label, starts, size, node_of, edge_of, n_nodes, n_edges, injected):  # noqa: PLR0913, PLR0915
    """Number the nodes (CAN IDs) and edges (ID of a frame → ID of the next) of each window by first appearance.

    Args:
        ids: u32[N]; label: u8[N]; starts: i64[B]; size: W.
        node_of: u16[B, W], receives the node of each frame.
        edge_of: u16[B, W], receives the edge from each frame to the next (last column unused).
        n_nodes, n_edges: i64[B], receive how many there are; injected: u16[B], labelled frames.
    """
    width = 1
    while (1 << width) < 2 * size:
        width += 1
    slots = 1 << width
    last = np.uint32(slots - 1)
    node_key = np.empty(slots, np.uint32)
    node_stamp = np.full(slots, -1, np.int64)
    node_value = np.empty(slots, np.uint16)
    edge_key = np.empty(slots, np.uint32)
    edge_stamp = np.full(slots, -1, np.int64)
    edge_value = np.empty(slots, np.uint16)
    shift = np.uint32(32 - width)
    golden = np.uint32(0x9E3779B1)
    for b in range(len(starts)):
        begin = starts[b]
        nodes = 0
        edges = 0
        positive = 0
        before = np.uint32(0)
        for i in range(size):
            key = ids[begin + i]
            positive += label[begin + i] != 0
            slot = np.uint32(key * golden) >> shift
            while node_stamp[slot] == b and node_key[slot] != key:
                slot = (slot + np.uint32(1)) & last
            if node_stamp[slot] != b:
                node_stamp[slot] = b
                node_key[slot] = key
                node_value[slot] = nodes
                nodes += 1
            node = np.uint32(node_value[slot])
            node_of[b, i] = node
            if i:
                pair = np.uint32((before << np.uint32(16)) | node)
                slot = np.uint32(pair * golden) >> shift
                while edge_stamp[slot] == b and edge_key[slot] != pair:
                    slot = (slot + np.uint32(1)) & last
                if edge_stamp[slot] != b:
                    edge_stamp[slot] = b
                    edge_key[slot] = pair
                    edge_value[slot] = edges
                    edges += 1
                edge_of[b, i - 1] = edge_value[slot]
            before = node
        n_nodes[b] = nodes
        n_edges[b] = edges
        injected[b] = positive


@kernel
def ends(node, edge, size, source, target):
    """Source and target node of each edge of one window, from the numbers of its frames."""
    for i in range(size - 1):
        source[edge[i]] = node[i]
        target[edge[i]] = node[i + 1]


@kernel
def adjacency(source, target, n_nodes, n_edges, out, near, out_degree, in_degree):
    """Neighbours of each node of one window as bit sets, and distinct-neighbour degrees (self-loops left out).

    Args:
        out: u64[W, words], bit v of row u: edge u → v; near: the same without direction and self-loops.
    """
    words = (n_nodes + 63) // 64
    for u in range(n_nodes):
        out_degree[u] = 0
        in_degree[u] = 0
        for w in range(words):
            out[u, w] = 0
            near[u, w] = 0
    one = np.uint64(1)
    for e in range(n_edges):
        u, v = source[e], target[e]
        out[u, v >> 6] |= one << np.uint64(v & 63)
        if u != v:
            out_degree[u] += 1
            in_degree[v] += 1
            near[u, v >> 6] |= one << np.uint64(v & 63)
            near[v, u >> 6] |= one << np.uint64(u & 63)


@inlined
def linked(out, u, v):
    """Whether there is an edge u → v."""
    return (out[u, v >> 6] >> np.uint64(v & 63)) & np.uint64(1) != 0


@kernel
def clustering(source, target, out, near, n_nodes, n_edges, degree, coefficient):
    """Local clustering of the simple undirected graph: links among the neighbours of u over k·(k − 1)/2; 0 if k < 2.

    Every link of u has as many triangles as its ends have common neighbours; each triangle at u is seen from two links.
    """
    n_words = (n_nodes + 63) // 64
    for u in range(n_nodes):
        degree[u] = 0
        coefficient[u] = 0.0
    for e in range(n_edges):
        u, v = source[e], target[e]
        if u == v or (u > v and linked(out, v, u)):
            continue
        common = 0
        for w in range(n_words):
            common += bits(near[u, w] & near[v, w])
        degree[u] += 1
        degree[v] += 1
        coefficient[u] += common
        coefficient[v] += common
    for u in range(n_nodes):
        if degree[u] > 1:
            coefficient[u] /= degree[u] * (degree[u] - 1)
