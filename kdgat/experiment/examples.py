"""Tables that are kept for one seed: embeddings, reconstruction, policy, and example windows with explanations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdgat.experiment.detect import Detector
from kdgat.experiment.scoring import ScoredCapture, StudentView, f32
from kdgat.experiment.task import Tables, Task, repeated
from kdgat.graphs.splits import sample
from kdgat.graphs.store import GraphStore
from kdgat.models import explain
from kdgat.models.fusion_input import alpha_index, rewards
from kdgat.models.vgae import VGAE
from kdgat.training.batches import Batches
from kdgat.training.predict import lent, scorer

#: example graphs in a release, about
EXAMPLES = 50
#: windows of each kind of error among them, of each scenario: what goes wrong is worth more than what goes well
ERRORS = 2
#: windows in the map of embeddings
MAPPED = 4000

Columns = dict[str, np.ndarray]


def details(tables: Tables, task: Task, captures: Sequence[ScoredCapture], student: Detector, threshold: float) -> None:
    """Add the tables that are kept for one seed, from captures scored under one protocol.

    Args:
        tables: what they are added to.
        task: where this runs.
        captures: of all scenarios.
        student: that explains its verdicts.
        threshold: at and over which the GAT student calls a window attacked under this protocol.
    """
    places = []
    for c in captures:
        windows = _windows(task, c)
        errors = dict(zip(VGAE.PARTS, _student(c).parts.T, strict=True))
        who = repeated(len(c.store), {"model": "vgae-student"})
        tables.add("reconstruction", windows | errors | who | {"score": _student(c).data.anomaly})
        tables.add("policy", windows | _policy(task, c))
        who = repeated(len(c.store), {"model": "gat-student", "vehicle": c.capture.vehicle})
        places.append(windows | who | {"score": c.scores["gat-student"]})
    joined = _joined(places)
    index = sample(np.unique(joined["attack"], return_inverse=True)[1], MAPPED, task.seed)
    print(f"{task.dataset} seed {task.seed}: map of {len(index)} embeddings", flush=True)
    flat = explain.embed_2d(np.concatenate([_student(c).embedding for c in captures])[index], task.seed)
    tables.add("embeddings", {k: v[index] for k, v in joined.items()} | {"x": flat[:, 0], "y": flat[:, 1]})
    print(f"{task.dataset} seed {task.seed}: explanations of example windows", flush=True)
    _examples(tables, task, captures, student, threshold)


def _student(c: ScoredCapture) -> StudentView:
    assert c.student is not None, "tables of a seed need a student that was distilled"
    return c.student


def _joined(parts: Sequence[Columns]) -> Columns:
    """Rows of equal columns, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _windows(task: Task, c: ScoredCapture) -> Columns:
    """Name each window of a capture: dataset, scenario, seed, capture, window, attack."""
    store = c.store
    who = {"dataset": task.dataset, "scenario": c.capture.split, "seed": task.seed, "capture": c.capture.name}
    return repeated(len(store), who) | {
        "window": np.asarray(store.start) // task.config.windows.stride,
        "attack": np.array(store.attack_names)[np.asarray(store.attack)],
    }


def _policy(task: Task, c: ScoredCapture) -> Columns:
    """Columns of `policy`: the weight that the DQN student chose, and what it lost by it."""
    data, alpha = _student(c).data, f32(_student(c).alpha)
    reward = rewards(data, task.config.fusion_student.false_alarm_cost)
    chosen = reward[np.arange(len(reward)), alpha_index(alpha)]
    return repeated(len(alpha), {"model": "fusion-dqn-student"}) | {
        "anomaly": data.anomaly,
        "p_attack": data.p_attack,
        "alpha": alpha,
        "score": c.scores["fusion-dqn-student"],
        "regret": np.maximum(reward.max(1) - chosen, 0.0),
    }


