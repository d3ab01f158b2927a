"""User errors of a flow end as one line and exit code 2, also when they happen in a task.

A task is another process, perhaps on another computer, and Metaflow answers its failure with exit code 1 and a traceback.
The head names a file in the environment; a task that meets a `KdgatError` or a refusing disk writes
its line there and stops; the head repeats it as its last line. What a disk refuses Metaflow itself ends in the same way.
Tasks of this computer end with their head, however it ends.

Every step passes through here, so that this is also where a task notes which code it ran (`code_version.py`), says what it
is doing (`live.py`) and looks at its GPUs (`gpu_use.py`).
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from kdgat import collector, terminal
from kdgat.errors import ERROR_FILE, KdgatError, cli, missing, refusal, report
from kdgat.runtime import configure, work_folder
from kdgat.settings import workers
from support.code_version import record, tell
from support.gpu_use import sampling
from support.live import shown
from support.resuming import asked, furthest, named

#: characters kept free for the line of an error
_LINE = 4096
_PR_SET_PDEATHSIG = 1


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
    """Settle store, site, workers and threads; called before metaflow and numpy are imported, which read them."""
    try:
        if importlib.util.find_spec("metaflow") is None:
            raise missing("metaflow")
        configure()
        os.environ.setdefault("METAFLOW_RUN_MAX_WORKERS", str(workers(sys.argv)))  # `--max-workers` overrides it
        # threads of OpenBLAS spin while they wait: beside other tasks a decomposition costs thirty times as much with two
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    except (KdgatError, OSError) as error:
        problem = refusal(error) if isinstance(error, OSError) else error
        if problem is None:
            raise
        report(problem)
        sys.exit(2)


def main(flow: Any) -> None:
    """Start the command line of `flow`, a subclass of FlowSpec."""
    collector.skip_at_exit()
    _raise_what_a_disk_refuses()
    if ERROR_FILE in os.environ:  # a task, or a flow started by another
        _end_with_parent()
        try:
            flow()
        except KdgatError as error:
            report(error)
            sys.exit(2)
    else:
        cli(lambda: _head(flow))


def _head(flow: Any) -> None:
    """Run the head with a file, in the work folder, which every node sees, for the line of a task that fails."""
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(dir=work_folder(), prefix=".head-") as folder:
        path = Path(folder) / "error"
        path.write_text(" " * _LINE, encoding="utf-8")  # so that a line finds room on a full disk
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
            if stop.code and (line := path.read_text(encoding="utf-8").strip(" ")):
                print(line, end="", file=sys.stderr)
                sys.exit(2)
            raise


def _end(number: int, _: FrameType | None) -> None:
    """End the head in order: tasks of this computer hear of it from the kernel, `launch.py` ends those of a cluster."""
    signal.signal(number, signal.SIG_DFL)
    terminal.error("ended by SIGTERM, and its tasks with it; `resume` goes on with what had finished")
    sys.exit(128 + number)


def _end_with_parent() -> None:
    """SIGTERM for this process when its parent ends, however it does; where the kernel can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _raise_what_a_disk_refuses() -> None:
    """Let the error of a full or read-only store leave Metaflow's command line, which otherwise prints its traceback."""
    from metaflow import cli as commands

    print_exception = commands.print_unknown_exception

    def stopped(error: Exception) -> None:
        problem = refusal(error) if isinstance(error, OSError) else None
        if problem is None:
            print_exception(error)
        elif isinstance(error, OSError) and error.filename:
            raise problem
        else:
            raise KdgatError(f"{configure()}: {getattr(error, 'strerror', None) or problem}")

    commands.print_unknown_exception = stopped
