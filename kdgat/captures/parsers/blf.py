"""BLF, the binary log of Vector's tools, by python-can."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdgat.captures.frames import Frames
from kdgat.captures.parsers.messages import BLOCK, frames_of, refusal
from kdgat.captures.quarantine import BadRow
from kdgat.errors import CaptureError

if TYPE_CHECKING:
    from can import Message


#: bytes that a container of a BLF file may unpack to (Vector's tools write 128 KiB)
_LARGEST_CONTAINER = 1 << 22
#: times its size that a BLF file may unpack to in all: every frame has a time of its own, so traffic reaches 15
_MOST_UNPACKED = 20
_CONTAINER, _DEFLATE = 10, 2  # object type, method of packing


def blocks(can: Any, path: Path, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Read frames and bad rows, a bounded number of messages at a time; `can`: the package python-can.

    Raises:
        CaptureError: cut off, damaged, or unpacking to far more than traffic can be.
    """
    from can.io.blf import BLFParseError  # not one of python-can's own CanError

    found: list[Message] = []
    bad: list[BadRow] = []
    try:
        reader = _reader(can)(content)
        if reader.file_size > len(content.getbuffer()):
            raise CaptureError(str(path), 0, f"cut off: {len(content.getbuffer())} of {reader.file_size} bytes")
        _check_containers(path, content)
        for number, message in enumerate(reader, 1):
            reason = refusal(message)
            if reason:
                bad.append(BadRow(number, "row", reason, str(message)[:200]))
            else:
                found.append(message)
            if len(found) == BLOCK:
                yield frames_of(found), bad
                found, bad = [], []
    except (ValueError, struct.error, zlib.error, can.CanError, BLFParseError) as error:
        raise CaptureError(str(path), 0, f"broken BLF: {error}") from None
    yield frames_of(found), bad


def _reader(can: Any) -> Any:
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
