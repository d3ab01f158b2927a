"""`kdgat track`."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

track = App(name="track", help="Push what runs wrote offline to W&B.")


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
