"""Sends runs that were written offline, once, and reads them back: the service must hold what lies here, row by row.

W&B's own client appends: sending a run again, of which the service has a part, doubles that part. So what the service has
is read first, and only the rest is sent.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdgat import atomic
from kdgat.errors import KdgatError
from kdgat.runtime import configure, work_folder
from kdgat.tracking import trackers
from kdgat.tracking.wandb_log import LocalRun, read, without

#: how often what is missing is sent
TRIES = 3
#: a run that nobody closed counts as given up when nothing was written to it for so long (s)
GIVEN_UP = 900


@dataclass(frozen=True)
class Offline:
    """A run's folder: `offline-run-<time>-<id>`."""

    folder: Path

    @property
    def log(self) -> Path:
        """The `.wandb` file."""
        logs = sorted(self.folder.glob("run-*.wandb"))
        if not logs:
            raise KdgatError(f"{self.folder}: no run-*.wandb")
        return logs[0]

    @property
    def _note(self) -> Path:
        return self.folder / "pushed.json"

    def pushed(self) -> bool:
        """Whether all that is written so far was sent and read back."""
        return (
            self._note.is_file()
            and json.loads(self._note.read_text(encoding="utf-8"))["bytes"] == self.log.stat().st_size
        )

    def note(self, run: LocalRun, entity: str, size: int) -> None:
        """Remember that it was."""
        record = {"bytes": size, "rows": len(run.history), "run": f"{entity}/{run.project}/{run.id}"}
        atomic.write_text(self._note, json.dumps(record) + "\n")


def offline(folder: Path) -> list[Offline]:
    """Runs below a W&B folder, oldest first."""
    return [Offline(p) for p in sorted((folder / "wandb").glob("offline-run-*")) if any(p.glob("run-*.wandb"))]


def same(a: Any, b: Any) -> bool:
    """Equal, where NaN is equal to itself and numbers are numbers (JSON has no 1.0)."""
    if isinstance(a, float) and isinstance(b, float | int | str) and math.isnan(a):
        return math.isnan(float(b))
    return bool(a == b)


def differences(run: LocalRun, history: dict[int, dict[str, Any]], summary: dict[str, Any]) -> list[str]:
    """What the service lacks, has too much, or has otherwise."""
    lines = []
    missing, extra = sorted(set(run.history) - set(history)), sorted(set(history) - set(run.history))
    if missing:
        lines.append(f"{len(missing)} history rows missing, the first at step {missing[0]}")
    if extra:
        lines.append(f"{len(extra)} history rows too many, the first at step {extra[0]}")
    for step in sorted(set(run.history) & set(history)):
        for key, value in run.history[step].items():
            if not same(value, history[step].get(key)):
                lines.append(f"step {step}: {key} is {history[step].get(key)!r} there and {value!r} here")
    for key, value in run.summary.items():
        if not same(value, summary.get(key)):
            lines.append(f"summary: {key} is {summary.get(key)!r} there and {value!r} here")
    return lines


def remote(run: LocalRun, entity: str) -> tuple[dict[int, dict[str, Any]], dict[str, Any]] | None:
    """History by step, and summary, as the service has them now; None if it has no such run."""
    import wandb

    try:
        # a new Api each time: it remembers what it has read
        there = wandb.Api(timeout=60).run(f"{entity}/{run.project}/{run.id}")
    except (ValueError, wandb.errors.CommError) as error:
        if "not find run" in str(error):
            return None
        raise
    rows: dict[int, dict[str, Any]] = {}
    for row in there.scan_history(use_cache=False):
        # two rows for one step: the later one must not hide that the service has both
        step = int(row["_step"])
        rows[step if step not in rows else -len(rows) - 1] = {k: v for k, v in row.items() if not k.startswith("_")}
    return rows, dict(there.summary)


