"""ASC, the text log of Vector's tools, by python-can.

Lines that are no frames (statistics, comments, triggers) are no rows.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kdgat.captures.frames import Frames
from kdgat.captures.parsers.messages import BLOCK, frames_of, refusal
from kdgat.captures.quarantine import BadRow

if TYPE_CHECKING:
    from can import Message


#: a line that python-can should make a frame of: time, channel, ID (or an error frame)
_FRAME = re.compile(r"\s*\d+\.\d+\s+(?:CANFD\s|\d+\s+(?:[0-9a-f]+x?|ErrorFrame)(?:\s|$))", re.IGNORECASE)


class _Lines(io.TextIOBase):
    """Lines of an ASC file for python-can, which skips what it does not know.

    Watches that each line which looks like a frame is `understood` before the next is read; others go to `bad`.
    """

    def __init__(self, content: io.BytesIO) -> None:
        self._lines = io.TextIOWrapper(content, "utf-8", "replace")
        self.bad: list[BadRow] = []
        self.number = self.understood = 0
        self.line = ""

    def __next__(self) -> str:  # type: ignore[override]
        self.settle()
        self.line = next(self._lines)
        self.number += 1
        if self.line.lstrip()[:4].lower() == "base":  # python-can finds `base HEX`, and then knows `hex` only
            self.line = self.line.lower()
        return self.line

    def settle(self) -> None:
        """The current line is done with."""
        if self.number > self.understood and _FRAME.match(self.line):
            self.refuse("not a frame that python-can understands")

    def refuse(self, reason: str) -> None:
        """The current line is a bad row."""
        self.understood = self.number
        self.bad.append(BadRow(self.number, "row", reason, self.line.strip()[:200]))


def blocks(can: Any, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Read frames and bad rows, a bounded number of messages at a time; `can`: the package python-can."""
    lines = _Lines(content)
    reader = can.ASCReader(lines)
    messages = iter(reader)
    found: list[Message] = []
    while True:
        try:
            message = next(messages)
        except StopIteration:
            break
        except (ValueError, IndexError) as error:
            lines.refuse(f"not a frame: {error}")
            # the header stands at the top of the file only: go on behind it with what it said
            base, reader = reader.base, can.ASCReader(lines)
            reader._extract_header = lambda: None
            reader.base, reader._converted_base = base, reader._check_base(base)
            messages = iter(reader)
            continue
        lines.understood = lines.number
        if reason := refusal(message):
            lines.refuse(reason)
        else:
            found.append(message)
        if len(found) == BLOCK:
            yield frames_of(found), lines.bad
            found, lines.bad = [], []
    lines.settle()
    yield frames_of(found), lines.bad
