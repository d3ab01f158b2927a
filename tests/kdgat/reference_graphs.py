"""Window graphs the slow, obvious way: dictionaries, loops, scipy and networkx. What the engine is held to."""

from __future__ import annotations

from itertools import pairwise
from math import log1p, log2
from statistics import fmean, median, pstdev

import networkx
import numpy as np
from scipy.stats import kurtosis, skew

from kdgat.captures.frames import Frames
from kdgat.graphs.profile import Profile


def window(frames: Frames, start: int, size: int) -> list[dict]:
    """The frames of one window, each with its place, time, ID and payload bytes (DLC of them)."""
    return [
        {
            "at": i,
            "t": float(frames.timestamp[f]),
            "id": int(frames.id[f]),
            "data": bytes(frames.payload[f, : frames.dlc[f]]),
        }
        for i, f in enumerate(range(start, start + size))
    ]


def by_id(rows: list[dict]) -> dict[int, list[dict]]:
    """Frames of each ID, IDs in order of appearance."""
    nodes: dict[int, list[dict]] = {}
    for row in rows:
        nodes.setdefault(row["id"], []).append(row)
    return nodes


def by_pair(rows: list[dict]) -> dict[tuple[int, int], list[tuple[dict, dict]]]:
    """Transitions of each pair of IDs, in order of appearance."""
    edges: dict[tuple[int, int], list[tuple[dict, dict]]] = {}
    for a, b in pairwise(rows):
        edges.setdefault((a["id"], b["id"]), []).append((a, b))
    return edges


def gap(a: dict, b: dict) -> float:
    return max(0.0, b["t"] - a["t"])


def entropy(data: bytes) -> float:
    """Entropy in bits of the histogram of `data`."""
    shares = [data.count(v) / len(data) for v in set(data)]
    return -sum(p * log2(p) for p in shares)


def neighbours(edges, node) -> tuple[int, int]:
    """Distinct predecessors and successors other than the node."""
    return len({u for u, v in edges if v == node and u != node}), len({v for u, v in edges if u == node and v != node})


def hamming(a: dict, b: dict) -> float:
    """Share of differing bits in the bytes that both payloads have."""
    both = min(len(a["data"]), len(b["data"]))
    if not both:
        return 0.0
    return sum((x ^ y).bit_count() for x, y in zip(a["data"], b["data"], strict=False)) / (8 * both)


def published(rows: list[dict]) -> tuple[dict[int, list[float]], dict[tuple[int, int], list[float]]]:
    """Features of each node and each edge, in the order of `kdgat.graphs.features.FEATURES["published"]`."""
    nodes, edges = by_id(rows), by_pair(rows)
    simple = networkx.Graph([(u, v) for u, v in edges if u != v])
    simple.add_nodes_from(nodes)
    clustering = networkx.clustering(simple)
    x = {}
    for node, frames in nodes.items():
        columns = [[f["data"][k] for f in frames if len(f["data"]) > k] for k in range(8)]
        values = [v for f in frames for v in f["data"]]
        uneven = len(set(values)) > 1
        repeats = list(pairwise(frames))
        gaps = [gap(a, b) for a, b in repeats]
        x[node] = [
            *(fmean(c) if c else 0 for c in columns),
            *(pstdev(c) if c else 0 for c in columns),
            *(max(c) - min(c) if c else 0 for c in columns),
            len(frames),
            fmean(entropy(f["data"]) if f["data"] else 0 for f in frames),
            skew(values) if uneven else 0,
            kurtosis(values) if uneven else 0,
            clustering[node],
            fmean(f["at"] < len(rows) / 2 for f in frames),
            fmean(a["data"] != b["data"] for a, b in repeats) if repeats else 0,
            fmean(gaps) if gaps else 0,
            pstdev(gaps) if gaps else 0,
            *neighbours(edges, node),
        ]
    attr = {}
    for (u, v), pairs in edges.items():
        differences = [
            [abs(a["data"][k] - b["data"][k]) if min(len(a["data"]), len(b["data"])) > k else 0 for a, b in pairs]
            for k in range(8)
        ]
        attr[u, v] = [
            fmean(gap(a, b) for a, b in pairs),
            *(fmean(d) for d in differences),
            float(u != v and (v, u) in edges),
            len(pairs),
        ]
    return x, attr


def clip(value: float) -> float:
    return min(10.0, max(-10.0, value))


def log_ratio(a: float, b: float) -> float:
    return clip(log2((a + 1e-6) / (b + 1e-6)))


