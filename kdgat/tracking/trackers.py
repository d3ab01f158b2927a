"""Experiment trackers as mirrors of the run's own record: W&B, MLflow or none.

Offline unless an API key is given: never a prompt, never a wait for a network. `python -m kdgat.tracking sync` sends
what was written offline from a node that has a network. Which trackers may be used is the site's decision.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from kdgat import terminal
from kdgat.errors import KdgatError
from kdgat.models.names import ModelName
from kdgat.runtime import work_folder
from kdgat.settings import settings

TRACKERS = ("wandb", "mlflow", "none")
#: file of a model's artifact
WEIGHTS = "model.safetensors"
#: s to wait for W&B's service
_PATIENCE = 30.0


@dataclass
class Tracker:
    """A Lightning logger and the id of the run behind it.

    Attributes:
        kind: one of `TRACKERS`.
        logger: Lightning's; False for `none`.
        id: of the run at the tracker.
        name: of the run, and of the model it trains.
        parents: names of the models it learns from.
        lineage: flow run whose models these are, `<flow>/<run id>`: the one that was resumed, else its own.
    """

    kind: str
    logger: Any
    id: str
    name: str = ""
    parents: Sequence[str] = ()
    lineage: str = ""

    def log(self, metric: str, values: list[float]) -> None:
        """Log a curve that no Lightning trainer logs, one value an epoch."""
        for epoch, value in enumerate(values if self.logger else []):
            self.logger.log_metrics({metric: value, "epoch": epoch}, step=epoch)

    def finish(self, summary: dict[str, float], weights: bytes = b"") -> None:
        """Write the last numbers and the model's weights (safetensors), and close the run."""
        if self.kind == "wandb":
            import wandb

            self.logger.experiment.summary.update(summary)
            lineage = {"model": self.name, "parents": list(self.parents)}
            files = {"lineage.json": json.dumps(lineage).encode()} | ({WEIGHTS: weights} if weights else {})
            self.upload(self.name, "model", files)
            wandb.finish()
        elif self.kind == "mlflow":
            self.logger.log_metrics(summary)
            self.logger.finalize("success")

    def upload(self, name: str, kind: str, files: Mapping[str, bytes]) -> None:
        """Add files to the open W&B run as one artifact; of the models behind it, which `kdgat.tracking.sync` declares, it holds the names."""
        import wandb

        artifact = wandb.Artifact(name, kind, metadata={"parents": list(self.parents), "lineage": alias(self.lineage)})
        for file, data in files.items():
            with artifact.new_file(file, mode="wb") as stream:
                stream.write(data)
        self.logger.experiment.log_artifact(artifact, aliases=["latest", alias(self.lineage)])


def alias(flow_run: str) -> str:
    """What marks the artifacts of a flow run, `<flow>-<run id>`: W&B's aliases hold no slash."""
    return flow_run.replace("/", "-")


def learned_from(model: str) -> list[str]:
    """Name the models that `model` (`gat-student`…) learns from: its teacher, and what gives it its order or its input."""
    name = ModelName.parse(model)
    inputs = {"gat": ("vgae",), "fusion-dqn": ("vgae", "gat")}.get(name.family, ())
    parents = [str(ModelName(family, name.role)) for family in inputs]
    return [str(ModelName(name.family, "teacher")), *parents] if name.role == "student" else parents


def start(
    kind: str,
    *,
    name: str,
    group: str,
    config: dict[str, Any],
    stage: str = "",
    parents: Sequence[str] = (),
    lineage: str = "",
) -> Tracker:
    """Open one tracker run for one training.

    Args:
        kind: one of `TRACKERS`.
        name: shown as the run's name.
        group: the flow run.
        config: flat hyper-parameters.
        stage: kind of training.
        parents: names of the runs whose models this one learns from.
        lineage: flow run that `group` resumes; empty: itself.

    Raises:
        KdgatError: unknown tracker, or one that the site does not allow.
    """
    check(kind)
    if kind == "none":
        return Tracker(kind, False, "")
    opened = _wandb(name, group, config, stage) if kind == "wandb" else _mlflow(name, group, config, stage, parents)
    opened.name, opened.parents, opened.lineage = name, parents, lineage or group
    return opened


