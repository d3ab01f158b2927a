"""What formats that are read line by line share: bounded blocks, bad rows with their lines, one bus."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TypeAlias

from kdgat.captures.channels import Channels
from kdgat.captures.frames import Frames
from kdgat.captures.parsers.rows import Row
from kdgat.captures.parsers.table import BLOCK, frames_of
from kdgat.captures.quarantine import BadRow

#: a line → its frame and bus; None for an event or comment; raises `ValueError` where it could be a frame and is none
Reader: TypeAlias = Callable[[str], tuple[Row, str] | None]


def blocks(content: io.BytesIO, channels: Channels, read: Reader) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Read frames and bad rows, a bounded number of frames at a time."""
    rows: list[Row] = []
    bad: list[BadRow] = []
    for number, line in enumerate(io.TextIOWrapper(content, "utf-8-sig", "replace"), 1):
        try:
            frame = read(line.strip())
        except ValueError as error:
            bad.append(BadRow(number, "row", str(error), line.strip()[:200]))
            continue
        if frame is not None and channels.takes(frame[1], number):
            rows.append(frame[0])
        if len(rows) == BLOCK:
            yield frames_of(rows), bad
            rows, bad = [], []
    yield frames_of(rows), bad
