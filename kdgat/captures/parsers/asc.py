"""ASC, the text log of Vector's tools and of converters, line by line.

A frame is `time channel ID direction d DLC bytes`, or `r` for a remote frame; a record CANFD carries classic frames too. What
is no frame (statistics, triggers, comments) is an event and no row, but in a file with relative times it takes its time. A
line that could be a frame and is not one is a bad row, never left out in silence.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from kdgat.captures.channels import Channels
from kdgat.captures.frames import Frames
from kdgat.captures.parsers.rows import Row, integer, payload
from kdgat.captures.parsers.table import BLOCK, frames_of
from kdgat.captures.quarantine import BadRow

_TIME = re.compile(r"\s*(-?\d+(?:[.,]\d+)?)\s+(.*)")
_CLASSIC = re.compile(
    r"(?:CAN)?(?P<bus>\d+)\s+(?P<id>[0-9a-f]+)(?P<extended>x?)\s+(?P<direction>rx|txrq|tx)\s+"
    r"(?:d\s+(?P<dlc>[0-9a-f]+)(?P<data>(?:\s+.*)?)|(?P<remote>r)(?:\s.*)?)$",
    re.IGNORECASE,
)
_FD = re.compile(
    r"CANFD\s+(?P<bus>\d+)\s+(?P<direction>rx|txrq|tx)\s+(?P<id>[0-9a-f]+)(?P<extended>x?)\s+(?:\S+\s+)?[01]\s+[01]\s+"
    r"(?P<dlc>[0-9a-f])\s+(?P<length>\d+)(?P<rest>(?:\s+\S+)*)$",
    re.IGNORECASE,
)
#: a line that could be a frame: an ID or an error behind the channel, a record CANFD, a direction with data
_LIKE = re.compile(r"CANFD\s|(?:CAN)?\d+\s+(?:[0-9a-f]+x?|ErrorFrame)(?:\s|$)|.*\s(?:rx|tx)\s+[dr]\s", re.IGNORECASE)
_IS_FD = 0x1000  # of a CANFD record's flags
_LONGEST_ID = 1 << 29


def blocks(content: io.BytesIO, channels: Channels) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Read frames and bad rows, a bounded number of frames at a time; none is labelled as injected."""
    rows: list[Row] = []
    bad: list[BadRow] = []
    base, relative, now = 16, False, 0.0
    for number, raw in enumerate(io.TextIOWrapper(content, "utf-8", "replace"), 1):
        line = raw.strip()
        if (words := line.lower().split())[:1] == ["base"]:
            base, relative = 10 if words[1:2] == ["dec"] else 16, words[-1] == "relative"
        timed = _TIME.match(line)
        if timed is None:
            continue
        time = float(timed[1].replace(",", "."))
        now = now + time if relative else time
        try:
            frame = _frame(timed[2], base)
        except ValueError as error:
            bad.append(BadRow(number, "row", str(error), line[:200]))
            continue
        if frame is not None and channels.takes(frame[0], number):
            rows.append((now, *frame[1:], 0))
        if len(rows) == BLOCK:
            yield frames_of(rows), bad
            rows, bad = [], []
    yield frames_of(rows), bad


def _frame(record: str, base: int) -> tuple[str, int, bytes] | None:
    """Bus, ID and data of a record; None for an event, or a request to send, which is no traffic.

    Raises:
        ValueError: it could be a frame of classic CAN, and is none.
    """
    if match := _CLASSIC.match(record):
        data = b"" if match["remote"] else _data(match["data"].split(), integer(match["dlc"], base, "DLC"), base)
    elif match := _FD.match(record):
        data = _classic_of_fd(match, base)
    elif _LIKE.match(record):
        raise ValueError(_reason(record))
    else:
        return None
    identifier = integer(match["id"], base, "ID")
    if identifier >= _LONGEST_ID:
        raise ValueError(f"ID {match['id']} of more than 29 bits")
    return None if match["direction"].lower() == "txrq" else (match["bus"], identifier, data)


def _reason(record: str) -> str:
    """Why a record that looks like a frame is none."""
    if "errorframe" in record.lower():
        return "an error frame, which is no traffic"
    if "j1939tp" in record.lower():
        return "a J1939 transport message, which is several frames"
    if re.match(r"(?:CAN)?\d+\s+[a-z_]\w*\s+(?:rx|tx)\s", record, re.IGNORECASE):
        return "a symbolic name in place of the ID: export the log with numeric IDs"
    return "not a whole frame"


def _data(words: list[str], dlc: int, base: int) -> bytes:
    """The first bytes of `words`, as many as the DLC says; a classic frame with a DLC of 9 to 15 has 8 (ISO 11898-1)."""
    if dlc > 15:
        raise ValueError(f"a DLC of {dlc}")
    length = min(dlc, 8)
    if len(words) < length:
        raise ValueError(f"{len(words)} bytes, but the DLC says {length}")
    return payload(words[:length], base)


def _classic_of_fd(match: re.Match[str], base: int) -> bytes:
    """Data of a record CANFD: bytes, then duration, length, flags. Refused if the flags say that it is a CAN FD frame."""
    rest, length = match["rest"].split(), integer(match["length"], 10, "length")
    flags = rest[length + 2 : length + 3]
    if not flags or integer(flags[0], 16, "flags") & _IS_FD:
        raise ValueError("a CAN FD frame")
    return _data(rest[:length], min(int(match["dlc"], 16), length), base)
