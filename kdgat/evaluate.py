"""The stage that reads the test folders: every model on every scenario under every protocol."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kdgat import catalog, explain, provenance, records
from kdgat.captures import OnBadRows
from kdgat.catalog import Capture
from kdgat.checkpoint import Checkpoint
from kdgat.config import Config
from kdgat.dataset import Prepared, dataset_row, scored_store
from kdgat.evaluation.summary import Scored, metric_rows
from kdgat.evaluation.thresholds import OperatingPoint
from kdgat.evaluation.windows import Windows
from kdgat.graphs import GraphStore
from kdgat.models import fusion
from kdgat.recording import Stage, Task
from kdgat.stages import ROLES, SCORING_BATCH, Detector, standardised
from kdgat.store import work_folder
from kdgat.training import Batches
from kdgat.windows import sample

#: example graphs in a release
EXAMPLES = 50
#: windows in the map of embeddings
MAPPED = 4000


@dataclass(frozen=True)
class Models:
    """Everything that is evaluated together: all trained for one dataset and seed.

    Attributes:
        checkpoints: by model name.
        fusions: further fusion methods by model name: `score`, a function of `FusionInput`, and its operating `points`.
        baselines: by model name: `score`, a function of a store, and its operating `points`.
        runs: model → run that trained it.
    """

    checkpoints: dict[str, Checkpoint]
    fusions: dict[str, dict[str, Any]]
    baselines: dict[str, dict[str, Any]]
    runs: dict[str, str]


def _log() -> Path:
    return work_folder() / "test-readings.jsonl"


def log_reading(task: Task, scenario: str, capture: Capture) -> None:
    """Note that a test capture was read: when, by which configuration and code. The paper prints the count."""
    line = {
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dataset": task.dataset,
        "scenario": scenario,
        "capture": capture.name,
        "config_hash": task.config.hash(),
        "commit": provenance.commit(),
        "reader": task.path,
    }
    with open(_log(), "a") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")


def readings(datasets: Collection[str]) -> list[dict[str, Any]]:
    """All readings of these datasets that the work folder knows of: rows of the table `readings`."""
    lines = _log().read_text().splitlines() if _log().is_file() else []
    rows = {line: row for line in lines if (row := json.loads(line))["dataset"] in datasets}
    return list(rows.values())


def evaluate(
    task: Task,
    prepared: Prepared,
    models: Models,
    root: Path | None,
    *,
    details: bool,
    on_bad_rows: OnBadRows = "raise",
) -> Stage:
    """Score all scenarios.

    Args:
        task: where this runs.
        prepared: the training data (for its scalers).
        models: what is scored.
        root: folder of captures.
        details: also leave the tables that are kept for one seed: embeddings, graphs, attention, attributions,
            reconstruction, policy.
        on_bad_rows: as in `kdgat.captures.read`.

    Returns:
        Rows, and `extra["scored"]`: the list of `Scored` that the join summarises.
    """
    stage = Stage(extra={"scored": []})
    config = task.config
    tests = catalog.test_captures(task.dataset, root)
    detectors = {r: Detector(models.checkpoints[f"vgae-{r}"], models.checkpoints[f"gat-{r}"], prepared) for r in ROLES}
    protocols = records.PROTOCOLS if config.features == "profile" else ("zero-shot",)
    kept: list[tuple[str, Capture, pa.Table, GraphStore, dict[str, Any]]] = []
    rows = []
    for scenario in sorted({c.split for c in tests}):
        captures = [c for c in tests if c.split == scenario]
        for c in captures:
            log_reading(task, scenario, c)
        tables = {c.name: c.frames(on_bad_rows) for c in captures}
        rows += [dataset_row(c, tables[c.name], config) for c in captures]
        for protocol in protocols:
            found = []
            for c in captures:
                store = scored_store(c, tables[c.name], config, protocol, len(captures))
                if store is not None:
                    found.append((c, store, _score(store, detectors, models)))
            if found:
                scored = _scored(task, scenario, protocol, found, models)
                stage.extra["scored"].append(scored)
                kept += [
                    (scenario, c, tables[c.name], store, out) for c, store, out in found if protocol == protocols[0]
                ]
                print(
                    f"{task.dataset} seed {task.seed}: {scenario} {protocol}, {len(scored.windows)} windows", flush=True
                )
    stage.add("datasets", prepared.meta["datasets"] + rows)
    metrics: list[dict[str, Any]] = []
    confusion: list[dict[str, Any]] = []
    for scored in stage.extra["scored"]:
        of_scenario, counts = metric_rows(scored)
        metrics += of_scenario
        confusion += counts
    stage.add("metrics", metrics)
    stage.add("confusion", confusion)
    stage.extra["metrics"] = metrics
    stage.add("operating_points", _points(task, models, protocols))
    stage.add("predictions", [row for s in stage.extra["scored"] for row in _prediction_rows(s)])
    stage.add("cka", _cka(task, prepared, models))
    if details:
        _details(stage, task, kept, detectors["student"], models)
    return stage


def _f32(values: np.ndarray) -> np.ndarray:
    """Rounded to what a release holds, so that every metric can be recomputed from it exactly."""
    return np.asarray(values, np.float32).astype(np.float64)


def _point(models: Models, model: str, protocol: str) -> OperatingPoint:
    if model in models.checkpoints:
        point = OperatingPoint(*models.checkpoints[model].meta["points"][protocol])
    else:
        point = (models.fusions | models.baselines)[model]["points"][protocol]
    return OperatingPoint(float(np.float32(point.threshold)), point.source)


def _score(store: GraphStore, detectors: dict[str, Detector], models: Models) -> dict[str, Any]:
    """All models' scores of one store, and what the details need."""
    scores: dict[str, np.ndarray] = {}
    out: dict[str, Any] = {"scores": scores}
    for role, detector in detectors.items():
        data, parts, embedding = detector.score(store)
        scores[f"vgae-{role}"], scores[f"gat-{role}"] = data.anomaly, data.p_attack
        checkpoint = models.checkpoints[f"fusion-dqn-{role}"]
        data = standardised(data, np.asarray(checkpoint.meta["centre"]), np.asarray(checkpoint.meta["spread"]))
        network = checkpoint.model()
        assert isinstance(network, fusion.QNetwork)
        alpha = network.choose(data.state)
        scores[f"fusion-dqn-{role}"] = data.fused(alpha)
        for name, method in models.fusions.items():
            if name.endswith(role):
                scores[name] = method["score"](data)
        if role == "student":
            scores["fusion-oracle-student"] = fusion.oracle(data)
            out |= {"data": data, "parts": parts, "embedding": embedding, "alpha": alpha}
    scores |= {name: baseline["score"](store) for name, baseline in models.baselines.items()}
    out["scores"] = {name: _f32(s) for name, s in scores.items()}
    return out


