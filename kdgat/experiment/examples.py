"""Tables that are kept for one seed: embeddings, reconstruction, policy, and example windows with explanations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kdgat.experiment.detect import Detector
from kdgat.experiment.scoring import ScoredCapture, f32
from kdgat.experiment.task import Tables, Task
from kdgat.graphs.splits import sample
from kdgat.models import explain
from kdgat.models.fusion_input import alpha_index, rewards
from kdgat.models.layers import GraphBatch
from kdgat.models.vgae import VGAE
from kdgat.training.batches import Batches

#: example graphs in a release
EXAMPLES = 50
#: windows in the map of embeddings
MAPPED = 4000

Row = dict[str, Any]


def details(tables: Tables, task: Task, captures: Sequence[ScoredCapture], student: Detector) -> None:
    """Add the tables that are kept for one seed, from captures scored under one protocol."""
    reconstruction: list[Row] = []
    policy: list[Row] = []
    places: list[Row] = []
    for c in captures:
        data, windows = c.student.data, _windows(task, c)
        for who, parts, anomaly in zip(windows, c.student.parts, data.anomaly, strict=True):
            errors = dict(zip(VGAE.PARTS, map(float, parts), strict=True))
            reconstruction.append(who | errors | {"model": "vgae-student", "score": float(anomaly)})
        policy += _policy(task, c, windows)
        scores = c.scores["gat-student"]
        who_gat = {"model": "gat-student", "vehicle": c.capture.vehicle}
        places += [who | who_gat | {"score": float(score)} for who, score in zip(windows, scores, strict=True)]
    tables.add("reconstruction", reconstruction)
    tables.add("policy", policy)
    index = sample(np.unique([p["attack"] for p in places], return_inverse=True)[1], MAPPED, task.seed)
    flat = explain.embed_2d(np.concatenate([c.student.embedding for c in captures])[index], task.seed)
    points = zip(index, flat, strict=True)
    tables.add("embeddings", [places[i] | {"x": float(x), "y": float(y)} for i, (x, y) in points])
    _examples(tables, task, captures, student)


def _windows(task: Task, c: ScoredCapture) -> list[Row]:
    """Name each window of a capture: dataset, scenario, seed, capture, window, attack."""
    store = c.store
    who = {"dataset": task.dataset, "scenario": c.capture.split, "seed": task.seed, "capture": c.capture.name}
    attacks = np.array(store.attack_names)[np.asarray(store.attack)]
    numbers = np.asarray(store.start) // task.config.windows.stride
    return [who | {"window": int(n), "attack": str(attack)} for n, attack in zip(numbers, attacks, strict=True)]


def _policy(task: Task, c: ScoredCapture, windows: Sequence[Row]) -> list[Row]:
    """Rows of `policy`: the weight that the DQN student chose, and what it lost by it."""
    data, alpha = c.student.data, f32(c.student.alpha)
    reward = rewards(data, task.config.fusion_student.false_alarm_cost)
    chosen = reward[np.arange(len(reward)), alpha_index(alpha)]
    return [
        who
        | {
            "model": "fusion-dqn-student",
            "anomaly": float(data.anomaly[i]),
            "p_attack": float(data.p_attack[i]),
            "alpha": float(alpha[i]),
            "score": float(c.scores["fusion-dqn-student"][i]),
            "regret": max(float(reward[i].max() - chosen[i]), 0.0),
        }
        for i, who in enumerate(windows)
    ]


def _examples(tables: Tables, task: Task, captures: Sequence[ScoredCapture], student: Detector) -> None:
    """Example windows with attention and attributions: as many attacked as benign ones from each capture."""
    graphs: list[Row] = []
    attention: list[Row] = []
    attributions: list[Row] = []
    number = 0
    per_capture = max(EXAMPLES // max(len(captures), 1), 2)
    for c in captures:
        y = np.asarray(c.store.y)
        rng = np.random.default_rng([task.seed, number])
        halves = [np.flatnonzero(y == k) for k in (0, 1)]
        chosen = [int(i) for h in halves if len(h) for i in rng.choice(h, min(per_capture // 2, len(h)), replace=False)]
        for i in sorted(chosen):
            b = Batches(c.store, student.scalers, 1).batch(np.array([i]))
            graphs += _frames(task, c, i, number)
            attention += _attention(student, b, number)
            attributions += _attributions(student, c, b, number)
            number += 1
    tables.add("graphs", graphs)
    tables.add("attention", attention)
    tables.add("attributions", attributions)


def _frames(task: Task, c: ScoredCapture, i: int, number: int) -> list[Row]:
    """Rows of `graphs`: the frames of window `i` of a capture, which is graph `number` of the release."""
    start = int(c.store.start[i])
    t, ids, labels = (c.frames[k].to_numpy() for k in ("timestamp", "id", "label"))
    who = {
        "graph": number,
        "dataset": task.dataset,
        "scenario": c.capture.split,
        "capture": c.capture.name,
        "window": start // task.config.windows.stride,
        "vehicle": c.capture.vehicle,
        "attack": c.store.attack_names[int(c.store.attack[i])],
        "score": float(c.scores["gat-student"][i]),
    }
    return [
        who
        | {
            "frame": k,
            "offset": float(t[start + k] - t[start]),
            "id": int(ids[start + k]),
            "label": int(labels[start + k]),
        }
        for k in range(task.config.windows.size)
    ]


def _attention(student: Detector, b: GraphBatch, number: int) -> list[Row]:
    """Rows of `attention`: the weight of each edge, by layer and head."""
    source, target = b.id_code.numpy()[b.edge_index.numpy()]
    return [
        {
            "graph": number,
            "layer": layer,
            "head": head,
            "source": int(source[e]),
            "target": int(target[e]),
            "weight": float(weights[e, head]),
        }
        for layer, weights in enumerate(explain.attention(student.gat, b))  # type: ignore[arg-type]
        for e, head in np.ndindex(weights.shape)
    ]


def _attributions(student: Detector, c: ScoredCapture, b: GraphBatch, number: int) -> list[Row]:
    """Rows of `attributions`: what each feature of each node and edge adds to the attack margin."""
    code = b.id_code.numpy()
    source, target = code[b.edge_index.numpy()]
    node, edge = explain.integrated_gradients(student.gat, b)  # type: ignore[arg-type]
    return [
        {
            "graph": number,
            "kind": kind,
            "source": int(a[n]),
            "target": int(z[n]),
            "feature": names[f],
            "value": float(values[n, f]),
        }
        for kind, values, a, z, names in (
            ("node", node, code, code, c.store.node_features),
            ("edge", edge, source, target, c.store.edge_features),
        )
        for n, f in np.ndindex(values.shape)
    ]
