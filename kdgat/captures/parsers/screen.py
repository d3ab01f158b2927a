"""What `candump` shows on a screen (without -L): `(time)  interface  ID   [n]  bytes`, with -t a, A, d or z, -x and -a.

The brackets tell frames apart: `[8]` has one digit, a CAN FD frame (`[08]`, `[64]`) two. Times as differences are told by
`kdgat.captures.clock`, as in every format.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from kdgat.captures.channels import Channels
from kdgat.captures.frames import Frames
from kdgat.captures.parsers import lines
from kdgat.captures.parsers.rows import Row
from kdgat.captures.quarantine import BadRow

_FRAME = re.compile(
    r"(?:\((?P<t>[^)]*)\)\s+)?(?P<bus>\S+)\s+(?:(?:RX|TX)\s+\S+\s+\S+\s+)?(?P<id>[0-9A-F]{3}|[0-9A-F]{8})\s+"
    r"\[(?P<length>\d{1,2})\](?:\s+(?P<rest>.*))?$",
    re.IGNORECASE,
)


def recognise(line: bytes) -> bool:
    """Say whether a file that begins with `line` is one."""
    return _FRAME.match(line.decode("utf-8", "replace").strip()) is not None


def _frame(line: str) -> tuple[Row, str] | None:
    if not line:
        return None
    match = _FRAME.match(line)
    if match is None:
        raise ValueError("not a frame of candump")
    if match["t"] is None:
        raise ValueError("no time: record with candump -L, or -t a")
    rest, length, identifier = (match["rest"] or "").strip(), match["length"], int(match["id"], 16)
    if "ERRORFRAME" in rest or identifier >= 1 << 29:
        raise ValueError("an error frame, which is no traffic")
    if len(length) > 1:
        raise ValueError("a CAN FD frame")
    n, words = int(length), rest.split()
    if n > 8:
        raise ValueError(f"{n} bytes: classic CAN has up to eight")
    data = b"" if rest.startswith("remote request") else bytes(_byte(word) for word in words[:n])
    if not rest.startswith("remote request") and len(data) < n:
        raise ValueError(f"{len(data)} bytes, but the length says {n}")
    return (_time(match["t"].strip()), identifier, data, 0), match["bus"]


def _byte(word: str) -> int:
    if not re.fullmatch(r"[0-9a-fA-F]{2}", word):
        raise ValueError(f"{word[:20]!r} is not a hexadecimal byte")
    return int(word, 16)


def _time(text: str) -> float:
    """Seconds: a number, or a date in the time of whoever recorded it, of which only differences count."""
    if "-" in text[1:]:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]!r} is not a number of seconds")
    return value


def blocks(content: io.BytesIO, channels: Channels) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Read frames and bad rows; none is labelled as injected."""
    return lines.blocks(content, channels, _frame)
