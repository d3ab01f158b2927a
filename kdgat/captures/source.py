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
_LONGEST_LINE = 1 << 20


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
    """Blocks of whole lines, u8 ending in a newline, about `size` bytes each.

    Yields:
        the block, and whether its last newline was missing in the file.
    """
    rest = np.frombuffer(head, np.uint8)
    while True:
        buffer = np.empty(max(size, 2 * len(rest), 4096), np.uint8)
        buffer[: len(rest)] = rest
        filled = len(rest) + read_some(path, stream, buffer[len(rest) : -1].data)
        end = filled
        while end and buffer[end - 1] != 10:
            end -= 1
        if filled < len(buffer) - 1:  # the end of the file
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
