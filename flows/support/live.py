"""On a terminal, one live line a running task below the head's log; elsewhere nothing, the log has a plain line an epoch."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from kdgat.training import progress


@contextlib.contextmanager
def shown(folder: Path) -> Iterator[None]:
    """Draw the lines in `folder`, an empty one, while the block runs."""
    if not (sys.stdout.isatty() and {"run", "resume"} & set(sys.argv)):
        yield
        return
    from rich.live import Live
    from rich.text import Text

    def drawn() -> Text:
        now = time.time()
        return Text("\n".join(line.text(now) for line in progress.lines(folder)), style="cyan", no_wrap=True)

    os.environ[progress.FOLDER] = str(folder)
    with Live(get_renderable=drawn, refresh_per_second=2, transient=True):
        yield
