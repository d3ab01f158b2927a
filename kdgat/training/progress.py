"""What running tasks are doing, for a person at a terminal: a task keeps one small file, the head draws a line for each.

Without a head that asks for it ($KDGAT_PROGRESS names a folder that every node sees) nothing is written.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from kdgat import atomic

FOLDER = "KDGAT_PROGRESS"


@dataclass(frozen=True)
class Line:
    """One running task.

    Attributes:
        what: step, or what is trained.
        done, of: epochs.
        metric: its newest value, as text.
        left: until the last epoch (s); None while nobody knows.
        since: when this was written (s since 1970).
    """

    what: str
    done: int = 0
    of: int = 0
    metric: str = ""
    left: float | None = None
    since: float = 0.0

    def text(self, now: float) -> str:
        """For the terminal."""
        quiet = now - self.since
        left = "" if self.left is None else f"{_clock(max(self.left - quiet, 0))} left"
        bar = f"epoch {self.done}/{self.of}" if self.of else _clock(quiet)
        return "  ".join(part for part in (self.what, bar, self.metric, left) if part)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _file() -> Path | None:
    folder = os.environ.get(FOLDER)
    return Path(folder) / f"{socket.gethostname()}-{os.getpid()}.json" if folder else None


def tell(what: str, done: int = 0, of: int = 0, metric: str = "", left: float | None = None) -> None:
    """Replace this task's line."""
    file = _file()
    if file is not None and file.parent.is_dir():  # the head may be gone
        atomic.write_text(file, json.dumps(asdict(Line(what, done, of, metric, left, time.time()))))


def finished() -> None:
    """Remove this task's line."""
    file = _file()
    if file is not None:
        file.unlink(missing_ok=True)


def lines(folder: Path) -> list[Line]:
    """The lines of all running tasks, by name."""
    tasks = []
    for file in folder.glob("*.json"):
        try:
            tasks.append(Line(**json.loads(file.read_text(encoding="utf-8"))))
        except FileNotFoundError:
            continue  # finished meanwhile
    return sorted(tasks, key=lambda line: line.what)
