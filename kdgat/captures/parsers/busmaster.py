"""BUSMASTER's text log: a header between asterisks, then `time direction bus ID type DLC bytes`, times as hours:minutes:seconds:.1 ms.

Types are s and x (ID of 11 and 29 bits) and their remote frames sr and xr. A fraction of fewer than four digits could be padded or
not, and relative times could be since the frame before or since that of the same ID: both are told, not guessed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from kdgat.captures.channels import Channels
from kdgat.captures.frames import Frames
from kdgat.captures.parsers import lines
from kdgat.captures.parsers.rows import Row, integer, payload
from kdgat.captures.quarantine import BadRow

HEAD = b"***BUSMASTER"
_FRAME = re.compile(
    r"(?P<time>\d+:\d{1,2}:\d{1,2}:\d+)\s+(?:Rx|Tx)\s+(?P<bus>\d+)\s+(?P<id>(?:0x)?[0-9a-f]+)\s+(?P<type>[sx]r?)\s+"
    r"(?P<dlc>\d{1,2})(?P<data>(?:\s+[0-9a-f]{1,3})*)$",
    re.IGNORECASE,
)
_DAY = 86400.0


class _Busmaster:
    """Reads lines; the header says the base of the numbers and what times are."""

    def __init__(self) -> None:
        self.base, self.mode = 0, ""
        self.day, self.last = 0.0, 0.0

    def __call__(self, line: str) -> tuple[Row, str] | None:
        if line.startswith("***"):
            match line.strip("* ").upper():
                case "DEC":
                    self.base = 10
                case "HEX":
                    self.base = 16
                case "SYSTEM MODE" | "ABSOLUTE MODE" | "RELATIVE MODE" as mode:
                    self.mode = mode
            return None
        if not line:
            return None
        match = _FRAME.match(line)
        if match is None:
            raise ValueError("not a frame of classic CAN")
        if not (self.base and self.mode):
            raise ValueError("nothing says what numbers or times mean: keep the header that BUSMASTER writes")
        if self.mode.startswith("RELATIVE"):
            raise ValueError("relative times: log in the mode absolute or system")
        identifier = integer(match["id"].lower().removeprefix("0x"), self.base, "ID")
        dlc = int(match["dlc"])
        if identifier >= 1 << 29 or dlc > 15:
            raise ValueError(f"ID {match['id'][:20]} of more than 29 bits, or a DLC over 15")
        words = match["data"].split()[: min(dlc, 8)]
        if match["type"][1:]:
            return (self._time(match["time"]), identifier, b"", 0), match["bus"]
        if len(words) < min(dlc, 8):
            raise ValueError(f"{len(words)} bytes, but the DLC says {dlc}")
        return (self._time(match["time"]), identifier, payload(words, self.base), 0), match["bus"]

    def _time(self, text: str) -> float:
        """Seconds; the clock of the wall begins anew at midnight."""
        hours, minutes, seconds, fraction = text.split(":")
        if len(fraction) != 4:
            raise ValueError(f"{fraction[:20]!r} behind the seconds is no number of four digits")
        whole, sixtieths = integer(hours, 10, "hour"), (int(minutes), int(seconds))
        if max(sixtieths) > 59:
            raise ValueError(f"{minutes}:{seconds} is no time of minutes and seconds")
        time = whole * 3600 + sixtieths[0] * 60 + sixtieths[1] + int(fraction) / 1e4
        if self.mode.startswith("SYSTEM") and time < self.last - _DAY / 2:
            self.day += _DAY
        self.last = time
        return self.day + time


def blocks(content: io.BytesIO, channels: Channels) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Read frames and bad rows; none is labelled as injected."""
    return lines.blocks(content, channels, _Busmaster())
