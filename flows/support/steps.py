"""User errors of a flow end as one line and exit code 2, also when they happen in a task.

A task is another process, perhaps on another computer, and Metaflow answers its failure with exit code 1 and a traceback.
The head names a file in the environment; a task that meets a `KdgatError` or a refusing disk writes
its line there and stops; the head repeats it as its last line.

Every step passes through here, so that this is also where a task notes which code it ran (`code_version.py`), says what it
is doing (`live.py`) and looks at its GPUs (`gpu_use.py`).
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdgat.errors import ERROR_FILE, KdgatError, missing, refusal, report
from kdgat.runtime import configure, work_folder
from kdgat.settings import workers
from support.code_version import record, tell
from support.gpu_use import sampling
from support.live import shown
from support.resuming import asked, furthest, named


def plain(step: Callable[..., None]) -> Callable[..., None]:
    """Decorates a step's function (under `@step`)."""

    @functools.wraps(step)
    def run(self: Any, *args: Any) -> None:
        try:
            record(self, step.__name__, *args)
            with sampling():
                step(self, *args)
        except (KdgatError, OSError) as error:
            problem = refusal(error) if isinstance(error, OSError) else error
            if problem is None:
                raise
            report(problem)
            sys.exit(2)

    return run


def ready() -> None:
    """Settle store, site and workers; called before metaflow is imported, since it reads them from the environment."""
    try:
        if importlib.util.find_spec("metaflow") is None:
            raise missing("metaflow")
        configure()
        os.environ.setdefault("METAFLOW_RUN_MAX_WORKERS", str(workers(sys.argv)))  # `--max-workers` overrides it
    except KdgatError as error:
        report(error)
        sys.exit(2)


def main(flow: Any) -> None:
    """Start the command line of `flow`, a subclass of FlowSpec."""
    if ERROR_FILE in os.environ:  # a task, or a flow started by another
        flow()
        return
    # in the work folder, which every node sees
    with tempfile.TemporaryDirectory(dir=work_folder(), prefix=".head-") as folder:
        path = Path(folder) / "error"
        os.environ[ERROR_FILE] = str(path)
        resumed = named(sys.argv[1:])
        if asked(sys.argv[1:]) and (resumed := furthest(configure() / flow.__name__)):
            sys.argv += ["--origin-run-id", resumed]
        if resumed:
            tell(flow.__name__, resumed)
        (Path(folder) / "progress").mkdir()
        try:
            with shown(Path(folder) / "progress"):
                flow()
        except SystemExit as stop:
            if stop.code and path.exists():
                print(path.read_text(encoding="utf-8"), end="", file=sys.stderr)
                sys.exit(2)
            raise
