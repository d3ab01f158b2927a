"""BLF, the binary log of Vector's tools, by python-can."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdgat.captures.channels import Channels
from kdgat.captures.frames import Frames
from kdgat.captures.parsers.rows import Row
from kdgat.captures.parsers.table import frames_of
from kdgat.captures.quarantine import BadRow
from kdgat.errors import CaptureError

if TYPE_CHECKING:
    from can import Message


#: messages that are handed on at once; each takes half a kilobyte
BLOCK = 1 << 13
#: bytes that a container of a BLF file may unpack to (Vector's tools write 128 KiB)
_LARGEST_CONTAINER = 1 << 22
#: times its size that a BLF file may unpack to in all: every frame has a time of its own, so traffic reaches 15
_MOST_UNPACKED = 20
_CONTAINER, _DEFLATE = 10, 2  # object type, method of packing
_HEADER = struct.Struct("<4sHHII")  # of an object: signature, header's length and version, object's length, type
#: types of objects that hold a frame: CAN, CAN 2, CAN FD, CAN FD 64, error
_FRAMES = (1, 86, 100, 101, 73)


def blocks(can: Any, channels: Channels, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Read frames and bad rows, a bounded number of messages at a time; `can`: the package python-can.

    Raises:
        CaptureError: cut off, damaged, or unpacking to far more than traffic can be.
    """
    from can.io.blf import BLFParseError  # not one of python-can's own CanError

    path = channels.path
    messages: list[Message] = []
    bad: list[BadRow] = []
    number = 0
    try:
        reader = _reader(can)(content)
        if reader.file_size > len(content.getbuffer()):
            raise CaptureError(str(path), 0, f"cut off: {len(content.getbuffer())} of {reader.file_size} bytes")
        containers = _check_containers(path, content)
        for number, message in enumerate(reader, 1):
            reason = refusal(message)
            if reason:
                bad.append(BadRow(number, "row", reason, str(message)[:200]))
            elif channels.takes(str(message.channel + 1), number):  # python-can counts from 0, Vector's tools from 1
                messages.append(message)
            if len(messages) == BLOCK:
                yield frames_of([_row(m) for m in messages]), bad
                messages, bad = [], []
    except (ValueError, struct.error, zlib.error, can.CanError, BLFParseError) as error:
        raise CaptureError(str(path), 0, f"broken BLF: {error}") from None
    if not containers:
        raise CaptureError(str(path), 0, "broken BLF: no log container, which Vector's tools keep all frames in")
    if missed := reader.objects - number:
        raise CaptureError(
            str(path), 0, f"{missed} objects of the file could be frames, and python-can reads none of them"
        )
    yield frames_of([_row(m) for m in messages]), bad


def _reader(can: Any) -> Any:
    """python-can's reader, which counts the objects that could be frames, and ends where an object has no length or none ends."""

    class Reader(can.BLFReader):  # type: ignore[misc]
        objects = 0

        def _parse_container(self, data: bytes) -> Iterator[Message]:
            if len(self._tail) > _LARGEST_CONTAINER:
                raise ValueError(f"an object of more than {_LARGEST_CONTAINER} bytes")
            yield from super()._parse_container(data)

        def _parse_data(self, data: bytes) -> Iterator[Message]:
            at = data.find(b"LOBJ", 0, 8)
            while at >= 0 and at + _HEADER.size <= len(data):
                _, _, _, size, kind = _HEADER.unpack_from(data, at)
                if size < _HEADER.size:
                    raise ValueError(f"an object of {size} bytes")
                if at + size > len(data):
                    break
                self.objects += kind in _FRAMES
                at = data.find(b"LOBJ", at + size, at + size + 8)
            yield from super()._parse_data(data)

    return Reader


def _check_containers(path: Path, content: io.BytesIO) -> int:
    """Count the containers; refuse those that unpack to a flood, which python-can unpacks whole. `content` stays where it is."""
    begin, room, containers = content.tell(), _MOST_UNPACKED * len(content.getbuffer()), 0
    while len(head := content.read(16)) == 16:
        size, kind = struct.unpack_from("<II", head, 8)
        containers += kind == _CONTAINER
        data = content.read(size - 16)  # to the end where this is negative: as python-can does
        content.read(size % 4)
        if kind != _CONTAINER or len(data) < 16 or struct.unpack_from("<H", data)[0] != _DEFLATE:
            continue
        unpacked = len(zlib.decompressobj().decompress(data[16:], _LARGEST_CONTAINER + 1))
        room -= unpacked
        if unpacked > _LARGEST_CONTAINER or room < 0:
            raise CaptureError(str(path), 0, "unpacks to far more than traffic can be: refused")
    content.seek(begin)
    return containers


def refusal(message: Message) -> str:
    """Why a message is no frame of classic CAN, empty if it is one."""
    if message.is_error_frame:
        return "an error frame, which is no traffic"
    if message.is_fd:
        return "a CAN FD frame"
    if message.arbitration_id >= 1 << 29:
        return f"ID {message.arbitration_id:X} of more than 29 bits"
    # a DLC of 9 to 15 means 8 bytes (ISO 11898-1)
    if not message.is_remote_frame and len(message.data) != min(message.dlc, 8):
        return f"{len(message.data)} bytes, but the DLC says {message.dlc}"
    return ""


def _row(message: Message) -> Row:
    """A message that `refusal` has nothing against; it is not labelled as injected, and a remote frame has no data."""
    data = b"" if message.is_remote_frame else bytes(message.data)
    return message.timestamp, message.arbitration_id, data, 0
