"""TRC, the text log of PCAN's tools, versions 1.0 to 2.1: `number) time type ID DLC bytes`, times in milliseconds.

What no version lists as a frame (bus statistics, events) is an event and no row; errors and CAN FD frames are bad rows.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from kdgat.captures.channels import Channels
from kdgat.captures.frames import Frames
from kdgat.captures.parsers import lines
from kdgat.captures.parsers.rows import Row
from kdgat.captures.quarantine import BadRow

#: columns by version, in the letters of version 2: number, time, type, bus, ID, direction, reserved, DLC, data
_COLUMNS = {"1.0": "NOIlD", "1.1": "NOdIlD", "1.3": "NOBdIRlD", "2.0": "NOTIdlD", "2.1": "NOTBIdRLD"}
_FD, _ERRORS, _EVENTS = {"FD", "FB", "FE", "BI"}, {"ER", "EC", "ERROR", "ERRORFRAME"}, {"ST", "EV", "WARNG", "EVENT"}

_TIME, _HEX, _DLC = re.compile(r"\d{1,15}(?:\.\d{1,9})?"), re.compile(r"[0-9a-fA-F]{1,8}"), re.compile(r"\d{1,2}")


class _Trc:
    """Reads lines; the header says the version and, from 2.0 on, the columns."""

    def __init__(self) -> None:
        self.columns = _COLUMNS["1.0"]

    def __call__(self, line: str) -> tuple[Row, str] | None:
        if line.startswith(";"):
            key, _, value = line[1:].strip().partition("=")
            if key == "$FILEVERSION":
                if value not in _COLUMNS:
                    raise ValueError(f"version {value[:20]!r} of TRC; read are {', '.join(_COLUMNS)}")
                self.columns = _COLUMNS[value]
            elif key == "$COLUMNS":
                self.columns = value.replace(",", "")
            return None
        if not line:
            return None
        fields = dict(zip(self.columns, line.split(maxsplit=len(self.columns) - 1), strict=False))
        kind = fields.get("T", fields.get("d", "DT")).upper()
        if kind in _EVENTS or fields.get("I") == "FFFFFFFF":  # version 1.0 tells of the bus under this ID
            return None
        if kind in _ERRORS:
            raise ValueError("an error frame, which is no traffic")
        if kind in _FD:
            raise ValueError("a CAN FD frame")
        if kind not in {"DT", "RR", "RX", "TX"}:
            raise ValueError(f"{kind[:20]!r} is no type of a frame")
        return _row(fields, remote=kind == "RR"), fields.get("B", "")


def _row(fields: dict[str, str], *, remote: bool) -> Row:
    """Frame of a line's fields; raises `ValueError` where it is not whole."""
    if missing := [name for name in "OI" if name not in fields] or not fields.keys() & {"l", "L"}:
        raise ValueError(f"not a whole frame: {missing if isinstance(missing, list) else 'no length'}")
    length, data = fields.get("l", fields.get("L", "")), fields.get("D", "")
    if not (_TIME.fullmatch(fields["O"]) and _HEX.fullmatch(fields["I"]) and _DLC.fullmatch(length)):
        raise ValueError("not a whole frame: its time, ID or length is no number")
    identifier, dlc = int(fields["I"], 16), int(length)
    if identifier >= 1 << 29:
        raise ValueError(f"ID {fields['I'][:20]} of more than 29 bits")
    if not 0 <= dlc <= 15:
        raise ValueError(f"a DLC of {dlc}")
    if remote or data.startswith("RTR"):
        return float(fields["O"]) / 1000, identifier, b"", 0
    try:
        held = bytes.fromhex(data)
    except ValueError:
        raise ValueError(f"{data[:24]!r} is not hexadecimal bytes") from None
    if len(held) < min(dlc, 8):
        raise ValueError(f"{len(held)} bytes, but the DLC says {dlc}")
    return float(fields["O"]) / 1000, identifier, held[: min(dlc, 8)], 0


def blocks(content: io.BytesIO, channels: Channels) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Read frames and bad rows; none is labelled as injected."""
    return lines.blocks(content, channels, _Trc())
