"""Which run `resume` goes on from.

Metaflow takes the last one that `run` began, so that whatever a first resumption finished would be trained again by a
second one. Here it is that run or, where they got further, one of its resumptions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from support.code_version import ran


def asked(arguments: Sequence[str]) -> bool:
    """Whether a command line resumes a run without saying which."""
    return "resume" in arguments and not any(word.startswith("--origin-run-id") for word in arguments)


def named(arguments: Sequence[str]) -> str | None:
    """The run that a command line says it resumes."""
    for word, after in zip(arguments, [*arguments[1:], ""], strict=True):
        if word.startswith("--origin-run-id"):
            return word.partition("=")[2] or after
    return None


def furthest(store: Path) -> str | None:
    """The run to resume: of the last one that was begun and its resumptions, the one with most finished tasks.

    A resumption that was killed while it took over what was finished has fewer than the run that it resumed. One whose
    tasks ran different code is left out: its results could not be joined.

    Args:
        store: folder of the flow's runs in Metaflow's local metadata.

    Returns:
        A run's id; None if no run was begun, or killed before its id was written.
    """
    latest = store / "latest_run"
    begun = latest.read_text(encoding="utf-8") if latest.is_file() else ""
    if not begun:
        return None
    chain = [begun]
    origins = {folder.parent.name: _origin(folder.parent) for folder in store.glob("*/_parameters")}
    for run in chain:
        chain += sorted(r for r, origin in origins.items() if origin == run and r not in chain)
    whole = [run for run in chain if run == begun or len(ran(store.name, run)) <= 1]
    return max(whole, key=lambda run: _finished(store / run))  # the oldest of equals


def _values(files: Sequence[Path]) -> list[str]:
    return [json.loads(file.read_text(encoding="utf-8"))["value"] for file in files]


def _origin(run: Path) -> str | None:
    """The run that a run resumed, from the metadata of a task that it took over; None if it took over none."""
    for taken_over in run.glob("*/*/_meta/sysmeta_origin-task-id_*.json"):
        return next(iter(_values(list(taken_over.parent.glob("sysmeta_origin-run-id_*.json")))), None)
    return None


def _finished(run: Path) -> int:
    """Tasks of a run that ended well."""
    tasks = {file.parents[1] for file in run.glob("*/*/_meta/sysmeta_attempt_ok_*.json") if _values([file]) == ["True"]}
    return len(tasks)
