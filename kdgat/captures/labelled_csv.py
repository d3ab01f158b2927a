"""can-train-and-test CSV: `timestamp,arbitration_id,data_field,attack` (v1 and v1.5, LF or CRLF).

Defined outcomes: an empty `data_field` is a frame with DLC 0; frames keep the order of the file, also where time steps
back; more than 16 hex digits, an odd number of them, a missing column (so also a last line that was cut off) and a
label other than 0 or 1 are bad rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kdgat.captures.frames import Frames

HEADER = b"timestamp,arbitration_id,data_field,attack"

_REASONS = {
    1: ("timestamp", "timestamp {field!r} is not a number of seconds"),
    2: ("arbitration_id", "arbitration ID {field!r} is not hexadecimal of at most 29 bits"),
    3: ("data_field", "data field {field!r} is not hexadecimal"),
    4: ("data_field", "data field {field!r} has an odd number of hex digits"),
    5: ("data_field", "data field {field!r} has more than 16 hex digits"),
    6: ("attack", "label {field!r} is neither 0 nor 1"),
    7: ("row", "{columns} columns instead of 4"),
}


@dataclass(frozen=True)
class BadRow:
    """A row that was not accepted: byte offset of its line in the block, its text, column and reason."""

    offset: int
    text: str
    column: str
    reason: str


def _bad(buf: np.ndarray, line: int, code: int, where: int) -> tuple[BadRow, int]:
    """The bad row at `line`, and where the next line starts."""
    rest = buf[line : line + 4096].tobytes()
    text = rest.split(b"\n", 1)[0]
    end = line + len(text)
    while end < len(buf) and buf[end] != 10:  # a line of more than 4 KiB
        end += 1
    text = text.rstrip(b"\r")[:200]
    field = text[where - line :].split(b",", 1)[0].decode("utf-8", "replace")
    column, reason = _REASONS[code]
    shown = text.decode("utf-8", "replace")
    return BadRow(line, shown, column, reason.format(field=field, columns=text.count(b",") + 1)), end + 1


def parse(buf: np.ndarray, begin: int, stop_at_bad_row: bool) -> tuple[Frames, list[BadRow]]:
    """Frames of the lines of `buf` from `begin`, and the bad rows (at most the first one if `stop_at_bad_row`).

    Args:
        buf: u8[n] ending in a newline.
    """
    from kdgat.captures import _kernels

    end = len(buf)
    room = int(np.count_nonzero(buf[begin:] == 10))
    frames = Frames.empty(room)
    slow = np.empty((max(1, min(room, 1 << 16)), 2), np.int64)
    state = np.zeros(4, np.int64)
    bad: list[BadRow] = []
    rows = 0
    at = begin
    while at < end:
        rows = _kernels.labelled_csv(buf, at, end, *frames, rows, slow, state)
        for row, offset in slow[: state[1]]:
            frames.t[row] = float(buf[offset : offset + 64].tobytes().split(b",", 1)[0])
        at = int(state[0])
        if state[2]:
            found, at = _bad(buf, at, int(state[2]), int(state[3]))
            bad.append(found)
            if stop_at_bad_row:
                break
    return frames.slice(0, rows), bad
