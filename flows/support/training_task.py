"""What every flow that trains knows of its tasks: their names, for the rows they leave, and what a resumed one goes on from."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from metaflow import current

if TYPE_CHECKING:
    from kdgat.experiment.task import Task


def task_of(flow: Any) -> Task:
    """Names of the current task of a flow with the artifacts dataset, data_kind, seed, config and lineage."""
    from kdgat.experiment.task import Task

    flow_run = f"{current.flow_name}/{current.run_id}"
    path = f"{flow_run}/{current.step_name}/{current.task_id}"
    return Task(flow_run, path, flow.dataset, flow.data_kind, flow.seed, flow.config, flow.tracker, flow.lineage)


def forget(flow: Any) -> None:
    """Remove what the flow's trainings would have resumed from: its last step."""
    from kdgat.experiment.task import training_folder

    shutil.rmtree(training_folder(flow.lineage), ignore_errors=True)
