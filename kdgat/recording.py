"""What a task is called and what it leaves: names, models, rows of every table, and the bracket around one training."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import nn

from kdgat import provenance, records, tracking
from kdgat.checkpoint import Checkpoint
from kdgat.config import Config
from kdgat.store import work_folder


@dataclass(frozen=True)
class Task:
    """Where a stage runs: names that go into every row it leaves.

    Attributes:
        flow_run: <flow>/<run id>.
        path: <flow>/<run id>/<step>/<task id>.
        dataset, data_kind, seed: of the task.
        config: of the flow.
        tracker: kind of tracker.
        lineage: flow run that this one resumes, else its own: trainings of one lineage go on where a killed one
            stopped; empty: nothing is kept to go on from.
    """

    flow_run: str
    path: str
    dataset: str
    data_kind: str
    seed: int
    config: Config
    tracker: str = "none"
    lineage: str = ""

    def run(self, model: str) -> str:
        """Id of the run that trains `model` in this task."""
        return f"{self.path}/{model}"

    def state(self, model: str) -> Path | None:
        """Where the training of `model` leaves its epochs; another code or configuration never goes on from them."""
        if not self.lineage:
            return None
        made_by = f"{self.config.hash()[:12]}-{provenance.code_hash()[:12]}"
        name = f"{self.dataset}-s{self.seed}-{model}-{made_by}.safetensors"
        return training_folder(self.lineage) / name


def training_folder(lineage: str) -> Path:
    """Folder of the training states of a flow run and of those that resume it."""
    return work_folder() / "training" / lineage.replace("/", "-")


@dataclass
class Stage:
    """What a stage leaves: models, records by table, and for its card how each model does on the validation windows."""

    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    validation: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Rows for a table, validated at once."""
        self.tables.setdefault(name, []).append(records.table(name, rows))

    def records(self) -> dict[str, bytes]:
        """All tables as bytes."""
        return records.dump({name: pa.concat_tables(parts) for name, parts in self.tables.items()})


class Recorder:
    """Brackets one training: opens its tracker run, times it, writes its rows in `runs`, `curves`, `hyperparameters`…"""

    def __init__(self, stage: Stage, task: Task, kind: str, model: str, data_hash: str) -> None:
        self.stage, self.task, self.kind, self.model, self.data_hash = stage, task, kind, model, data_hash
        self.started, self.clock = datetime.now(UTC), time.monotonic()
        self.tracker = tracking.start(
            task.tracker,
            name=f"{model}-{task.dataset}-s{task.seed}",
            group=task.flow_run,
            config={
                "run": task.run(model),
                "dataset": task.dataset,
                "seed": task.seed,
                "config_hash": task.config.hash(),
                **task.config.flat(),
            },
            stage=kind,
            parents=[f"{parent}-{task.dataset}-s{task.seed}" for parent in tracking.learned_from(model)],
        )

    def spent(self, seconds: float) -> None:
        """The training took so long, attempts that were interrupted included."""
        self.clock = time.monotonic() - seconds

    def done(self, parameters: int, curves: list[tuple[int, str, float]], selection: tuple[str, float | None]) -> None:
        """Close the run and leave its rows."""
        from kdgat.devices import granted  # late: a flow's last step needs this module's names alone

        t = self.task
        seconds = time.monotonic() - self.clock
        self.tracker.finish({name: value for _, name, value in curves} | {"parameters": parameters})
        who = {"run": t.run(self.model), "dataset": t.dataset, "seed": t.seed, "model": self.model}
        self.stage.add(
            "runs",
            [
                who
                | {
                    "flow_run": t.flow_run,
                    "stage": self.kind,
                    "preset": t.config.preset,
                    "config": t.config.canonical(),
                    "config_hash": t.config.hash(),
                    "commit": provenance.commit(),
                    "dirty": provenance.dirty(),
                    "code_hash": provenance.code_hash(),
                    "lock_hash": provenance.lock_hash(),
                    "data_hash": self.data_hash,
                    "data_kind": t.data_kind,
                    "tracker": self.tracker.kind,
                    "tracker_id": self.tracker.id,
                    "started": self.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "seconds": seconds,
                    "parameters": parameters,
                    "selection_metric": selection[0],
                    "selection_value": selection[1],
                    "machine": f"{provenance.machine()}{granted()}",
                }
            ],
        )
        if curves:
            self.stage.add("curves", [who | {"epoch": e, "metric": n, "value": v} for e, n, v in curves])
        self.stage.add(
            "hyperparameters",
            [
                {"run": t.run(self.model), "name": name, "value": json.dumps(value)}
                for name, value in t.config.flat().items()
            ],
        )

    def count(self, module: nn.Module) -> None:
        """Rows of `parameters`: every tensor of the model."""
        self.stage.add(
            "parameters",
            [
                {
                    "dataset": self.task.dataset,
                    "model": self.model,
                    "layer": name,
                    "shape": "x".join(map(str, p.shape)) or "1",
                    "count": p.numel(),
                }
                for name, p in module.named_parameters()
            ],
        )