def publish(
    kind: str,
    *,
    name: str,
    group: str,
    config: dict[str, Any],
    parents: Sequence[str],
    lineage: str,
    tables: Mapping[str, bytes],
) -> None:
    """Mirror an evaluation: one W&B run with an artifact per table (Parquet bytes); other trackers get nothing.

    Args:
        kind: one of `TRACKERS`.
        name: of the run; an artifact is called `<table>-<name>`.
        group: the flow run.
        config: flat hyper-parameters.
        parents: names of the runs whose models were evaluated.
        lineage: as in `start`.
        tables: table → its rows.

    Raises:
        KdgatError: unknown tracker, or one that the site does not allow.
    """
    check(kind)
    if kind != "wandb" or not tables:
        return
    import wandb

    opened = start(kind, name=name, group=group, config=config, stage="evaluate", parents=parents, lineage=lineage)
    for table, data in tables.items():
        opened.upload(f"{table}-{name}", table, {f"{table}.parquet": data})
    wandb.finish()


def _wandb(name: str, group: str, config: dict[str, Any], stage: str) -> Tracker:
    folder = work_folder() / "wandb-runs"
    folder.mkdir(exist_ok=True)
    # artifacts of offline runs are staged under WANDB_DATA_DIR, by default in the home folder: keep them together
    os.environ.setdefault("WANDB_DATA_DIR", str(folder))
    os.environ.setdefault("WANDB_SILENT", "true")
    if not os.environ.get("WANDB_API_KEY"):
        os.environ.setdefault("WANDB_MODE", "offline")
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    def init(mode: Literal["offline"] | None) -> Any:
        return wandb.init(
            project=os.environ.get("WANDB_PROJECT", settings().tracking.project),
            name=name,
            group=group,
            job_type=stage or None,
            config=config,
            dir=str(folder),
            mode=mode,
            settings=wandb.Settings(console="off", silent=True, init_timeout=_PATIENCE),
            reinit="finish_previous",
        )

    try:
        run = init(None)
    except wandb.errors.Error as error:  # a key that W&B refuses, or no way there: no reason to train nothing
        terminal.warning(f"{_short(error)} The run is kept offline: `kdgat track sync` sends it later")
        run = init("offline")
    return Tracker("wandb", WandbLogger(experiment=run), run.id)


def _mlflow(name: str, group: str, config: dict[str, Any], stage: str, parents: Sequence[str]) -> Tracker:
    # a server that does not answer is asked for minutes otherwise
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(int(_PATIENCE)))
    from mlflow.exceptions import MlflowException

    tags = {"group": group, "stage": stage, "parents": ",".join(parents)}

    def init(uri: str) -> Any:
        logger = _mirror()(settings().tracking.project, run_name=name, tracking_uri=uri, tags=dict(tags))
        logger.log_hyperparams(config)
        return logger

    database = work_folder() / "mlflow.db"
    try:
        logger = init(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{database}")
    except MlflowException as error:  # no way there, or refused: no reason to train nothing
        terminal.warning(f"{_short(error)} The run is kept in {database}")
        logger = init(f"sqlite:///{database}")
    return Tracker("mlflow", logger, str(logger.run_id))


@cache
def _mirror() -> type:
    """Make the class of Lightning's logger that ends no training when the server is gone: the run's own record has it all."""
    from lightning.pytorch.loggers import MLFlowLogger
    from mlflow.exceptions import MlflowException

    class Mirror(MLFlowLogger):
        """Says once that the server is gone, and sends it no more."""

        gone = False

        def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
            """Send a line of a curve."""
            self._send(lambda: super(Mirror, self).log_metrics(metrics, step))

        def finalize(self, status: str = "success") -> None:
            """Close the run."""
            self._send(lambda: super(Mirror, self).finalize(status))

        def _send(self, send: Callable[[], None]) -> None:
            if self.gone:
                return
            try:
                send()
            except MlflowException as error:
                self.gone = True
                terminal.warning(f"{_short(error)} The rest of this run is not mirrored")

    return Mirror


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def check(kind: str) -> None:
    """Raise `KdgatError` for a tracker that is unknown or not allowed here."""
    if kind not in TRACKERS:
        raise KdgatError(f"no tracker is called {kind!r}; known: {', '.join(TRACKERS)}")
    if kind not in settings().tracking.allowed:
        raise KdgatError(f"this site does not allow {kind}: its settings say {', '.join(settings().tracking.allowed)}")
