"""Bytes of a capture file: decompressed where it is compressed, in blocks of whole lines."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from kdgat.errors import CaptureError

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
BOM = b"\xef\xbb\xbf"


def open_stream(path: Path) -> IO[bytes]:
    """The content of `path`, decompressed if it is gzip or zstd (told by its first bytes, not by its name)."""
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 (the caller closes it)
        magic = file.read(4)
        file.seek(0)
    except IsADirectoryError:
        raise CaptureError(str(path), 0, "is a folder, not a capture") from None
    except OSError as error:
        raise CaptureError(str(path), 0, error.strerror or str(error)) from None
    for start, name in _MAGIC.items():
        if magic.startswith(start):
            return pa.CompressedInputStream(pa.PythonFile(file, "r"), name)
    return file


def read_some(path: Path, stream: IO[bytes], into: memoryview) -> int:
    """Fill `into` from `stream` as far as it goes; broken compression and input errors become a `CaptureError`."""
    filled = 0
    try:
        while filled < len(into) and (n := stream.readinto(into[filled:])):  # type: ignore[attr-defined]
            filled += n
    except OSError as error:
        raise CaptureError(str(path), 0, f"cannot be read to its end: {error}") from None
    return filled


def read_all(path: Path, stream: IO[bytes], head: bytes) -> io.BytesIO:
    """Everything, `head` (already read) first; for formats that are not read in one pass."""
    parts = [head]
    buffer = bytearray(1 << 20)
    while n := read_some(path, stream, memoryview(buffer)):
        parts.append(bytes(buffer[:n]))
    return io.BytesIO(b"".join(parts))


def line_blocks(path: Path, stream: IO[bytes], head: bytes, size: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Blocks of whole lines, u8 ending in a newline, about `size` bytes each, in one buffer that is used again.

    Yields:
        the block, and whether its last newline was missing in the file.
    """
    buffer = np.empty(max(size, 2 * len(head)), np.uint8)
    buffer[: len(head)] = np.frombuffer(head, np.uint8)
    filled = len(head)
    while True:
        n = read_some(path, stream, buffer[filled:-1].data)
        filled += n
        if n == 0 and filled < len(buffer) - 1:
            if filled:
                buffer[filled] = 10
                yield buffer[: filled + 1], True
            return
        end = filled
        while end and buffer[end - 1] != 10:
            end -= 1
        if end:
            yield buffer[:end], False
        elif filled == len(buffer) - 1:
            raise CaptureError(str(path), 0, f"a line of more than {len(buffer)} bytes")
        buffer[: filled - end] = buffer[end:filled].copy()
        filled -= end
