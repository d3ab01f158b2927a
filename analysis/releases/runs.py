"""Records of finished flow runs, read from the Metaflow store (the one place of `analysis` that needs Metaflow)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kdgat import records
from kdgat.errors import KdgatError
from kdgat.provenance import sha256
from kdgat.records import HEADLINE_MODEL

if TYPE_CHECKING:
    from metaflow import Run

FLOW = "KDGATFlow"


class RunError(KdgatError):
    """A run that is unknown, unfinished or without records."""


def _client() -> Any:
    """The Metaflow client on the project's own store."""
    try:
        from kdgat import runtime

        runtime.configure()  # sets METAFLOW_*, so before the import
        import metaflow
    except ModuleNotFoundError as error:
        raise RunError(
            f"reading runs needs the `train` extra (pip install -e .[train]): {error.name} is missing"
        ) from None
    metaflow.namespace(None)
    check_blobs()
    return metaflow


@cache
def check_blobs() -> None:
    """Let Metaflow unpickle from its client's cache only what still has the sha1 in its name; the rest is read from the store again."""
    from metaflow.client import filecache

    class Checked(filecache.FileBlobCache):  # type: ignore[misc]
        def load_key(self, key: str) -> bytes | None:
            blob: bytes | None = super().load_key(key)
            return blob if blob is not None and sha1(blob).hexdigest() == key else None

    filecache.FileBlobCache = Checked  # type: ignore[misc]


def everything() -> list[str]:
    """Ids of all runs of the flow, newest first, unfinished ones too; none where there is no store."""
    metaflow = _client()
    try:
        return [run.id for run in metaflow.Flow(FLOW).runs()]
    except metaflow.exception.MetaflowNotFound:
        return []


def unfinished_too(run_id: str) -> Run:
    """The run, whether it finished or not; raises `RunError` for an unknown one."""
    metaflow = _client()
    try:
        run: Run = metaflow.Run(f"{FLOW}/{run_id}")
    except metaflow.exception.MetaflowNotFound:
        raise RunError(f"no run {run_id} in the store") from None
    return run


def select(ids: Sequence[str] | None, *, latest: bool = False, tag: str | None = None, best: bool = False) -> list[Run]:
    """Finished runs by id (`<id>` or `<flow>/<id>`), the newest, or all with a tag; `best` keeps one of them.

    Raises:
        RunError: a run is unknown or unfinished, or none is left.
    """
    selection = _select(ids, latest, tag)
    return [min(selection, key=validation_loss)] if best else selection


def validation_loss(run: Run) -> float:
    """Mean validation loss of the headline model over datasets and seeds; test results play no part."""
    parts, _ = read([run])
    rows = [r for part in parts if "runs" in part for r in part["runs"].to_pylist() if r["model"] == HEADLINE_MODEL]
    values = [r["selection_value"] for r in rows if r["selection_metric"] == "validation_loss"]
    if not values or None in values:
        raise RunError(f"run {run.pathspec} has no validation loss of {HEADLINE_MODEL} to choose by")
    return float(sum(values) / len(values))


def _select(ids: Sequence[str] | None, latest: bool, tag: str | None) -> list[Run]:
    metaflow = _client()
    from metaflow.exception import MetaflowNotFound

    if ids:
        if odd := next((i for i in ids if not all((i if "/" in i else f"{FLOW}/{i}").partition("/")[::2])), None):
            raise RunError(f"{odd!r} is no run: `<id>` or `<flow>/<id>`")
        try:
            selection = [metaflow.Run(i if "/" in i else f"{FLOW}/{i}") for i in ids]
        except MetaflowNotFound:
            raise RunError(
                f"no run {', '.join(ids)} in the store; known: {', '.join(_known(metaflow)) or 'none'}"
            ) from None
        for run in selection:
            if not run.successful:
                raise RunError(f"run {run.pathspec} did not finish: resume it first")
        return selection
    try:
        finished = [run for run in metaflow.Flow(FLOW).runs(*([tag] if tag else [])) if run.successful]
    except MetaflowNotFound:
        finished = []
    if not finished:
        tagged = f" with the tag {tag!r}" if tag else ""
        place = os.environ["METAFLOW_DATASTORE_SYSROOT_LOCAL"]
        raise RunError(
            f"no finished run of {FLOW}{tagged} in the store of {place}; known, finished or not: "
            f"{', '.join(_known(metaflow)) or 'none'}"
        )
    return finished[:1] if latest else finished


def _known(metaflow: Any) -> list[str]:
    try:
        return [run.pathspec for run in metaflow.Flow(FLOW).runs()][:10]
    except metaflow.exception.MetaflowNotFound:
        return []


def log_hashes(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Run → sha256 of its task's output, for the rows of `runs` that say they ran as SLURM jobs.

    `--with srun` leaves a note of the job in the store, which the row must agree with; a flow that was started whole inside a
    job leaves none.

    Raises:
        RunError: the store does not hold the task, its output is empty, or its note names another job or node.
    """
    # a release that is extended has had its runs checked
    claims = [row for row in rows if row["slurm_job"] is not None and row["log_hash"] is None]
    if not claims:
        return {}
    metaflow = _client()
    hashes: dict[str, str] = {}
    for row in claims:
        path = row["run"].rpartition("/")[0]
        try:
            task = metaflow.Task(path)
        except metaflow.exception.MetaflowNotFound:
            raise RunError(
                f"{row['run']} names SLURM job {row['slurm_job']}, but the store has no task {path}"
            ) from None
        for field, column in (("slurm-job-id", "slurm_job"), ("slurm-node", "slurm_node")):
            noted = [note.value for note in task.metadata if note.name == field]
            if noted and row[column] not in noted:
                raise RunError(
                    f"{row['run']}: {column} is {row[column]} in its record and {', '.join(noted)} in the store's note"
                )
        output = f"{task.stdout}{task.stderr}"
        if not output:
            raise RunError(f"{row['run']} ran as SLURM job {row['slurm_job']}, but the store has no output of its task")
        hashes[row["run"]] = sha256(output.encode())
    return hashes


def read(runs: Sequence[Run]) -> tuple[list[dict[str, pa.Table]], dict[str, bytes]]:
    """Tables of every task of `runs`, and weights (`<dataset>/<model>-s<seed>.<ending>` → bytes).

    An artifact is handed on to the tasks that follow it, so the same object is read once only.
    """
    parts: list[dict[str, pa.Table]] = []
    weights: dict[str, bytes] = {}
    origins: set[str] = set()
    for run in runs:
        for step in run:
            for task in step:
                for artifact in task:
                    if artifact.id not in ("records", "weights") or artifact.sha in origins:
                        continue
                    origins.add(artifact.sha)
                    if artifact.id == "records":
                        try:
                            parts.append(records.load(artifact.data))
                        except records.RecordError as error:
                            raise RunError(f"{task.pathspec}: {error}") from None
                        continue
                    for path, data in artifact.data.items():
                        if weights.setdefault(path, data) != data:
                            raise RunError(f"{task.pathspec}: another run has different weights {path}")
    return parts, weights
