"""`python -m kdgat.tracking sync`: from a node with a network, push what runs wrote offline; repeating it is harmless."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from kdgat import tracking
from kdgat.errors import KdgatError, cli
from kdgat.store import configure, work_folder


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m kdgat.tracking", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("sync", help="push offline runs of W&B and compare what arrived with what lies here")
    one.add_argument("--folder", type=Path, help="default: wandb-runs of the work folder")
    one.add_argument("--entity", default=os.environ.get("WANDB_ENTITY", ""), help="default: the key's own")
    one.add_argument("--dry-run", action="store_true", help="only say how many there are")
    given = parser.parse_args()
    configure()
    tracking.check("wandb")
    folder = given.folder or work_folder() / "wandb-runs"
    if not folder.is_dir():
        raise KdgatError(f"no folder {folder}")
    if not (given.dry_run or os.environ.get("WANDB_API_KEY")):
        raise KdgatError("WANDB_API_KEY is not set: nothing can be sent")
    # the clients print much, and look for a network that the runs did not have
    os.environ.pop("WANDB_MODE", None)
    os.environ.setdefault("WANDB_SILENT", "true")
    from kdgat.tracking.sync import sync

    failed = sync(folder, given.entity, given.dry_run)
    if failed:
        raise KdgatError(f"{len(failed)} runs are not pushed; the first: {failed[0]}")
    return 0


if __name__ == "__main__":
    cli(main)