def relative(rows: list[dict]) -> tuple[dict[int, list[float]], dict[tuple[int, int], list[float]]]:
    """Features of each node and each edge, in the order of `kdgat.graphs.features.FEATURES["relative"]`."""
    size = len(rows)
    nodes, edges = by_id(rows), by_pair(rows)
    duration = gap(rows[0], rows[-1])
    bus_gap = median(gap(a, b) for a, b in pairwise(rows))
    before = {b["at"]: log_ratio(gap(a, b), bus_gap) for a, b in pairwise(rows)}
    after = {a["at"]: log_ratio(gap(a, b), bus_gap) for a, b in pairwise(rows)}
    counts = {node: len(frames) for node, frames in nodes.items()}
    mean_gaps = {node: fmean(gap(a, b) for a, b in pairwise(f)) for node, f in nodes.items() if len(f) > 1}
    x = {}
    for node, frames in nodes.items():
        c = len(frames)
        repeats = list(pairwise(frames))
        gaps = [gap(a, b) for a, b in repeats]
        others = [counts[n] for n in nodes if n != node]
        changes = [hamming(a, b) for a, b in repeats]
        shortest = min(len(f["data"]) for f in frames)
        data = b"".join(f["data"] for f in frames)
        mine_before = [before[f["at"]] for f in frames if f["at"] in before]
        mine_after = [after[f["at"]] for f in frames if f["at"] in after]
        regular = bool(gaps) and fmean(gaps) > 0
        predecessors, successors = neighbours(edges, node)
        x[node] = [
            c / size,
            fmean((n < c) + 0.5 * (n == c) for n in others) if others else 0,
            clip(log2(c / median(counts.values()))),
            c == 1,
            pstdev(gaps) / fmean(gaps) if regular else 0,
            min(gaps) / fmean(gaps) if regular else 0,
            log1p(max(gaps) / fmean(gaps)) if regular else 0,
            log_ratio(fmean(gaps), median(mean_gaps.values())) if gaps else 0,
            min(1.0, gap(frames[0], frames[-1]) / duration) if duration else 0,
            fmean(f["at"] < size / 2 for f in frames),
            fmean(changes) if changes else 0,
            pstdev(changes) if changes else 0,
            fmean(a["data"] != b["data"] for a, b in repeats) if repeats else 0,
            fmean(len({f["data"][k] for f in frames}) > 1 for k in range(shortest)) if shortest else 0,
            fmean(len(a["data"]) != len(b["data"]) for a, b in repeats) if repeats else 0,
            entropy(data) / log2(len(data)) if len(data) > 1 else 0,
            fmean(mine_before) if mine_before else 0,
            min(mine_before, default=0),
            fmean(mine_after) if mine_after else 0,
            min(mine_after, default=0),
            predecessors / c,
            successors / c,
            len(edges.get((node, node), ())) / c,
        ]
    attr = {}
    for (u, v), pairs in edges.items():
        logs = [log_ratio(gap(a, b), bus_gap) for a, b in pairs]
        attr[u, v] = [
            len(pairs) / (size - 1),
            len(pairs) / counts[u],
            len(pairs) / counts[v],
            u != v and (v, u) in edges,
            u == v,
            fmean(logs),
            min(logs),
            pstdev(logs),
            fmean(hamming(a, b) for a, b in pairs),
            fmean(len(a["data"]) == len(b["data"]) for a, b in pairs),
        ]
    return x, attr


def profile(rows: list[dict], known: Profile | None) -> tuple[dict[int, list[float]], dict]:
    """Features of each node and each edge, in the order of `kdgat.graphs.features.FEATURES["profile"]`."""
    base, attr = relative(rows)
    if known is None:
        return {node: values + [0] * 10 for node, values in base.items()}, attr
    size = len(rows)
    duration = gap(rows[0], rows[-1])
    place = {int(i): n for n, i in enumerate(known.id)}
    nodes = by_id(rows)
    short = sum(max(0.0, known.rate[n] * duration - len(nodes.get(i, ()))) for i, n in place.items())
    x = {}
    for node, frames in nodes.items():
        own = [1.0, 0, 0, 0, 1, 0, 0, 0]
        if node in place:
            p = place[node]
            c = len(frames)
            repeats = list(pairwise(frames))
            expected = known.rate[p] * duration
            period = known.period[p]
            timed = bool(repeats) and period > 0
            own = [
                0.0,
                (c - expected) / size,
                clip(log2(c / max(expected, 1e-6))),
                fmean(b["t"] - a["t"] < period / 2 for a, b in repeats) if timed else 0,
                min(2.0, min(gap(a, b) for a, b in repeats) / period) if timed else 1,
                fmean(len(f["data"]) != known.dlc[p] for f in frames),
                fmean(a["data"] != b["data"] for a, b in repeats) - known.change_rate[p] if repeats else 0,
                fmean(
                    any(known.constant[p, k] and v != known.value[p, k] for k, v in enumerate(f["data"]))
                    for f in frames
                ),
            ]
        x[node] = [*base[node], *own, short / size, 1.0]
    return x, attr


def assert_equal_graph(store, i: int, x: dict, attr: dict) -> None:
    """Graph `i` of `store` has these nodes and edges, in this order, with these features (1e-5)."""
    n, e = slice(*store.node_ptr[i : i + 2]), slice(*store.edge_ptr[i : i + 2])
    ids = store.id_code[n]
    assert ids.tolist() == list(x)
    source, target = store.edge_index[:, e]
    assert list(zip(ids[source].tolist(), ids[target].tolist(), strict=True)) == list(attr)
    for name, got, want in (("x", store.x[n], x), ("edge_attr", store.edge_attr[e], attr)):
        want = np.array(list(want.values()), float)
        close = np.isclose(got, want, rtol=1e-5, atol=1e-5)
        names = store.node_features if name == "x" else store.edge_features
        bad = np.argwhere(~close)[:3]
        assert close.all(), [(name, r, names[c], float(got[r, c]), float(want[r, c])) for r, c in bad]
