"""Formats that libraries read: Parquet (pyarrow), and the log files ASC and BLF of Vector's tools (python-can).

Remote frames are kept with DLC 0; error frames and CAN FD frames are bad rows. ASC and BLF carry no labels: all frames
count as benign. Lines of an ASC file that are no frames (statistics, comments, triggers) are no rows.
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kdgat.captures.frames import FRAME_SCHEMA, Frames, frame_arrays
from kdgat.captures.rows import BadRow
from kdgat.errors import CaptureError

if TYPE_CHECKING:
    from can import Message

_ROWS = 1 << 16
#: python-can's messages take half a kilobyte each
_MESSAGES = 1 << 13
#: bytes that a container of a BLF file may unpack to (Vector's tools write 128 KiB)
_LARGEST_CONTAINER = 1 << 22
#: times its size that a BLF file may unpack to in all: every frame has a time of its own, so traffic reaches 15
_MOST_UNPACKED = 20
_CONTAINER, _DEFLATE = 10, 2  # object type, method of packing
#: rows that a Parquet file may hold whatever its size, and beyond them bytes a row: times alone take four
_FEW_ROWS, _FEWEST_BYTES = 1 << 20, 2
_ASC_HEAD = re.compile(rb"\s*(?:date\s|base\s+(?:hex|dec))", re.IGNORECASE)
#: a line that python-can should make a frame of: time, channel, ID (or an error frame)
_ASC_FRAME = re.compile(r"\s*\d+\.\d+\s+(?:CANFD\s|\d+\s+(?:[0-9a-f]+x?|ErrorFrame)(?:\s|$))", re.IGNORECASE)


def recognise(head: bytes) -> str | None:
    """`parquet`, `blf`, `asc` or None, from the first bytes of a file."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"LOGG"):
        return "blf"
    return "asc" if _ASC_HEAD.match(head) else None


