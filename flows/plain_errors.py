"""User errors of a flow end as one line and exit code 2, also when they happen in a task.

A task is another process, and Metaflow answers its failure with exit code 1 and a traceback. The head names a file in the
environment; a task that meets a `KdgatError` writes its line there and stops; the head repeats it as its last line.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdgat.errors import KdgatError

_VARIABLE = "KDGAT_ERROR_FILE"


def plain(step: Callable[..., None]) -> Callable[..., None]:
    """Decorates a step's function (under `@step`)."""

    @functools.wraps(step)
    def run(self: Any, *args: Any) -> None:
        try:
            step(self, *args)
        except KdgatError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            if os.environ.get(_VARIABLE):
                Path(os.environ[_VARIABLE]).write_text(f"error: {error}\n")
            sys.exit(2)

    return run


def main(flow: Callable[[], Any]) -> None:
    """Start the flow's command line."""
    if _VARIABLE in os.environ:  # a task, or a flow started by another
        flow()
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "error"
        os.environ[_VARIABLE] = str(path)
        try:
            flow()
        except SystemExit as stop:
            if stop.code and path.exists():
                print(path.read_text(), end="", file=sys.stderr)
                sys.exit(2)
            raise