def choose(
    scenarios: Sequence[str], y: Sequence[np.ndarray], scores: Sequence[np.ndarray], threshold: float, seed: int
) -> list[np.ndarray]:
    """Choose example windows: of each scenario the errors furthest from the threshold, and some of each capture at random.

    The same input gives the same windows; of equal scores the earlier window is chosen.

    Args:
        scenarios: of each capture.
        y: of each capture, [n], 1 where a window is attacked.
        scores: of each capture, f64[n].
        threshold: at and over which a window is called attacked.
        seed: of what is drawn at random, as many attacked as benign windows of each capture.

    Returns:
        Windows of each capture, i64, ascending.
    """
    kinds = (0, 1)
    reserved = len(kinds) * ERRORS * len(set(scenarios))
    per_capture = max((EXAMPLES - reserved) // max(len(scenarios), 1), len(kinds))
    chosen: list[set[int]] = []
    for number, labels in enumerate(y):
        rng = np.random.default_rng([seed, number])
        halves = [np.flatnonzero(labels == kind) for kind in kinds]
        drawn = [rng.choice(h, min(per_capture // len(kinds), len(h)), replace=False) for h in halves if len(h)]
        chosen.append({int(i) for half in drawn for i in half})
    for scenario in sorted(set(scenarios)):
        captures = [k for k, name in enumerate(scenarios) if name == scenario]
        of = np.concatenate([np.full(len(y[k]), k) for k in captures])
        window = np.concatenate([np.arange(len(y[k])) for k in captures])
        labels, score = (np.concatenate([part[k] for k in captures]) for part in (y, scores))
        for kind in kinds:
            wrong = np.flatnonzero((labels == kind) & ((score >= threshold) != (kind == 1)))
            worst = wrong[np.argsort(-np.abs(score[wrong] - threshold), kind="stable")][:ERRORS]
            for k, i in zip(of[worst], window[worst], strict=True):
                chosen[int(k)].add(int(i))
    return [np.array(sorted(windows), np.int64) for windows in chosen]


def _examples(
    tables: Tables, task: Task, captures: Sequence[ScoredCapture], student: Detector, threshold: float
) -> None:
    """Example windows of all captures, with attention and attributions."""
    frames: list[Columns] = []
    stores: list[GraphStore] = []
    scenarios, y = [c.capture.split for c in captures], [np.asarray(c.store.y) for c in captures]
    chosen = choose(scenarios, y, [c.scores["gat-student"] for c in captures], threshold, task.seed)
    for c, windows in zip(captures, chosen, strict=True):
        frames += [_frames(task, c, int(i), len(frames) + k) for k, i in enumerate(windows)]
        stores.append(c.store.select(windows))
    tables.add("graphs", _joined(frames))
    _explanations(tables, GraphStore.concat(stores), student)


def _frames(task: Task, c: ScoredCapture, i: int, number: int) -> Columns:
    """Columns of `graphs`: the frames of window `i` of a capture, which is graph `number` of the release."""
    start, size = int(c.store.start[i]), task.config.windows.size
    t, ids, labels = (c.frames[k].slice(start, size).to_numpy() for k in ("timestamp", "id", "label"))
    who = {
        "graph": number,
        "dataset": task.dataset,
        "scenario": c.capture.split,
        "capture": c.capture.name,
        "window": start // task.config.windows.stride,
        "vehicle": c.capture.vehicle,
        "attack": c.store.attack_names[int(c.store.attack[i])],
        "score": c.scores["gat-student"][i],
    }
    return repeated(size, who) | {"frame": np.arange(size), "offset": t - t[0], "id": ids, "label": labels}


def _explanations(tables: Tables, store: GraphStore, student: Detector) -> None:
    """Rows of `attention`, the weight of each edge by layer and head, and of `attributions`, what each feature of each
    node and edge adds to the attack margin; all graphs at once.
    """
    b = Batches(store, student.scalers, len(store)).batch(np.arange(len(store)))
    code, nodes = b.id_code.numpy(), b.batch.numpy()
    source, target = b.edge_index.numpy()
    edges = {"graph": nodes[source], "source": code[source], "target": code[target]}
    device = scorer()
    there = b.to(device)
    with lent(student.gat, device) as model:
        attention = explain.attention(model, there)  # type: ignore[arg-type]
        node, edge = explain.integrated_gradients(model, there)  # type: ignore[arg-type]
    for layer, weights in enumerate(attention):
        tables.add("attention", _long(edges, weights, "head", np.arange(weights.shape[1]), "weight") | {
            "layer": np.full(weights.size, layer)
        })  # fmt: skip
    for kind, values, who, names in (
        ("node", node, {"graph": nodes, "source": code, "target": code}, store.node_features),
        ("edge", edge, edges, store.edge_features),
    ):
        tables.add("attributions", _long(who, values, "feature", np.array(names), "value") | {
            "kind": np.full(values.size, kind)
        })  # fmt: skip


def _long(who: Columns, values: np.ndarray, name: str, columns: np.ndarray, value: str) -> Columns:
    """A row for each of `values` [n, k], named by `who`, n each, and by the k `columns`."""
    return {key: np.repeat(names, values.shape[1]) for key, names in who.items()} | {
        name: np.tile(columns, len(values)),
        value: values.ravel(),
    }