def blocks(format: str, path: Path, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Frames and bad rows of a file whose whole content is given."""
    if format == "parquet":
        return _parquet(path, content)
    try:
        import can
    except ImportError:
        raise CaptureError(str(path), 0, f"reading {format.upper()} needs python-can: pip install python-can") from None
    if format == "asc":
        return _asc(can, content)
    return _blf(can, path, content)


def _parquet(path: Path, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    """A frame table as Parquet: the columns of `FRAME_SCHEMA`, in types that can be cast to its own without loss."""
    with _readable(path):
        file = pq.ParquetFile(content)
        names = file.schema_arrow.names
    missing = [name for name in FRAME_SCHEMA.names if name not in names]
    if missing:
        raise CaptureError(str(path), 0, f"Parquet without the column {missing[0]!r} of a frame table")
    if file.metadata.num_rows > max(_FEW_ROWS, content.getbuffer().nbytes // _FEWEST_BYTES):
        raise CaptureError(str(path), 0, f"claims {file.metadata.num_rows} frames: refused")
    row = 0
    for table in _tables(path, file):
        nulls = np.zeros(len(table), bool)
        for name in FRAME_SCHEMA.names:
            nulls |= pc.is_null(table[name]).to_numpy()
        try:
            frames = frame_arrays(table.filter(pa.array(~nulls)).cast(FRAME_SCHEMA))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise CaptureError(str(path), 0, f"Parquet that is no frame table: {error}") from None
        wrong = {
            "timestamp": ~np.isfinite(frames.t),
            "id": frames.id >= 1 << 29,
            "dlc": frames.dlc > 8,
            "payload": ((frames.payload != 0) & (np.arange(8) >= frames.dlc[:, None])).any(axis=1),
            "label": frames.label > 1,
        }
        reasons = {"payload": "bytes beyond the DLC", "timestamp": "not a finite number"}
        at = row + 1 + np.flatnonzero(~nulls)
        bad = [BadRow(row + 1 + int(i), "row", "a column is null", "") for i in np.flatnonzero(nulls)]
        for name, mask in wrong.items():
            bad += [BadRow(int(i), name, reasons.get(name, "out of range"), "") for i in at[mask]]
        keep = ~np.any(list(wrong.values()), axis=0)
        yield Frames(*(column[keep] for column in frames)), sorted(bad, key=lambda b: b.line)
        row += len(table)


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What pyarrow says of damage, as the error of a capture."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CaptureError(str(path), 0, f"broken Parquet: {error}") from None


def _tables(path: Path, file: pq.ParquetFile) -> Iterator[pa.Table]:
    """The columns of a frame table, a stretch of rows at a time."""
    with _readable(path):
        for batch in file.iter_batches(_ROWS, columns=FRAME_SCHEMA.names):
            yield pa.Table.from_batches([batch])


class _AscLines(io.TextIOBase):
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
        if self.number > self.understood and _ASC_FRAME.match(self.line):
            self.refuse("not a frame that python-can understands")

    def refuse(self, reason: str) -> None:
        """The current line is a bad row."""
        self.understood = self.number
        self.bad.append(BadRow(self.number, "row", reason, self.line.strip()[:200]))


def _asc(can: Any, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    lines = _AscLines(content)
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
        if reason := _refusal(message):
            lines.refuse(reason)
        else:
            found.append(message)
        if len(found) == _MESSAGES:
            yield _columns(found), lines.bad
            found, lines.bad = [], []
    lines.settle()
    yield _columns(found), lines.bad


def _blf(can: Any, path: Path, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    from can.io.blf import BLFParseError  # not one of python-can's own CanError

    found: list[Message] = []
    bad: list[BadRow] = []
    try:
        reader = _blf_reader(can)(content)
        if reader.file_size > len(content.getbuffer()):
            raise CaptureError(str(path), 0, f"cut off: {len(content.getbuffer())} of {reader.file_size} bytes")
        _check_containers(path, content)
        for number, message in enumerate(reader, 1):
            reason = _refusal(message)
            if reason:
                bad.append(BadRow(number, "row", reason, str(message)[:200]))
            else:
                found.append(message)
            if len(found) == _MESSAGES:
                yield _columns(found), bad
                found, bad = [], []
    except (ValueError, struct.error, zlib.error, can.CanError, BLFParseError) as error:
        raise CaptureError(str(path), 0, f"broken BLF: {error}") from None
    yield _columns(found), bad


def _blf_reader(can: Any) -> Any:
    """python-can's reader, with an end to what it keeps of an object that spans containers."""

    class Reader(can.BLFReader):  # type: ignore[misc]
        def _parse_container(self, data: bytes) -> Iterator[Message]:
            if len(self._tail) > _LARGEST_CONTAINER:
                raise ValueError(f"an object of more than {_LARGEST_CONTAINER} bytes")
            yield from super()._parse_container(data)

    return Reader


def _check_containers(path: Path, content: io.BytesIO) -> None:
    """Refuse containers that unpack to a flood, which python-can unpacks whole; `content` stays where it is."""
    begin, room = content.tell(), _MOST_UNPACKED * len(content.getbuffer())
    while len(head := content.read(16)) == 16:
        size, kind = struct.unpack_from("<II", head, 8)
        data = content.read(size - 16)  # to the end where this is negative: as python-can does
        content.read(size % 4)
        if kind != _CONTAINER or len(data) < 16 or struct.unpack_from("<H", data)[0] != _DEFLATE:
            continue
        unpacked = len(zlib.decompressobj().decompress(data[16:], _LARGEST_CONTAINER + 1))
        room -= unpacked
        if unpacked > _LARGEST_CONTAINER or room < 0:
            raise CaptureError(str(path), 0, "unpacks to far more than traffic can be: refused")
    content.seek(begin)


def _refusal(message: Message) -> str:
    """Why a message is no frame of classic CAN, empty if it is one."""
    if message.is_error_frame:
        return "an error frame, which is no traffic"
    if message.is_fd:
        return "a CAN FD frame"
    if message.arbitration_id >= 1 << 29:
        return f"ID {message.arbitration_id:X} of more than 29 bits"
    if not message.is_remote_frame and len(message.data) != message.dlc:
        return f"{len(message.data)} bytes, but the DLC says {message.dlc}"
    return ""


def _columns(messages: list[Message]) -> Frames:
    frames = Frames.empty(len(messages))
    frames.label[:] = 0
    frames.payload[:] = 0
    for i, message in enumerate(messages):
        data = b"" if message.is_remote_frame else bytes(message.data)
        frames.t[i] = message.timestamp
        frames.id[i] = message.arbitration_id
        frames.dlc[i] = len(data)
        frames.payload[i, : len(data)] = list(data)
    return frames