def send(folders: list[Path]) -> None:
    """Let W&B's own client send runs, whatever it thinks it has sent already."""
    command = [sys.executable, "-m", "wandb", "sync", "--yes", "--no-skip-synced", *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise KdgatError(f"wandb sync: {lines[-1] if lines else 'failed'}")


def rest(one: Offline, run: LocalRun, steps: Set[int], temporary: Path) -> Path:
    """A copy of a run's folder whose log holds what the service lacks."""
    folder = temporary / one.folder.name
    shutil.copytree(one.folder, folder, ignore=shutil.ignore_patterns("*.wandb", "*.synced", "*.syncstate", "logs"))
    (folder / one.log.name).write_bytes(without(one.log, steps, run))
    return folder


def declare_inputs(run: LocalRun, entity: str) -> list[str]:
    """Tell the service which models a run learned from; returns artifacts of the run that the service lacks.

    A run that was written offline cannot say so itself. A parent that is not at the service (yet) is left out.
    """
    import wandb

    api = wandb.Api(timeout=60)
    missing, parents = [], set()
    for name, metadata in run.artifacts.items():
        of = f"{entity}/{run.project}/{{}}:{metadata.get('lineage', 'latest')}"
        if not api.artifact_exists(of.format(name)):
            missing.append(f"artifact {name} is not there")
        parents |= {of.format(parent) for parent in metadata.get("parents", ())}
    there = api.run(f"{entity}/{run.project}/{run.id}") if parents else None
    for parent in sorted(parents):
        if there is not None and api.artifact_exists(parent):
            there.use_artifact(api.artifact(parent))
    return missing


def attempt(waiting: dict[Offline, LocalRun], entity: str, say: Callable[[str], None]) -> dict[Offline, str]:
    """Send what is missing of all these runs in one go and compare; those that are not whole, with the reason."""
    problems: dict[Offline, str] = {}
    folders: list[Path] = []
    sizes = {one: one.log.stat().st_size for one in waiting}
    with tempfile.TemporaryDirectory() as temporary:
        for one, run in waiting.items():
            there = remote(run, entity)
            if there is None or not there[0]:
                folders.append(one.folder)
            elif differences(run, *there):
                folders.append(rest(one, run, there[0].keys(), Path(temporary)))
        if folders:
            send(folders)
    for one, run in waiting.items():
        there = remote(run, entity)
        reasons = differences(run, *there) + declare_inputs(run, entity) if there else ["not there"]
        if reasons:
            problems[one] = f"{run.name or run.id}: {'; '.join(reasons[:3])}"
        else:
            one.note(run, entity, sizes[one])
            say(f"{run.name}: {len(run.history)} rows sent and read back")
    return problems


def sync(
    folder: Path, entity: str = "", dry_run: bool = False, say: Callable[[str], None] = print, pause: float = 2.0
) -> list[str]:
    """Push all runs of a W&B folder that are not pushed; returns a line for each that is not whole at the end.

    Args:
        folder: holds `wandb/offline-run-…`.
        entity: owner at the service; default the key's own.
        dry_run: only say how many there are.
        say: is given a line for each run.
        pause: before the second try (s), twice that before the third.
    """
    waiting: dict[Offline, LocalRun] = {}
    for one in offline(folder):
        if one.pushed():
            continue
        run = read(one.log)
        if run.finished or time.time() - one.log.stat().st_mtime > GIVEN_UP:
            waiting[one] = run
        else:
            say(f"{run.name or one.folder.name}: still being written")
    say(f"{len(offline(folder))} runs in {folder}, {len(waiting)} to push")
    if dry_run or not waiting:
        return []
    import wandb

    problems: dict[Offline, str] = {}
    for number in range(TRIES):
        if number:
            time.sleep(pause * 2 ** (number - 1))
        try:
            owner = entity or wandb.Api(timeout=60).default_entity or ""
            problems = attempt(waiting, owner, say)
        except (KdgatError, OSError, ValueError, wandb.errors.Error) as error:
            problems = {one: f"{run.name or run.id}: {str(error).splitlines()[0]}" for one, run in waiting.items()}
        waiting = {one: run for one, run in waiting.items() if one in problems and not one.pushed()}
        if not waiting:
            return []
    return [problems[one] for one in waiting]


def run(folder: Path | None = None, entity: str | None = None, *, dry_run: bool = False) -> int:
    """Push offline runs from a node with a network; return the exit code 0.

    Args:
        folder: of the offline runs; None: `wandb-runs` of the work folder.
        entity: owner at the service; None: $WANDB_ENTITY, else the key's own.
        dry_run: only say how many there are.

    Raises:
        KdgatError: W&B is not installed, no key, no such folder, or runs that are not whole at the service.
    """
    configure()
    trackers.check("wandb")
    folder = folder or work_folder() / "wandb-runs"
    if not folder.is_dir():
        raise KdgatError(f"no folder {folder}")
    if not (dry_run or os.environ.get("WANDB_API_KEY")):
        raise KdgatError("WANDB_API_KEY is not set: nothing can be sent")
    # the clients print much, and look for a network that the runs did not have
    os.environ.pop("WANDB_MODE", None)
    os.environ.setdefault("WANDB_SILENT", "true")
    failed = sync(folder, os.environ.get("WANDB_ENTITY", "") if entity is None else entity, dry_run)
    if failed:
        raise KdgatError(f"{len(failed)} runs are not pushed; the first: {failed[0]}")
    return 0
