"""Experiment trackers as mirrors of the run's own record: W&B, MLflow or none.

Offline unless an API key is given: never a prompt, never a wait for a network.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from kdgat.errors import KdgatError
from kdgat.store import work_folder

TRACKERS = ("wandb", "mlflow", "none")


@dataclass
class Tracker:
    """A Lightning logger and the id of the run behind it."""

    kind: str
    logger: Any
    id: str

    def log(self, metric: str, values: list[float]) -> None:
        """Log a curve that no Lightning trainer logs, one value an epoch."""
        for epoch, value in enumerate(values if self.logger else []):
            self.logger.log_metrics({metric: value, "epoch": epoch}, step=epoch)

    def finish(self, summary: dict[str, float]) -> None:
        """Write the last numbers and close the run."""
        if self.kind == "wandb":
            import wandb

            self.logger.experiment.summary.update(summary)
            wandb.finish()
        elif self.kind == "mlflow":
            self.logger.log_metrics(summary)
            self.logger.finalize("success")


def start(kind: str, *, name: str, group: str, config: dict[str, Any]) -> Tracker:
    """Open one tracker run for one training.

    Args:
        kind: one of `TRACKERS`.
        name: shown as the run's name.
        group: the flow run.
        config: flat hyper-parameters.

    Raises:
        KdgatError: unknown tracker.
    """
    if kind == "none":
        return Tracker(kind, False, "")
    if kind == "wandb":
        return _wandb(name, group, config)
    if kind == "mlflow":
        return _mlflow(name, group, config)
    raise KdgatError(f"no tracker is called {kind!r}; known: {', '.join(TRACKERS)}")


def _wandb(name: str, group: str, config: dict[str, Any]) -> Tracker:
    folder = work_folder() / "wandb-runs"
    folder.mkdir(exist_ok=True)
    # artifacts of offline runs are staged under WANDB_DATA_DIR, by default in the home folder: keep them together
    os.environ.setdefault("WANDB_DATA_DIR", str(folder))
    os.environ.setdefault("WANDB_SILENT", "true")
    if not os.environ.get("WANDB_API_KEY"):
        os.environ.setdefault("WANDB_MODE", "offline")
    from lightning.pytorch.loggers import WandbLogger

    import wandb

    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "kd-gat"),
        name=name,
        group=group,
        config=config,
        dir=str(folder),
        settings=wandb.Settings(console="off", silent=True),
        reinit="finish_previous",
    )
    return Tracker("wandb", WandbLogger(experiment=run), run.id)


def _mlflow(name: str, group: str, config: dict[str, Any]) -> Tracker:
    from lightning.pytorch.loggers import MLFlowLogger

    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{work_folder() / 'mlflow.db'}"
    logger = MLFlowLogger("kd-gat", run_name=name, tracking_uri=uri, tags={"group": group})
    logger.log_hyperparams(config)
    return Tracker("mlflow", logger, str(logger.run_id))


def check(kind: str) -> None:
    """Raise `KdgatError` for an unknown tracker."""
    if kind not in TRACKERS:
        raise KdgatError(f"no tracker is called {kind!r}; known: {', '.join(TRACKERS)}")
