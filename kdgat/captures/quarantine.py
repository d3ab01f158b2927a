"""Rows that a reader does not accept, and the side file they are set aside in."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kdgat import atomic
from kdgat.errors import CaptureError

SUFFIX = ".quarantine.csv"
#: more bad rows than that are no damage: the file is not what it looks like
MOST_BAD = 100_000


@dataclass(frozen=True)
class BadRow:
    """A row that was not accepted.

    Attributes:
        line: 1-based line of the file; of a binary format, the number of the record.
        column: field that is wrong, `row` for the row as a whole.
        reason: what is wrong with it.
        text: the row, at most 200 characters.
    """

    line: int
    column: str
    reason: str
    text: str


def _plain(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula, without control characters."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in cell)
    return f"'{shown}" if shown.lstrip()[:1] in tuple("=+-@") else shown


def quarantine_path(capture: Path) -> Path:
    """Where the bad rows of `capture` are set aside by default: beside it."""
    return capture.with_name(capture.name + SUFFIX)


def write_quarantine(path: Path, rows: Sequence[BadRow], capture: Path) -> None:
    """Write the side file, a row each: line, column, reason, text. No bad rows, no file: an old one is removed.

    Whoever may not read the `capture` may not read its rows there.

    Raises:
        CaptureError: it cannot be written.
    """
    try:
        if not rows:
            path.unlink(missing_ok=True)
            return
        _write(path, rows, stat.S_IMODE(capture.stat().st_mode) & 0o644)
    except OSError as error:
        raise CaptureError(str(path), 0, f"bad rows cannot be set aside: {error.strerror or error}") from None


def _write(path: Path, rows: Sequence[BadRow], mode: int) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["line", "column", "reason", "text"])
    writer.writerows((row.line, row.column, _plain(row.reason), _plain(row.text)) for row in rows)
    atomic.write_text(path, text.getvalue(), mode)
