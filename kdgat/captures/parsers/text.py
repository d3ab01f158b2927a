"""The text formats: recognised by their first line, parsed in blocks of whole lines.

Formats and their defined outcomes:

`labelled-csv` — can-train-and-test v1 and v1.5: `timestamp,arbitration_id,data_field,attack`, hexadecimal. An empty
    `data_field` is a frame with DLC 0.
`hcrl-csv` — HCRL Car-Hacking and Survival Analysis: `time,ID,DLC,byte,…,flag`; bytes separated by commas or spaces,
    rows short where DLC < 8, so that the flag (R, or T for injected) stands at column 3 + DLC; some copies
    fill rows up to eight bytes, and what stands beyond the DLC is ignored. Attack-free files have no flag: whether
    there is one is read off the first row, and the others must agree.
`hcrl-keyed` — `Timestamp: … ID: … 000 DLC: 8 05 28 …` (HCRL normal_run_data.txt and others), with or without flag.
`candump` — `(time) interface ID#DATA`: without labels, all frames count as benign.

In all: frames keep the order of the file, also where time steps back; blank lines are no rows; LF and CRLF; a row with
missing fields or bytes (so also a last line that was cut off), odd or more than 16 hex digits, an ID over 29 bits, DLC
over 8 or another label is a bad row; so are error frames and CAN FD frames. Remote frames are kept, with DLC 0.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.captures.parsers import rows
from kdgat.captures.quarantine import MOST_BAD, BadRow

_SLOW = 1 << 14  # time stamps a kernel leaves to Python at once
_SHORTEST_ROW = 6  # bytes, `0,0,0` and a newline: how many rows a block can have

_REASONS = {
    1: ("timestamp", "{field!r} is not a number of seconds"),
    2: ("id", "{field!r} is not a hexadecimal ID of at most 29 bits"),
    3: ("data", "{field!r} is not hexadecimal bytes"),
    4: ("data", "{field!r} has an odd number of hex digits"),
    5: ("data", "{field!r} has more than 16 hex digits"),
    6: ("label", "{field!r} is neither 0 nor 1"),
    7: ("row", "{columns} columns are not those of the format"),
    8: ("dlc", "{field!r} is not a DLC from 0 to 8"),
    9: ("data", "fewer bytes than the DLC says"),
    10: ("flag", "{field!r} is neither R nor T, which the first row of the file has"),
    11: ("id", "{field!r} is an error frame, which is no traffic"),
    12: ("data", "a CAN FD frame"),
}


class OtherBusError(ValueError):
    """A line of another interface than the first; its number in the block, from 0, is `line`."""

    def __init__(self, text: bytes, line: int) -> None:
        match = _CANDUMP_ROW.match(text)
        self.bus = (match["bus"] if match else text.split()[1] if len(text.split()) > 1 else b"?").decode(
            "utf-8", "replace"
        )
        self.line = line
        super().__init__(self.bus)


@dataclass(frozen=True)
class TextFormat:
    """A recognised text format: name, kernel in `_kernels` and its option, whether there is a header.

    Of candump: the interface of its frames, and whether those of others are left out.
    """

    name: str
    kernel: str
    option: int = 0
    header: bool = False
    bus: bytes = b""
    only: bool = False


_HCRL_ROW = re.compile(
    rb"\s*\d+(?:\.\d*)?\s*,\s*[0-9a-fA-F]+\s*,\s*[0-8]\s*(?:,\s*|$)"
    rb"(?:[0-9a-fA-F]{2}(?:[ ,]+|\s*$)){0,8}(?P<flag>[RT])?\s*$"
)
_KEYED_ROW = re.compile(rb"\s*Timestamp:.*?ID:.*?DLC:\s*\d\b[0-9a-fA-F ]*(?P<flag>[RT])?\s*$")
_CANDUMP_ROW = re.compile(rb"\s*\(\d+(?:\.\d*)?\)\s+(?P<bus>\S+)\s+[0-9a-fA-F]+#")


def recognise(line: bytes) -> TextFormat | None:
    """The format whose files begin with `line`, or None."""
    if line.strip().lower().replace(b" ", b"") == b"timestamp,arbitration_id,data_field,attack":
        return TextFormat("labelled-csv", "labelled_csv", header=True)
    if match := _KEYED_ROW.match(line):
        return TextFormat("hcrl-keyed", "hcrl_text", 2 + bool(match["flag"]))
    if match := _HCRL_ROW.match(line):
        return TextFormat("hcrl-csv", "hcrl_text", int(bool(match["flag"])))
    if match := _CANDUMP_ROW.match(line):
        return TextFormat("candump", "candump", bus=match["bus"])
    for flagged in (0, 1):  # other delimiters, quotes, a lower-case flag
        with contextlib.suppress(ValueError):
            rows.hcrl(line.decode("utf-8", "replace"), flagged)
            return TextFormat("hcrl-csv", "hcrl_text", flagged)
    return None


def parse(format: TextFormat, buf: np.ndarray, stop: bool, cut: bool = False) -> tuple[Frames, list[BadRow], int]:
    """Frames and bad rows of a block of whole lines, and how many lines it has. Holds no interpreter lock for long.

    Args:
        buf: u8, ends in a newline.
        stop: the first bad row is enough; without it, one more than `MOST_BAD` are.
        cut: the file has no newline behind the last line.

    Returns:
        the bad rows with lines counted from 0 at the block's first.
    """
    from kdgat.captures.parsers import _kernels  # late: compiled code is loaded when the first file is parsed

    end = len(buf)
    if format.bus and (other := int(_kernels.of_bus(buf, end, np.frombuffer(format.bus, np.uint8), format.only))) >= 0:
        raise OtherBusError(buf[other : other + 200].tobytes(), int((buf[:other] == 10).sum()))
    frames = Frames.empty(end // _SHORTEST_ROW + 1)
    t = frames.timestamp
    columns = (t, frames.id, frames.dlc, frames.payload.reshape(-1).view("<u8"), frames.label)
    kernel = getattr(_kernels, format.kernel)
    slow = np.empty((_SLOW, 2), np.int64)
    state = np.zeros(5, np.int64)
    bad: list[BadRow] = []
    row, at = 0, 0
    while at < end:
        row = kernel(format.option, buf, at, end, *columns, row, slow, state)
        for where, offset in slow[: state[1]]:
            number = re.match(rb"[0-9.]+", buf[offset : offset + 400].tobytes())
            if where < row and number is not None:
                t[where] = float(number[0])
        at = int(state[0])
        if state[2]:
            if (read := _tolerated(format, buf, at)) is not None:
                (t[row], frames.id[row], data, frames.label[row]), at = read
                frames.dlc[row], frames.payload[row] = len(data), list(data.ljust(8, b"\0"))
                row += 1
                continue
            bad_row, at = _describe(buf, at, int(state[2]), int(state[3]), row + len(bad) + int(state[4]))
            if cut and at >= end:
                bad_row = replace(bad_row, reason=f"{bad_row.reason}; the file ends within this line")
            bad.append(bad_row)
            if stop or len(bad) > MOST_BAD:
                break
    return frames.slice(0, row), bad, row + len(bad) + int(state[4])


def _tolerated(format: TextFormat, buf: np.ndarray, begin: int) -> tuple[rows.Row, int] | None:
    """The row that begins at `begin` as another program may have written it, and where the next does; None for a bad row."""
    end = begin
    while buf[end] != 10:
        end += 1
    try:
        line = buf[begin : min(end, begin + 2000)].tobytes().decode("utf-8", "replace").strip()
        row = rows.TOLERANT[format.kernel](line, format.option)
    except ValueError:
        return None
    return row, end + 1


def _describe(buf: np.ndarray, begin: int, reason: int, where: int, line: int) -> tuple[BadRow, int]:
    """The bad row that begins at `begin`, and where the next line does."""
    end = begin
    while buf[end] != 10:
        end += 1
    text = buf[begin : min(end, begin + 2000)].tobytes().rstrip(b"\r")
    rest = text[where - begin :]
    field = re.split(rb"[,#()]" if b"," in rest or b"#" in rest else rb"[\s)]", rest, maxsplit=1)[0].strip()
    column, template = _REASONS[reason]
    shown = field[:40].decode("utf-8", "replace")
    message = template.format(field=shown, columns=text.count(b",") + 1)
    return BadRow(line, column, message, text[:200].decode("utf-8", "replace")), end + 1
