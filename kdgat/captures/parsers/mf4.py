"""MF4, the measurement file of ASAM (MDF 4) that CANedge and Vector's tools write, by python-can and asammdf (the extra `mf4`).

A stranger's file is read in a process of its own, which ends at a limit of memory or time: asammdf follows links of the file without an end.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import pyarrow as pa

from kdgat.captures.channels import Channels
from kdgat.captures.frames import Frames
from kdgat.captures.parsers.rows import Row
from kdgat.captures.parsers.table import frames_of
from kdgat.captures.quarantine import BadRow
from kdgat.errors import CaptureError

HEADS = (b"MDF     ", b"UnFinMF ")
#: bytes of memory beyond what importing takes, and processor seconds; besides them, so many for each byte of the file
_MEMORY, _MEMORY_PER_BYTE, _SECONDS, _BYTES_PER_SECOND = 2 << 30, 64, 60, 20_000
#: a message as the other process hands it on
SCHEMA = pa.schema(
    {"t": pa.float64(), "id": pa.uint32(), "data": pa.binary(), "bus": pa.string(), "refused": pa.string(), "text": pa.string()}
)  # fmt: skip


def blocks(channels: Channels, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Read frames and bad rows.

    Raises:
        CaptureError: the extra is missing, or the file is damaged or wants more memory or time than its size allows.
    """
    path = channels.path
    if find_spec("can") is None or find_spec("asammdf") is None:
        raise CaptureError(
            str(path), 0, "reading MF4 needs the extra mf4: pip install -c requirements.lock -e '.[mf4]'"
        )
    size = len(content.getbuffer())
    limits = (_MEMORY + _MEMORY_PER_BYTE * size, _SECONDS + size // _BYTES_PER_SECOND)
    command = [sys.executable, "-m", "kdgat.captures.parsers._mf4", *map(str, limits)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        output, errors = process.communicate(content.getvalue())
    if process.returncode:
        reason = errors.decode("utf-8", "replace").strip().splitlines()
        cannot = process.returncode == 1 and reason
        said = (
            f"asammdf cannot read it: {reason[-1][:200]}"
            if cannot
            else "it takes more memory or time than its size allows"
        )
        raise CaptureError(str(path), 0, f"broken MF4: {said}")
    yield from _blocks(channels, output)


def _blocks(channels: Channels, stream: bytes) -> Iterator[tuple[Frames, list[BadRow]]]:
    first = 1
    for batch in pa.ipc.open_stream(stream):
        rows: list[Row] = []
        bad: list[BadRow] = []
        for number, message in enumerate(batch.to_pylist(), first):
            if message["refused"]:
                bad.append(BadRow(number, "row", message["refused"], message["text"]))
            elif channels.takes(message["bus"], number):
                rows.append((message["t"], message["id"], message["data"], 0))
        first += batch.num_rows
        yield frames_of(rows), bad
