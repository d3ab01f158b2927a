"""Show errors, warnings, notes and progress on stderr, in one look; colours only on a terminal and never with NO_COLOR.

Standard library alone: errors are shown before anything is installed.
"""

from __future__ import annotations

import io
import os
import sys

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
