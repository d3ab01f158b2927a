"""Runs as W&B holds them, as tables of the project's own form: offline logs of the work folder, and the service.

A mirror has histories and summaries alone: its tables are `runs` and `curves`, with the columns that a mirror can fill.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdgat.errors import KdgatError
from kdgat.runtime import work_folder
from kdgat.settings import settings
from kdgat.tracking import wandb_log

if TYPE_CHECKING:
    from pandas import DataFrame

#: what a row of a history says beside its metrics
_NO_METRICS = ("epoch", "trainer/global_step")
#: time that listing the service's groups may take (s)
_TIMEOUT = 20
#: newest runs of a project whose groups are listed
_NEWEST = 500


@dataclass(frozen=True)
class Mirrored:
    """One run of W&B.

    Attributes:
        id, group, stage: its id, the flow run and the kind of training.
        started: ISO 8601 UTC.
        seconds: from its start to its last logged row.
        config: as given to W&B by `kdgat.tracking`: `run`, `dataset`, `seed` and hyper-parameters.
        history: logged rows, metric → value.
    """

    id: str
    group: str
    stage: str
    started: str
    seconds: float
    config: Mapping[str, Any]
    history: Iterable[Mapping[str, Any]]


def _logs() -> list[Path]:
    """Offline logs of the work folder, newest first."""
    return sorted((work_folder() / "wandb-runs" / "wandb").glob("offline-run-*/run-*.wandb"), reverse=True)


def offline_groups() -> list[str]:
    """Flow runs that wrote offline to W&B in the work folder, newest first; none without the extra `train`."""
    try:
        return list(dict.fromkeys(group for log in _logs() if (group := wandb_log.group(log))))
    except ModuleNotFoundError:
        return []


def offline_tables(group: str) -> dict[str, DataFrame]:
    """Tables of the offline runs of a flow run.

    Raises:
        KdgatError: no run of that group, or a log that is not W&B's.
    """
    local = [wandb_log.read(log) for log in _logs() if wandb_log.group(log) == group]
    return _tables(
        f"wandb-offline {group}",
        [
            Mirrored(
                run.id, run.group, run.stage, _iso(run.started), run.seconds, run.config, list(run.history.values())
            )
            for run in local
        ],
    )


def online_groups() -> list[str]:
    """`<entity>/<project>/<group>` of the newest runs at the service; none without a key, or if it does not answer."""
    if not os.environ.get("WANDB_API_KEY"):
        return []
    import wandb

    try:
        api = wandb.Api(timeout=_TIMEOUT)
        project = f"{os.environ.get('WANDB_ENTITY') or api.default_entity}/{_project()}"
        newest = [run for run, _ in zip(api.runs(project, order="-created_at"), range(_NEWEST), strict=False)]
    except (OSError, ValueError, wandb.errors.Error) as error:
        print(f"W&B: {str(error).splitlines()[0]}", file=sys.stderr)
        return []
    return list(dict.fromkeys(f"{project}/{run.group}" for run in newest if run.group))


def _project() -> str:
    return os.environ.get("WANDB_PROJECT") or settings().tracking.project


def online_tables(name: str) -> dict[str, DataFrame]:
    """Tables of the runs of `<entity>/<project>/<group>` at the service.

    Raises:
        KdgatError: no such runs, or the service does not answer.
    """
    import wandb

    entity, project, group = name.split("/", 2)
    try:
        api = wandb.Api(timeout=60)
        mirrored = [
            Mirrored(
                run.id, group, run.job_type or "", str(run.created_at), float(run.summary.get("_runtime") or 0),
                run.config, list(run.scan_history()),
            )
            for run in api.runs(f"{entity}/{project}", filters={"group": group})
        ]  # fmt: skip
    except (OSError, ValueError, wandb.errors.Error) as error:
        raise KdgatError(f"W&B: {str(error).splitlines()[0]}") from None
    return _tables(f"wandb {name}", mirrored)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _tables(source: str, mirrored: list[Mirrored]) -> dict[str, DataFrame]:
    """`runs` and `curves` of runs; raises `KdgatError` where there are none."""
    from pandas import DataFrame

    if not mirrored:
        raise KdgatError(f"no run of {source}")
    rows, values = [], []
    for run in mirrored:
        name = str(run.config.get("run", run.id))
        who = {
            "run": name,
            "dataset": str(run.config.get("dataset", "")),
            "seed": int(run.config.get("seed", 0)),
            "model": name.rpartition("/")[2],
        }
        rows.append(
            who
            | {"flow_run": run.group, "stage": run.stage, "tracker": "wandb", "tracker_id": run.id, "commit": ""}
            | {"started": run.started, "seconds": run.seconds}
        )
        latest = {
            (metric, int(row["epoch"])): value
            for row in run.history
            if row.get("epoch") is not None
            for metric, value in row.items()
            if isinstance(value, int | float) and not metric.startswith("_") and metric not in _NO_METRICS
        }
        values += [who | {"metric": metric, "epoch": epoch, "value": v} for (metric, epoch), v in latest.items()]
    content = {"runs": DataFrame(rows)}
    return content | ({"curves": DataFrame(values)} if values else {})
