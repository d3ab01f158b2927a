"""Reads what W&B wrote offline: `run-<id>.wandb`, records of protobuf in LevelDB's log format.

A file is a 7-byte header (`:W&B`, 0xBEE1, version 0) and blocks of 32 KiB. A record is one or several chunks of crc32,
length (u16), type (u8: whole, first, middle, last) and data; no chunk header crosses a block's end. A killed process
leaves a torn tail, which is where reading stops.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdgat.errors import KdgatError

_BLOCK, _HEADER = 32768, struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_MAGIC = b":W&B" + struct.pack("<HB", 0xBEE1, 0)


@dataclass
class LocalRun:
    """One run as it lies on disk.

    Attributes:
        id, project, entity, name, group, stage: as given to `wandb.init`, which calls a stage a job type.
        config: hyper-parameters, as given to it.
        started: when (s since 1970).
        seconds: from then to the last row of the history.
        history: step → logged values, without W&B's own (`_…`).
        values: metric → its numbers in the order in which they were logged.
        summary: what a reader of the service must see: values set by hand over the last logged ones.
        artifacts: that it logged: name → metadata.
        finished: whether the process closed the run.
    """

    id: str = ""
    project: str = ""
    entity: str = ""
    name: str = ""
    group: str = ""
    stage: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    started: float = 0.0
    seconds: float = 0.0
    history: dict[int, dict[str, Any]] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    finished: bool = False


def records(data: bytes) -> Iterator[bytes]:
    """Iterate over the records of a file's content, up to the first that is torn or damaged."""
    position = len(_MAGIC)
    parts: list[bytes] = []
    while position + _HEADER.size <= len(data):
        left = _BLOCK - position % _BLOCK
        if left < _HEADER.size:  # a block's end too short for a header is padding
            position += left
            continue
        crc, length, kind = _HEADER.unpack_from(data, position)
        position += _HEADER.size
        chunk = data[position : position + length]
        if len(chunk) < length or not _WHOLE <= kind <= _LAST or zlib.crc32(chunk, zlib.crc32(bytes([kind]))) != crc:
            return
        position += length
        parts = [chunk] if kind in (_WHOLE, _FIRST) else [*parts, chunk]
        if kind in (_WHOLE, _LAST):
            yield b"".join(parts)


def framed(parts: Iterable[bytes]) -> bytes:
    """Reverse `records`: write records as a file's content."""
    content = bytearray(_MAGIC)
    for part in parts:
        begun = False
        while True:
            left = _BLOCK - len(content) % _BLOCK
            if left < _HEADER.size:
                content += bytes(left)
                left = _BLOCK
            chunk, part = part[: left - _HEADER.size], part[left - _HEADER.size :]
            kind = (_LAST if begun else _WHOLE) if not part else (_MIDDLE if begun else _FIRST)
            content += _HEADER.pack(zlib.crc32(chunk, zlib.crc32(bytes([kind]))), len(chunk), kind) + chunk
            begun = True
            if not part:
                break
    return bytes(content)


def _protocol() -> Any:
    """W&B's messages, whose classes are made at import and known to no type checker."""
    from wandb.proto import wandb_internal_pb2

    return wandb_internal_pb2


def _values(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def _row(history: Any) -> tuple[int, dict[str, Any]]:
    values = _values(history.item)
    return int(values.get("_step", history.step.num)), values


def without(path: Path, steps: Set[int], run: LocalRun) -> bytes:
    """A log like that at `path`, but without the history of `steps`, and with the whole summary written out."""
    pb = _protocol()
    summary = [pb.SummaryItem(key=k, value_json=json.dumps(v)) for k, v in run.summary.items()]
    kept = []
    for raw in records(path.read_bytes()):
        record = pb.Record.FromString(raw)
        kind = record.WhichOneof("record_type")
        if kind == "exit":
            kept.append(pb.Record(num=record.num, summary=pb.SummaryRecord(update=summary)).SerializeToString())
        if kind != "history" or _row(record.history)[0] not in steps:
            kept.append(raw)
    return framed(kept)


def group(path: Path) -> str:
    """The group of the run in a `.wandb` file, from its first records; empty where it has none or is no such file."""
    pb = _protocol()
    with path.open("rb") as file:
        start = file.read(4 * _BLOCK)
    for raw in records(start) if start.startswith(_MAGIC) else ():
        record = pb.Record.FromString(raw)
        if record.WhichOneof("record_type") == "run":
            return str(record.run.run_group)
    return ""


def read(path: Path) -> LocalRun:
    """Read the run in a `.wandb` file, up to a torn tail.

    Raises:
        KdgatError: no such file, or not one of W&B's.
    """
    pb = _protocol()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise KdgatError(f"{path}: {error.strerror}") from None
    if not data.startswith(_MAGIC):
        raise KdgatError(f"{path}: not a log of W&B")
    run = LocalRun()
    by_hand: dict[str, Any] = {}
    for raw in records(data):
        record = pb.Record.FromString(raw)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            r = record.run
            run.id, run.project, run.entity, run.name, run.group, run.stage = (
                *(r.run_id, r.project, r.entity, r.display_name, r.run_group, r.job_type),
            )
            run.config = {k: v for k, v in _values(r.config.update).items() if not k.startswith("_")}
            run.started = r.start_time.seconds + r.start_time.nanos / 1e9
        elif kind == "history":
            step, values = _row(record.history)
            logged = {k: v for k, v in values.items() if not k.startswith("_")}
            run.history.setdefault(step, {}).update(logged)
            run.seconds = float(values.get("_runtime", run.seconds))
            for metric, value in logged.items():
                if isinstance(value, int | float):
                    run.values.setdefault(metric, []).append(float(value))
            run.summary.update(logged)
        elif kind == "summary":
            by_hand |= {k: v for k, v in _values(record.summary.update).items() if not k.startswith("_")}
        elif kind == "artifact":
            run.artifacts[record.artifact.name] = json.loads(record.artifact.metadata or "{}")
        elif kind == "exit":
            run.finished = True
    run.summary |= by_hand
    return run
