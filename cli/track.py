"""`kdgat track`."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

track = App(name="track", help="Push what runs wrote offline to W&B, and report on a release there.")


@track.command
def sync(*, folder: Path | None = None, entity: str | None = None, dry_run: bool = False) -> int:
    """Push offline runs and compare what arrived with what lies here; repeating it is harmless.

    Args:
        folder: of the offline runs. [default: wandb-runs of the work folder]
        entity: owner at the service. [default: $WANDB_ENTITY, else the key's own]
        dry_run: only say how many there are.
    """
    from kdgat.tracking import sync

    return sync.run(folder, entity, dry_run=dry_run)


@track.command
def report(*, release: str | None = None, entity: str | None = None, project: str | None = None) -> int:
    """Save a W&B report of a release as a draft: its headline results beside the curves of its runs.

    Args:
        release: name. [default: the current one]
        entity: owner at the service. [default: $WANDB_ENTITY, else the key's own]
        project: at the service. [default: that of the site's settings]
    """
    from analysis import wandb_report

    return wandb_report.run(release, entity, project)
