"""What the tracker holds of a run, against the run's own record: a differing value is an error, a shorter mirror a warning.

Reads W&B's offline log where the run left it: LevelDB framing around protobuf records, no network.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from kdgat.errors import KdgatError

_HEADER = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)
_BLOCK = 32 * 1024
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
#: W&B keeps doubles, the record float32
TOLERANCE = 1e-6


class MirrorError(KdgatError):
    """A tracker's log that is not one, or that contradicts the run's record."""


def _chunks(data: bytes) -> Iterator[bytes]:
    """Payloads of a log; ends quietly at a torn tail, as a killed process leaves it."""
    if data[: len(_HEADER)] != _HEADER:
        raise MirrorError("not a W&B log")
    at, parts = len(_HEADER), b""
    while at + 7 <= len(data):
        room = _BLOCK - at % _BLOCK
        if room < 7:
            at += room
            continue
        checksum, length, kind = struct.unpack("<IHB", data[at : at + 7])
        payload = data[at + 7 : at + 7 + length]
        if len(payload) < length or not _FULL <= kind <= _LAST:
            return
        if zlib.crc32(bytes([kind]) + payload) != checksum:
            return
        at += 7 + length
        parts = payload if kind in (_FULL, _FIRST) else parts + payload
        if kind in (_FULL, _LAST):
            yield parts


def history(log: Path) -> tuple[dict[str, list[float]], bool]:
    """Metric → values in the order in which they were logged, and whether the run was finished."""
    from wandb.proto import wandb_internal_pb2

    values: dict[str, list[float]] = {}
    finished = False
    for chunk in _chunks(log.read_bytes()):
        record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
        record.ParseFromString(chunk)
        kind = record.WhichOneof("record_type")
        finished |= kind == "exit"
        if kind == "history":
            for item in record.history.item:
                value = json.loads(item.value_json)
                if isinstance(value, int | float):
                    values.setdefault("/".join(item.nested_key) or item.key, []).append(float(value))
    return values, finished


def find_log(folder: Path, tracker_id: str) -> Path | None:
    """The offline log of a run below W&B's folder."""
    return next(iter(sorted(folder.rglob(f"run-{tracker_id}.wandb"))), None)


def check(tables: Mapping[str, pa.Table], folder: Path) -> list[str]:
    """Hold the curves of every mirrored run against its log.

    Returns:
        Warnings: runs whose log is missing or shorter than the record.

    Raises:
        MirrorError: a value differs.
    """
    curves: dict[str, dict[str, list[float]]] = {}
    for r in tables["curves"].to_pylist():  # sorted by run, metric and epoch
        curves.setdefault(r["run"], {}).setdefault(r["metric"], []).append(r["value"])
    warnings = []
    for run in tables["runs"].to_pylist():
        if run["tracker"] != "wandb" or run["run"] not in curves:
            continue
        log = find_log(folder, run["tracker_id"])
        if log is None:
            warnings.append(f"{run['run']}: no log of W&B run {run['tracker_id']} below the work folder")
            continue
        mirrored, finished = history(log)
        warnings += _compare(run, curves[run["run"]], mirrored, finished)
    return warnings


def _compare(
    run: dict[str, Any], told: dict[str, list[float]], mirrored: dict[str, list[float]], finished: bool
) -> list[str]:
    warnings = []
    for metric, values in told.items():
        have = mirrored.get(metric, [])
        for epoch, (a, b) in enumerate(zip(values, have, strict=False)):
            if a is not None and abs(a - b) > TOLERANCE * max(1.0, abs(b)):
                raise MirrorError(
                    f"{run['run']}: {metric} of epoch {epoch} is {a} in the record and {b} in W&B run {run['tracker_id']}"
                )
        if len(have) < len(values):
            state = "finished" if finished else "killed"
            warnings.append(f"{run['run']}: W&B run ({state}) holds {len(have)} of {len(values)} values of {metric}")
    return warnings