def scored_windows(stores: Sequence[GraphStore], config: Config) -> Windows:
    """The windows of the recordings of a scenario, one store each, one after the other."""
    columns: dict[str, list[np.ndarray]] = {f.name: [] for f in fields(Windows)}
    for number, store in enumerate(stores):
        columns["recording"].append(np.full(len(store), number))
        columns["window"].append(np.asarray(store.start) // config.windows.stride)
        columns["t0"].append(_f32(store.t0))
        columns["duration"].append(_f32(store.duration))
        columns["injected"].append(np.asarray(store.injected).astype(np.int64))
        columns["attack"].append(np.array(store.attack_names)[np.asarray(store.attack)])
    return Windows(**{k: np.concatenate(v) for k, v in columns.items()})


def _scored(task: Task, scenario: str, protocol: str, found: list[Any], models: Models) -> Scored:
    """Windows and scores of all captures of a scenario, one after the other."""
    scores = {m: np.concatenate([out["scores"][m] for _, _, out in found]) for m in found[0][2]["scores"]}
    thresholds = {m: 0.5 if "oracle" in m else _point(models, m, protocol).threshold for m in scores}
    return Scored(
        dataset=task.dataset,
        scenario=scenario,
        protocol=protocol,
        seed=task.seed,
        captures=tuple(c.name for c, _, _ in found),
        windows=scored_windows([store for _, store, _ in found], task.config),
        scores=scores,
        thresholds=thresholds,
        runs={m: models.runs.get(m, models.runs["fusion-dqn-student"]) for m in scores},
    )


def _prediction_rows(s: Scored) -> list[dict[str, Any]]:
    w = s.windows
    who = {"dataset": s.dataset, "scenario": s.scenario, "protocol": s.protocol, "seed": s.seed}
    return [
        who
        | {
            "capture": s.captures[w.recording[i]],
            "window": int(w.window[i]),
            "t0": float(w.t0[i]),
            "duration": float(w.duration[i]),
            "attack": str(w.attack[i]),
            "injected": int(w.injected[i]),
        }
        | {m: float(s.scores[m][i]) for m in records.SCORED_MODELS}
        for i in range(len(w))
    ]


def _points(task: Task, models: Models, protocols: tuple[str, ...]) -> list[dict[str, Any]]:
    names = [*models.checkpoints, *models.fusions, *models.baselines]
    return [
        {
            "run": models.runs.get(m, models.runs["fusion-dqn-student"]),
            "dataset": task.dataset,
            "seed": task.seed,
            "model": m,
            "protocol": protocol,
            "threshold": (point := _point(models, m, protocol)).threshold,
            "source": point.source,
        }
        for m in names
        for protocol in protocols
    ]


def _cka(task: Task, prepared: Prepared, models: Models) -> list[dict[str, Any]]:
    """Teacher against student, layer by layer, on at most 1,000 validation windows."""
    store = prepared.store("validation")
    index = sample(np.asarray(store.y).astype(np.int64), 1000, 0)
    outputs = {}
    for role in ROLES:
        batches = Batches(store, prepared.scalers, SCORING_BATCH, index)
        outputs[role] = explain.layer_outputs(models.checkpoints[f"gat-{role}"].model(), batches)  # type: ignore[arg-type]
    return [
        {
            "run": models.runs["gat-student"],
            "dataset": task.dataset,
            "seed": task.seed,
            "model": "gat-student",
            "teacher_layer": a,
            "student_layer": b,
            "value": explain.linear_cka(x, y),
        }
        for a, x in outputs["teacher"].items()
        for b, y in outputs["student"].items()
    ]


def _details(stage: Stage, task: Task, kept: list[Any], student: Detector, models: Models) -> None:
    """Tables that are kept for one seed, from the first protocol."""
    reconstruction, policy, embeddings, places = [], [], [], []
    for scenario, c, _, store, out in kept:
        names = np.array(store.attack_names)[np.asarray(store.attack)]
        data, alpha = out["data"], _f32(out["alpha"])
        rewards = fusion.rewards(data, task.config.fusion_student.false_alarm_cost)
        chosen = rewards[np.arange(len(store)), np.rint(alpha * 20).astype(int)]
        embeddings.append(out["embedding"])
        for i in range(len(store)):
            who = {
                "dataset": task.dataset,
                "scenario": scenario,
                "seed": task.seed,
                "capture": c.name,
                "window": int(store.start[i]) // task.config.windows.stride,
                "attack": str(names[i]),
            }
            errors = dict(zip(("node_error", "neighbour_error", "id_error"), map(float, out["parts"][i]), strict=True))
            reconstruction.append(who | errors | {"model": "vgae-student", "score": float(data.anomaly[i])})
            policy.append(
                who
                | {
                    "model": "fusion-dqn-student",
                    "anomaly": float(data.anomaly[i]),
                    "p_attack": float(data.p_attack[i]),
                    "alpha": float(alpha[i]),
                    "score": float(out["scores"]["fusion-dqn-student"][i]),
                    "regret": max(float(rewards[i].max() - chosen[i]), 0.0),
                }
            )
            score = float(out["scores"]["gat-student"][i])
            places.append(who | {"model": "gat-student", "vehicle": c.vehicle, "score": score})
    stage.add("reconstruction", reconstruction)
    stage.add("policy", policy)
    index = sample(np.unique([p["attack"] for p in places], return_inverse=True)[1], MAPPED, task.seed)
    flat = explain.embed_2d(np.concatenate(embeddings)[index], task.seed)
    points = zip(index, flat, strict=True)
    stage.add("embeddings", [places[i] | {"x": float(x), "y": float(y)} for i, (x, y) in points])
    _examples(stage, task, kept, student)


def _examples(stage: Stage, task: Task, kept: list[Any], student: Detector) -> None:
    """Example windows with attention and attributions: as many attacked as benign ones from each capture."""
    graphs, attention, attributions = [], [], []
    number = 0
    per_capture = max(EXAMPLES // max(len(kept), 1), 2)
    model = student.models[1]
    for scenario, c, table, store, out in kept:
        y = np.asarray(store.y)
        rng = np.random.default_rng([task.seed, number])
        halves = [np.flatnonzero(y == k) for k in (0, 1)]
        chosen = [int(i) for h in halves if len(h) for i in rng.choice(h, min(per_capture // 2, len(h)), replace=False)]
        t, ids, labels = (table[k].to_numpy() for k in ("timestamp", "id", "label"))
        for i in sorted(chosen):
            b = Batches(store, student.scalers, 1).batch(np.array([i]))
            code = b.id_code.numpy()
            source, target = code[b.edge_index.numpy()]
            start = int(store.start[i])
            for k in range(task.config.windows.size):
                graphs.append(
                    {
                        "graph": number,
                        "dataset": task.dataset,
                        "scenario": scenario,
                        "capture": c.name,
                        "window": start // task.config.windows.stride,
                        "vehicle": c.vehicle,
                        "attack": store.attack_names[int(store.attack[i])],
                        "frame": k,
                        "offset": float(t[start + k] - t[start]),
                        "id": int(ids[start + k]),
                        "label": int(labels[start + k]),
                        "score": float(out["scores"]["gat-student"][i]),
                    }
                )
            for layer, weights in enumerate(explain.attention(model, b)):  # type: ignore[arg-type]
                for e, head in np.ndindex(weights.shape):
                    row = {"graph": number, "layer": layer, "head": head, "source": int(source[e])}
                    attention.append(row | {"target": int(target[e]), "weight": float(weights[e, head])})
            node, edge = explain.integrated_gradients(model, b)  # type: ignore[arg-type]
            for kind, values, a, z, names in (
                ("node", node, code, code, store.node_features),
                ("edge", edge, source, target, store.edge_features),
            ):
                for n, f in np.ndindex(values.shape):
                    row = {"graph": number, "kind": kind, "source": int(a[n]), "target": int(z[n])}
                    attributions.append(row | {"feature": names[f], "value": float(values[n, f])})
            number += 1
    stage.add("graphs", graphs)
    stage.add("attention", attention)
    stage.add("attributions", attributions)
