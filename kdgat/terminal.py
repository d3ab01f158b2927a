"""Show errors, warnings, notes and progress on stderr, in one look; colours only on a terminal and never with NO_COLOR.

Standard library alone: errors are shown before anything is installed.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

#: longest silence (s) of work that is told by `Pace`
SILENCE = 10.0
_RED, _YELLOW = "31", "33"
_BAR = 30


def plain(text: str) -> str:
    """Text whose control characters are shown and not obeyed: a name from a file may clear a screen or turn a line around."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def tolerate() -> None:
    """Let characters that the terminal's encoding lacks (Latin-1 has no dash) be shown by their numbers instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def error(message: str) -> None:
    """Print `error: …`."""
    print(f"{_coloured('error:', _RED)} {plain(message)}", file=sys.stderr, flush=True)


def warning(message: str) -> None:
    """Print `warning: …`."""
    print(f"{_coloured('warning:', _YELLOW)} {plain(message)}", file=sys.stderr, flush=True)


def note(message: str) -> None:
    """Print a line about the work, which is not part of a command's output."""
    print(plain(message), file=sys.stderr, flush=True)


class Pace:
    """Notes on long work, for a log as for a terminal: one whenever `SILENCE` has passed since the last.

    Args:
        name: what is worked on.
        unit: what is counted, in the plural.
    """

    def __init__(self, name: str, unit: str) -> None:
        self.name, self.unit, self._noted = name, unit, time.monotonic()

    def reached(self, done: int, total: int) -> None:
        """Print how many of `total` are done, if it is time to."""
        if time.monotonic() - self._noted >= SILENCE:
            note(f"{self.name}: {done:,} of {total:,} {self.unit}")
            self._noted = time.monotonic()


def paced(items: Sequence[Item], name: str, unit: str) -> Iterator[Item]:
    """Give `items` one by one and note how many are done (see `Pace`)."""
    pace = Pace(name, unit)
    for done, item in enumerate(items):
        pace.reached(done, len(items))
        yield item


def progress(done: int, total: int, name: str) -> None:
    """Overwrite one line with a bar of `done` of `total` bytes; print nothing where stderr is not a terminal."""
    if sys.stderr.isatty():
        width = _BAR * done // max(total, 1)
        bar = "█" * width + "·" * (_BAR - width)
        text = f"\r{bar} {done / 1e6:,.0f} of {total / 1e6:,.0f} MB  {plain(name)[:50]:50}"
        print(text, end="", file=sys.stderr, flush=True)


def _coloured(text: str, colour: str) -> str:
    plain = not sys.stderr.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else f"\033[{colour}m{text}\033[0m"
