"""Bytes of a capture file: decompressed where it is compressed, in blocks of whole lines."""

from __future__ import annotations

import io
import lzma
import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pyarrow as pa

from kdgat.errors import CaptureError

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\xfd7zXZ": "xz"}
#: bytes that unpacking xz may take: its dictionary may claim gigabytes, `xz -9` asks for 64 MiB
_MOST_MEMORY = 1 << 27
#: of archives, which may hold several files, and what is not unpacked here
_ARCHIVES = {b"PK\x03\x04": "zip", b"7z\xbc\xaf\x27\x1c": "7z", b"\x04\x22\x4d\x18": "lz4"}
BOM = b"\xef\xbb\xbf"
_LONGEST_LINE = 1 << 20
#: bytes that a compressed file may unpack to whatever its size, and beyond them times its size: traffic reaches 20
_FEW, _MOST_UNPACKED = 1 << 24, 100


class _Unpacked(io.RawIOBase):
    """Content of a compressed file; raises OSError where it turns out to be a flood."""

    def __init__(self, file: io.FileIO, compression: str) -> None:
        size = os.fstat(file.fileno()).st_size
        self._stream: Any = (
            _Xz(file) if compression == "xz" else pa.CompressedInputStream(pa.PythonFile(file, "r"), compression)
        )
        self._room = max(_FEW, _MOST_UNPACKED * size)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        n: int = self._stream.readinto(into)
        self._room -= n
        if self._room < 0:
            raise OSError(f"it unpacks to more than {_MOST_UNPACKED} times its size")
        return n

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Xz(io.RawIOBase):
    """Content of an xz file, which pyarrow does not unpack; raises OSError where it is damaged or wants too much memory."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        try:
            while True:
                if self._unpacker.eof:  # a file may be several, one after the other, with padding between
                    rest = self._unpacker.unused_data.lstrip(b"\0")
                    while not rest:
                        block = self._file.read(1 << 16)
                        if not block:
                            return 0
                        rest = block.lstrip(b"\0")
                    self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)
                else:
                    rest = self._file.read(1 << 16) if self._unpacker.needs_input else b""
                    if self._unpacker.needs_input and not rest:
                        raise OSError("it is cut off")
                data = self._unpacker.decompress(rest, len(into))
                if data:
                    into[: len(data)] = data
                    return len(data)
        except lzma.LZMAError as error:
            raise OSError(str(error)) from None

    def close(self) -> None:
        self._file.close()
        super().close()


def open_stream(path: Path) -> IO[bytes]:
    """The content of `path`, decompressed if it is gzip, zstd, bz2 or xz (told by its first bytes, not by its name).

    A pipe is taken as it is.
    """
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 (the caller closes it)
        if live(file):
            return file
        magic = file.read(6)
        file.seek(0)
    except IsADirectoryError:
        raise CaptureError(str(path), 0, "is a folder, not a capture") from None
    except OSError as error:
        raise CaptureError(str(path), 0, error.strerror or str(error)) from None
    for start, name in _MAGIC.items():
        if magic.startswith(start):
            return cast("IO[bytes]", _Unpacked(file, name))
    return file


def packed(head: bytes) -> str | None:
    """What packed the content that begins with `head`, where that is not read: an archive, or a file that was packed twice."""
    return next((name for start, name in (_ARCHIVES | _MAGIC).items() if head.startswith(start)), None)


def live(stream: IO[bytes] | io.FileIO) -> bool:
    """Say whether a capture comes through a pipe, at the pace of a bus."""
    return isinstance(stream, io.FileIO) and not stream.seekable()


def read_some(path: Path, stream: IO[bytes], into: memoryview) -> int:
    """Fill `into` from `stream` as far as it goes; broken compression and input errors become a `CaptureError`."""
    filled = 0
    try:
        while filled < len(into) and (n := stream.readinto(into[filled:])):  # type: ignore[attr-defined]
            filled += n
    except OSError as error:
        raise CaptureError(str(path), 0, f"cannot be read to its end: {error}") from None
    return filled


def _come(path: Path, stream: IO[bytes], into: memoryview) -> int:
    """Wait for something in a pipe and take what has come, up to the size of `into`; 0 at its end."""
    filled = read_some(path, stream, into[:1])
    while filled and filled < len(into) and select.select([stream], [], [], 0)[0]:
        n = stream.readinto(into[filled:])  # type: ignore[attr-defined]
        if not n:
            break
        filled += n
    return filled


def read_all(path: Path, stream: IO[bytes], head: bytes) -> io.BytesIO:
    """Everything, `head` (already read) first; for formats that are not read in one pass."""
    parts = [head]
    buffer = bytearray(1 << 20)
    while n := read_some(path, stream, memoryview(buffer)):
        parts.append(bytes(buffer[:n]))
    return io.BytesIO(b"".join(parts))


def line_blocks(path: Path, stream: IO[bytes], head: bytes, size: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Blocks of whole lines, u8 ending in a newline, about `size` bytes each; of a pipe, as many lines as have come.

    Yields:
        the block, and whether its last newline was missing in the file.
    """
    rest = np.frombuffer(head, np.uint8)
    comes = live(stream)
    while True:
        buffer = np.empty(max(size, 2 * len(rest), 4096), np.uint8)
        buffer[: len(rest)] = rest
        filled = len(rest) + (_come if comes else read_some)(path, stream, buffer[len(rest) : -1].data)
        end = filled
        while end and buffer[end - 1] != 10:
            end -= 1
        if filled == len(rest) or (not comes and filled < len(buffer) - 1):  # the end of the file
            cut = end < filled
            buffer[filled] = 10
            if filled:
                yield buffer[: filled + cut], cut
            return
        if not end and filled > _LONGEST_LINE:
            raise CaptureError(str(path), 0, f"a line of more than {_LONGEST_LINE} bytes")
        rest = buffer[end:filled]
        if end:
            yield buffer[:end], False
