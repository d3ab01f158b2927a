"""Read an MF4 file from stdin and write its messages to stdout as an Arrow stream: `python -m kdgat.captures.parsers._mf4 MEMORY SECONDS`.

The process that `kdgat.captures.parsers.mf4` starts for one file. What is wrong with the file is its last line on stderr, and its exit status 1.
"""

from __future__ import annotations

import functools
import io
import itertools
import logging
import math
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asammdf.blocks.v4_blocks
import can.io.mf4
import pyarrow as pa

from kdgat.captures.parsers.blf import refusal
from kdgat.captures.parsers.mf4 import SCHEMA

_FRAMES = {"CAN_DataFrame", "CAN_RemoteFrame", "CAN_ErrorFrame"}
#: messages that are handed on at once
_BLOCK = 1 << 15


def _no_formula(*_: object, **__: object) -> None:
    raise ValueError("its values are formulas")


def limit(memory: int, seconds: int) -> None:
    """End this process where it takes `memory` bytes or `seconds` of processor time more than up to now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    most = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    most = math.ceil(time.process_time()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))


def messages(content: bytes) -> Iterator[dict[str, Any]]:
    """Messages in the order of their times; raises whatever python-can and asammdf do of a damaged file."""
    # neither formulas nor attached databases of a stranger are evaluated: frames need none of them
    asammdf.blocks.v4_blocks.evaluate = _no_formula
    can.io.mf4.MDF = functools.partial(can.io.mf4.MDF, process_bus_logging=False)  # type: ignore[misc,assignment,call-arg]
    reader = can.MF4Reader(io.BytesIO(content))
    begin, count = reader._start_timestamp, 0
    for message in reader:
        count += 1
        refused = refusal(message)
        data = b"" if message.is_remote_frame or refused else bytes(message.data)
        yield {
            "t": message.timestamp - begin, "id": message.arbitration_id & 0xFFFFFFFF, "data": data,
            "bus": str(message.channel), "refused": refused, "text": str(message)[:200] if refused else "",
        }  # fmt: skip
    held = [g.channel_group.cycles_nr for g in reader._mdf.groups if _FRAMES & {c.name for c in g.channels}]
    if sum(held) != count:
        raise ValueError(f"{sum(held) - count} records could be frames, and python-can reads none of them")


def main() -> int:
    """Read, write; 1 where the file is damaged."""
    logging.disable()
    limit(*map(int, sys.argv[1:3]))
    content = sys.stdin.buffer.read()
    try:
        with pa.ipc.new_stream(sys.stdout.buffer, SCHEMA) as out:
            rows = messages(content)
            while block := list(itertools.islice(rows, _BLOCK)):
                out.write_batch(pa.RecordBatch.from_pylist(block, SCHEMA))
    except MemoryError:
        return 2
    except Exception as error:  # of two libraries that name none
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
