"""Name a task, collect the rows it leaves, and bracket one training with its record."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from kdgat import provenance, records
from kdgat.config import Config
from kdgat.runtime import work_folder
from kdgat.tracking import trackers
from kdgat.training.session import Rows, Session, last

if TYPE_CHECKING:
    from torch import nn


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

    def tracked(self, model: str) -> str:
        """Name at the tracker of the run that trains `model`."""
        return f"{model}-{self.dataset}-s{self.seed}"

    def settings(self, model: str) -> dict[str, Any]:
        """What the tracker is told of the run `model`: its names and its configuration, flat."""
        who = {"run": self.run(model), "dataset": self.dataset, "seed": self.seed}
        return who | {"config_hash": self.config.hash(), **self.config.flat()}

    def state(self, model: str) -> Path | None:
        """Where the training of `model` leaves its epochs; another code or configuration never goes on from them."""
        if not self.lineage:
            return None
        origin = f"{self.config.hash()[:12]}-{provenance.code_hash()[:12]}"
        name = f"{self.dataset}-s{self.seed}-{model.replace('/', '-')}-{origin}.safetensors"
        return training_folder(self.lineage) / name


def training_folder(lineage: str) -> Path:
    """Folder of the training states of a flow run and of those that resume it."""
    return work_folder() / "training" / lineage.replace("/", "-")


@dataclass
class Tables:
    """Rows of the record tables, by table.

    Attributes:
        parts: table → what was added to it, in order.
    """

    parts: dict[str, list[pa.Table]] = field(default_factory=dict)

    def add(self, name: str, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> None:
        """Add rows, or columns of equal length, to the table `name`; raise where they do not fit its schema."""
        self.parts.setdefault(name, []).append(records.table(name, rows))

    def dump(self, *others: Tables) -> dict[str, bytes]:
        """Serialise all tables, followed by the rows of `others`: table → bytes."""
        joined: dict[str, list[pa.Table]] = {}
        for tables in (self, *others):
            for name, parts in tables.parts.items():
                joined.setdefault(name, []).extend(parts)
        return records.dump({name: pa.concat_tables(parts) for name, parts in joined.items()})


def repeated(rows: int, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Columns of so many rows that are the same throughout: name → value."""
    return {name: np.full(rows, value) for name, value in values.items()}


class Recorder:
    """Bracket one training: open its tracker run, time it, write its rows in `runs`, `curves`, `hyperparameters`, ….

    Args:
        tables: where the rows go.
        task: where this runs.
        stage: kind of training, as in the column `stage` of `runs`.
        model: what the run is called.
        data_hash: of the training data.
        parents: models that this one learns from; None: those that a model of this name learns from.
    """

    def __init__(
        self, tables: Tables, task: Task, stage: str, model: str, data_hash: str, parents: Sequence[str] | None = None
    ) -> None:
        self.tables, self.task, self.stage, self.model, self.data_hash = tables, task, stage, model, data_hash
        if parents is None:
            parents = trackers.learned_from(model)
        self.started, self.clock = datetime.now(UTC), time.monotonic()
        self.tracker = trackers.start(
            task.tracker,
            name=task.tracked(model),
            group=task.flow_run,
            config=task.settings(model),
            stage=stage,
            parents=[task.tracked(parent) for parent in parents],
            lineage=task.lineage,
        )

    @property
    def session(self) -> Session:
        """The training's name, logger and state."""
        name = f"{self.task.dataset} seed {self.task.seed} {self.model}"
        return Session(name, self.tracker.logger, self.task.state(self.model))

    def spent(self, seconds: float) -> None:
        """Set the time that the training took (s), attempts that were interrupted included."""
        self.clock = time.monotonic() - seconds

    def trained(self, module: nn.Module, history: Rows, selection: str) -> None:
        """Close the run of a network: its tensors, its history, and the newest value of the metric `selection`."""
        from kdgat.models.checkpoint import weights_of  # late, as below

        self._count(module)
        parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)
        self.done(parameters, history, (selection, last(history, selection)), weights_of(module))

    def done(self, parameters: int, history: Rows, selection: tuple[str, float | None], weights: bytes = b"") -> None:
        """Close the run and write its rows.

        Args:
            parameters: trainable numbers.
            history: what was logged.
            selection: metric that judges the model, and its value.
            weights: for the tracker, safetensors; none where the model is no network.
        """
        from kdgat.training.devices import granted  # late: a flow's last step needs this module's names alone

        t = self.task
        seconds = time.monotonic() - self.clock
        self.tracker.finish({name: value for _, name, value in history} | {"parameters": parameters}, weights)
        who = {"run": t.run(self.model), "dataset": t.dataset, "seed": t.seed, "model": self.model}
        self.tables.add(
            "runs",
            [
                who
                | {
                    "flow_run": t.flow_run,
                    "stage": self.stage,
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
                | provenance.slurm()
            ],
        )
        if history:
            self.tables.add("curves", [who | {"epoch": e, "metric": n, "value": v} for e, n, v in history])
        self.tables.add(
            "hyperparameters",
            [
                {"run": t.run(self.model), "name": name, "value": json.dumps(value)}
                for name, value in t.config.flat().items()
            ],
        )

    def _count(self, module: nn.Module) -> None:
        """Write rows of `parameters`: every tensor of the model."""
        self.tables.add(
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
