"""Read the test folders: score every model on every scenario under every protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kdgat import records, terminal
from kdgat.captures.reader import OnBadRows
from kdgat.config import Config
from kdgat.dataset.prepare import Prepared
from kdgat.dataset.profiles import Profiles
from kdgat.dataset.protocols import view
from kdgat.dataset.sources import dataset_row, test_captures
from kdgat.evaluation.alarms import AlarmRule
from kdgat.evaluation.summary import Scored, metric_rows, pooled
from kdgat.evaluation.thresholds import WITHOUT_PROFILE
from kdgat.experiment import examples
from kdgat.experiment.detect import Detector
from kdgat.experiment.readings import log_reading
from kdgat.experiment.scoring import Models, ScoredCapture, adapted, score_capture, scored_of, tell_broken
from kdgat.experiment.stages import EvaluationStage
from kdgat.experiment.task import Tables, Task, repeated
from kdgat.graphs.features import takes_profile
from kdgat.graphs.splits import sample
from kdgat.models import explain, registry
from kdgat.models.names import DISTILLATION_ROLES
from kdgat.records import HEADLINE_MODEL
from kdgat.tracking import trackers
from kdgat.training.batches import Batches
from kdgat.training.predict import SCORING_BATCH, lent, scorer

#: protocols in which the profile's traffic is attacked
ATTACKED_PROFILE = ("contaminated", "poisoned")
#: validation windows on which layers are compared
COMPARED = 1000


def evaluate(
    task: Task,
    prepared: Prepared,
    models: Models,
    root: Path | None,
    *,
    details: bool,
    on_bad_rows: OnBadRows = "raise",
) -> EvaluationStage:
    """Score all scenarios.

    Args:
        task: where this runs.
        prepared: the training data (for its scalers).
        models: what is scored.
        root: folder of captures.
        details: also leave the tables that are kept for one seed: embeddings, graphs, attention, attributions,
            reconstruction, policy.
        on_bad_rows: as in `kdgat.captures.read`.
    """
    tables = Tables()
    detectors = {
        role: Detector(models.checkpoints[f"vgae-{role}"], models.checkpoints[f"gat-{role}"], prepared.scalers)
        for role in DISTILLATION_ROLES
        if f"gat-{role}" in models.checkpoints
    }
    protocols = _protocols(task.config)
    known = Profiles(task.config, root, on_bad_rows)
    scored: list[Scored] = []
    rule = AlarmRule(*task.config.alarm)
    kept: list[ScoredCapture] = []  # of the first protocol
    rows = []
    tests = test_captures(task.dataset, root, on_bad_rows)
    for scenario in sorted({c.split for c in tests}):
        # by name, as a release lists them: who draws its intervals again goes by that order
        captures = sorted((c for c in tests if c.split == scenario), key=lambda c: c.name)
        for c in captures:
            log_reading(task, scenario, c)
        frames = {c.name: c.frames(on_bad_rows) for c in captures}
        rows += [dataset_row(c, frames[c.name], task.config, prepared.training) for c in captures]
        for protocol in protocols:
            if protocol == "adapted":
                tell_broken(scored[-1], task.config)
                scored.append(adapted(scored[-1], task.config))
                continue
            profiles = {c.name: known.of(c, frames[c.name]) if protocol == "profiled" else None for c in captures}
            views = (
                (c, view(c, frames[c.name], task.config, protocol, len(captures), profiles[c.name]))
                for c in terminal.paced(captures, f"{task.dataset} seed {task.seed}: {scenario} {protocol}", "captures")
            )
            results = [
                score_capture(c, v.traffic, v.store, detectors, models, prepared.scalers)
                for c, v in views
                if v is not None
            ]
            if results:
                scored.append(scored_of(task, scenario, protocol, results, models))
                kept += results if protocol == protocols[0] else []
                windows = len(scored[-1].windows)
                print(f"{task.dataset} seed {task.seed}: {scenario} {protocol}, {windows} windows", flush=True)
    tables.add("datasets", prepared.meta["datasets"] + rows)
    together = list(pooled(scored))
    judged = [metric_rows(s, rule) for s in (*scored, *together)]
    metrics, confusion = ([row for part in parts for row in part] for parts in zip(*judged, strict=True))
    tables.add("metrics", metrics)
    tables.add("confusion", confusion)
    tables.add("operating_points", _points(task, models, protocols))
    for s in scored:
        tables.add("predictions", _predictions(s))
    if detectors:
        tables.add("cka", _cka(task, prepared, models))
    if details and detectors:
        examples.details(tables, task, kept, detectors["student"], models.point(HEADLINE_MODEL, protocols[0]).threshold)
        _mirror(task, tables)
    return EvaluationStage(tables=tables, scored=[*scored, *together], metrics=metrics)


def _mirror(task: Task, tables: Tables) -> None:
    """Give the tracker what readers look at beside curves: embeddings and attention, and the windows that it belongs to."""
    trackers.publish(
        task.tracker,
        name=task.tracked("evaluation"),
        group=task.flow_run,
        config=task.settings("evaluation"),
        parents=[task.tracked(model) for model in (HEADLINE_MODEL, "vgae-student")],
        lineage=task.lineage,
        tables={
            name: records.parquet_bytes(pa.concat_tables(tables.parts[name]))
            for name in ("embeddings", "attention", "graphs")
        },
    )


def _protocols(config: Config) -> tuple[str, ...]:
    """Name the protocols that models are judged under; students alone are spared attacks on their profile."""
    if not takes_profile(config.features):
        return WITHOUT_PROFILE
    return tuple(p for p in records.PROTOCOLS if config.models == "all" or p not in ATTACKED_PROFILE)


def _predictions(s: Scored) -> dict[str, Any]:
    """Columns of `predictions`: the scores of the registry's scored models, window by window."""
    w = s.windows
    who = {"dataset": s.dataset, "scenario": s.scenario, "protocol": s.protocol, "seed": s.seed}
    return repeated(len(w), who) | {
        "capture": np.array(s.captures)[w.recording],
        "window": w.window,
        "t0": w.t0,
        "duration": w.duration,
        "attack": w.attack,
        "injected": w.injected,
        **{m: s.scores[m] for m in registry.scored() if m in s.scores},
    }


def _points(task: Task, models: Models, protocols: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "run": models.run(model),
            "dataset": task.dataset,
            "seed": task.seed,
            "model": model,
            "protocol": protocol,
            "threshold": (point := models.point(model, protocol)).threshold,
            "source": point.source,
        }
        for model in models.names
        for protocol in protocols
    ]


def _cka(task: Task, prepared: Prepared, models: Models) -> list[dict[str, Any]]:
    """Compare teacher and student layer by layer, on at most `COMPARED` validation windows."""
    store = prepared.store("validation")
    index = sample(np.asarray(store.y).astype(np.int64), COMPARED, 0)
    outputs, device = {}, scorer()
    batches = Batches(store, prepared.scalers, SCORING_BATCH, index)
    batches.move(device)
    for role in DISTILLATION_ROLES:
        with lent(models.checkpoints[f"gat-{role}"].model(), device) as model:
            outputs[role] = explain.layer_outputs(model, batches)  # type: ignore[arg-type]
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
