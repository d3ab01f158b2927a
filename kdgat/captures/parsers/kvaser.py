"""Logs of Kvaser's tools, times in seconds: CanKing's text, and plain text and CSV as Kvaser's converter library writes them.

What the converter writes says in its header whether numbers are decimal. CanKing's does not: hexadecimal IDs have eight digits there,
others are told. A request to send is the logger's own and no traffic.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator

from kdgat.captures.channels import Channels
from kdgat.captures.frames import Frames
from kdgat.captures.parsers import lines
from kdgat.captures.parsers.rows import Row, integer, payload
from kdgat.captures.quarantine import BadRow

_CANKING = re.compile(
    r"(?P<bus>\d+)\s+(?P<id>[0-9a-f]+)\s+(?:(?P<flags>[a-z]+)\s+)?(?P<dlc>\d{1,2})(?P<data>(?:\s+[0-9a-f]{2,3})*)\s+"
    r"(?P<time>\d+[.,]\d+)\s+[RT]$",
    re.IGNORECASE,
)
_PLAIN = re.compile(
    r"(?P<time>-?\d+[.,]\d+)\s+(?P<bus>\d+)\s+(?P<id>[0-9a-f]+)x?\s+(?P<direction>Rx|TxRq|Tx)\s+(?P<flags>(?:[EFBPRW#]\s*)*)"
    r"(?P<dlc>\d{1,2})(?P<data>(?:\s+[0-9a-f]{1,3})*|\s+RTR)\s+\d+$",
    re.IGNORECASE,
)
#: above the frames of each of the three
_HEAD = re.compile(
    rb"\s*Chn\s+Identifier\s+Flg\s|(?:.*[\r\n])?\s*Time\s+Chan\s+Identifier\s+Flags\s|(?:.*[\r\n])?Time(.)Channel\1(?:id|PGN)\1Flags\1",
    re.DOTALL,
)
#: what rows have whose beginning is damaged, and no other line below the header: directions of the two texts, columns of CSV
_ROW = re.compile(r".*\s(?:Rx|Tx|TxRq)\s|.*\s[RT]$|(?:[^;,\t]*[;,\t]){5}", re.IGNORECASE)
_BASE = re.compile(r"Format of (?P<what>data|id|PGN) field\W\s*(?P<base>HEX|DEC)\b", re.IGNORECASE)
#: flags in CSV
_REMOTE, _ERROR, _REQUEST, _IS_FD = 0x1, 0x20, 0x80, 0x10000

#: time, bus, ID, DLC, bytes; all as they are written
Fields = tuple[str, str, str, str, list[str]]


def recognise(head: bytes) -> bool:
    """Say whether a file that begins with `head` is one."""
    return _HEAD.match(head) is not None


class _Kvaser:
    """Reads lines; those above the frames say how."""

    def __init__(self) -> None:
        self.bases: dict[str, int] = {}
        self.delimiter = ""
        self.read: Callable[[str], tuple[Row, str] | None] | None = None  # above the frames

    def __call__(self, line: str) -> tuple[Row, str] | None:
        words = line.split()
        if words[:2] == ["Chn", "Identifier"]:
            self.read, self.bases = self._canking, {"id": 16, "data": 16}
        elif words[:2] == ["Time", "Chan"]:
            self.read = self._plain
        elif match := re.match(r"Time(.)Channel\1", line):
            self.read, self.delimiter = self._csv, match[1]
        elif match := _BASE.match(line):
            self.bases[match["what"].lower()] = 16 if match["base"].upper() == "HEX" else 10
        elif self.read and (line[:1].isdigit() or line[:1] == "-" or _ROW.match(line)):
            return self.read(line)
        return None

    def _canking(self, line: str) -> tuple[Row, str] | None:
        if "errorframe" in line.lower():
            raise ValueError("an error frame, which is no traffic")
        match = _CANKING.match(line)
        if match is None:
            raise ValueError("not a whole frame of classic CAN")
        flags, words = (match["flags"] or "").upper(), match["data"].split()
        if flags.strip("XR"):
            raise ValueError(f"flags {flags[:20]!r}: read are X and R, of classic CAN")
        if len(match["id"]) != 8 or any(len(word) != 2 for word in words):
            raise ValueError("numbers could be decimal: let CanKing write hexadecimal ones")
        return self._row((match["time"], match["bus"], match["id"], match["dlc"], words), remote="R" in flags)

    def _plain(self, line: str) -> tuple[Row, str] | None:
        if re.match(r"\S+\s+Trigger\b", line):
            return None
        if "ERROR FRAME" in line:
            raise ValueError("an error frame, which is no traffic")
        match = _PLAIN.match(line)
        if match is None:
            raise ValueError("not a whole frame")
        flags, words = match["flags"].upper(), match["data"].split()
        if "F" in flags:
            raise ValueError("a CAN FD frame")
        row = self._row((match["time"], match["bus"], match["id"], match["dlc"], words), remote="R" in flags)
        return None if match["direction"].lower() == "txrq" else row

    def _csv(self, line: str) -> tuple[Row, str] | None:
        fields = [field.strip() for field in line.split(self.delimiter)]
        if len(fields) < 6 or not fields[3].isdecimal():
            raise ValueError("not a whole frame")
        flags = integer(fields[3], 10, "flags")
        if flags & _ERROR:
            raise ValueError("an error frame, which is no traffic")
        if flags & _IS_FD:
            raise ValueError("a CAN FD frame")
        time, bus, identifier, _, dlc, *rest = fields
        row = self._row((time, bus, identifier, dlc, rest[:8]), remote=bool(flags & _REMOTE))
        return None if flags & _REQUEST else row

    def _row(self, fields: Fields, *, remote: bool) -> tuple[Row, str]:
        """Frame and bus; raises `ValueError` where the meaning is in doubt."""
        time, bus, text, dlc, words = fields
        if "pgn" in self.bases:
            raise ValueError("PGNs of J1939 in place of IDs: convert the log without them")
        if not {"id", "data"} <= self.bases.keys():
            raise ValueError("nothing says whether numbers are decimal: keep the header that the converter writes")
        digits = re.compile(r"[0-9a-f]{1,10}", re.IGNORECASE)
        if not (re.fullmatch(r"-?\d{1,15}[.,]\d{1,9}", time) and digits.fullmatch(text) and bus.isdecimal()):
            raise ValueError("not a whole frame: its time, bus or ID is no number")
        identifier, announced = integer(text, self.bases["id"], "ID"), integer(dlc, 10, "DLC")
        if identifier >= 1 << 29 or not 0 <= announced <= 15:
            raise ValueError(f"ID {text} of more than 29 bits, or a DLC over 15")
        length = min(announced, 8)
        words = [] if remote else words[:length]
        if not remote and (len(words) < length or not all(digits.fullmatch(word) for word in words)):
            raise ValueError(f"fewer bytes than the DLC, which says {dlc}")
        return (float(time.replace(",", ".")), identifier, payload(words, self.bases["data"]), 0), bus


def blocks(content: io.BytesIO, channels: Channels) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Read frames and bad rows; none is labelled as injected."""
    return lines.blocks(content, channels, _Kvaser())
