"""The released weights against the tables, and the forms of one model against each other; nothing of them is run.

Formats are read here with struct and numpy: what the site's environment lacks (torch, onnx) is not needed, and no
library's parser meets a stranger's bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from analysis.releases.plausible import strict_json
from analysis.releases.release import Release

#: of a safetensors header and of an ONNX model's tensors
_LARGEST_HEADER = 1 << 20
_MOST_TENSORS = 10_000
#: fields of ONNX's protocol buffers: ModelProto.graph, GraphProto.initializer, TensorProto.data_type, name, raw_data
_GRAPH, _INITIALIZER, _TYPE, _NAME, _RAW = 7, 5, 2, 8, 9
_FLOAT = 1
#: before the name that a parameter has in safetensors
_PREFIX = "model."


def tensors(data: bytes) -> dict[str, tuple[str, list[int], bytes]]:
    """Name → (dtype, shape, bytes) of every tensor of a safetensors file; raises `ValueError` for a bad one."""
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(len(data) - 8, _LARGEST_HEADER):
        raise ValueError("its header is longer than the file or 1 MiB")
    header = strict_json(data[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    out, end = {}, 0
    body = memoryview(data)[8 + length :]
    for name, entry in sorted(
        ((name, entry) for name, entry in header.items() if name != "__metadata__"), key=lambda e: e[1]["data_offsets"]
    ):
        shape, (begin, stop) = entry["shape"], entry["data_offsets"]
        if not (isinstance(shape, list) and len(shape) < 9 and all(type(n) is int and 0 <= n < 1 << 40 for n in shape)):
            raise ValueError(f"the shape of {name} is not one")
        if begin != end or not begin <= stop <= len(body):
            raise ValueError(f"{name} does not begin where the tensor before it ends")
        out[name], end = (entry["dtype"], shape, bytes(body[begin:stop])), stop
    if end != len(body):
        raise ValueError("it holds more than its tensors")
    return out


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of every field of a protocol buffer; raises `ValueError` where it is none."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            if at >= len(data) or shift > 63:
                raise ValueError("it is no ONNX model")
            byte = data[at]
            value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
            if byte < 128:
                return value

    while at < len(data):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            yield number, varint()
            continue
        size = {1: 8, 5: 4}.get(wire) or (varint() if wire == 2 else -1)
        if number == 0 or not 0 <= size <= len(data) - at:
            raise ValueError("it is no ONNX model")
        yield number, data[at : at + size]
        at += size


def initializers(data: bytes) -> dict[str, bytes]:
    """Name → bytes of the float32 tensors that an ONNX model holds; raises `ValueError` where it is none."""
    graphs = [value for number, value in _fields(memoryview(data)) if number == _GRAPH]
    if len(graphs) != 1 or not isinstance(graphs[0], memoryview):
        raise ValueError("it is no ONNX model")
    out: dict[str, bytes] = {}
    for number, tensor in _fields(graphs[0]):
        if number != _INITIALIZER or not isinstance(tensor, memoryview):
            continue
        fields: dict[int, Any] = {n: v for n, v in _fields(tensor) if n in (_TYPE, _NAME, _RAW)}
        if fields.get(_TYPE) == _FLOAT:
            name = bytes(fields.get(_NAME, b"")).decode()
            if name in out or len(out) > _MOST_TENSORS:
                raise ValueError(f"it holds {name[:80]!r} twice, or too many tensors")
            out[name] = bytes(fields.get(_RAW, b""))
    return out


def weights(release: Release) -> list[str]:
    """Counted parameters, operating points and the ONNX form are those of the released weights, model by model."""
    layers: dict[tuple[str, str], dict[str, int]] = {}
    for r in release.table("parameters").to_pylist():
        layers.setdefault((r["dataset"], r["model"]), {})[r["layer"]] = r["count"]
    problems: list[str] = []
    by_stem: dict[str, dict[str, tuple[str, list[int], bytes]]] = {}
    for file in release.manifest["weights"]:
        _, dataset, name = file.split("/")
        stem, _, ending = file.rpartition(".")
        try:
            if ending == "json":
                problems += _points(release, file, dataset, name)
            else:
                if stem not in by_stem and f"{stem}.safetensors" in release.manifest["weights"]:
                    by_stem[stem] = tensors(release.weight(f"{stem}.safetensors"))
                model = layers.get((dataset, name.rsplit("-s", 1)[0]), {})
                problems += (
                    _onnx(release, file, by_stem.get(stem)) if ending == "onnx" else _layers(file, by_stem[stem], model)
                )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
            kind = {"json": "a description", "onnx": "an ONNX model"}.get(ending, "a safetensors file")
            problems.append(f"{file} is not {kind}: {str(error)[:200]}")
    return problems


def _layers(file: str, layers: dict[str, tuple[str, list[int], bytes]], model: dict[str, int]) -> Iterator[str]:
    for layer, count in model.items():
        inside = math.prod(layers[layer][1]) if layer in layers else None
        if inside != count:
            yield f"parameters says {layer} of {file} holds {count} numbers, the file holds {inside}"
    for layer, (kind, shape, data) in layers.items():
        if kind == "F32":
            values = np.frombuffer(data, np.float32)
            if len(values) != math.prod(shape) or not np.isfinite(values).all():
                yield f"{layer} of {file} is not finite or has another size than its shape"
            elif len(shape) > 1 and len(values) and not values.any():
                yield f"{layer} of {file} is all zero: no training ends there"


def _onnx(release: Release, file: str, layers: dict[str, tuple[str, list[int], bytes]] | None) -> Iterator[str]:
    parameters = {
        name.removeprefix(_PREFIX): data
        for name, data in initializers(release.weight(file)).items()
        if name.startswith(_PREFIX)
    }
    want = {name: data for name, (kind, _, data) in (layers or {}).items() if kind == "F32"}
    if odd := sorted(name for name in parameters if want.get(name) != parameters[name]):
        yield f"{odd[0]} of {file} is not that of the safetensors file ({len(odd)} tensors differ)"
    elif not parameters:
        yield f"{file} holds no parameters"


def _points(release: Release, file: str, dataset: str, name: str) -> Iterator[str]:
    """Operating points that come with the weights are those of the table, rounded as it holds them."""
    model, _, seed = name.removesuffix(".json").rpartition("-s")
    description = strict_json(release.weight(file))
    points = {
        r["protocol"]: (r["threshold"], r["source"])
        for r in release.table("operating_points").to_pylist()
        if (r["dataset"], r["model"], str(r["seed"])) == (dataset, model, seed)
    }
    for protocol, (threshold, source) in description.get("points", {}).items():
        want = (float(np.float32(threshold)), source)
        if protocol in points and points[protocol] != want:
            yield f"operating_points says {points[protocol]} of {model} ({dataset}, {protocol}, seed {seed}), {file} says {want}"
