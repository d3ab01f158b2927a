"""What a manifest may say: it can come from a stranger, so it is checked before any file that it names is opened."""

from __future__ import annotations

import json
import re
from typing import Any, TypeGuard

from kdgat import records
from kdgat.errors import KdgatError
from kdgat.records.schema import MODEL

#: of new releases. 2: predictions in parts, metrics and interval methods listed
FORMAT = 2
_ALWAYS: dict[str, type] = {
    **{"tables": dict, "weights": dict, "runs": list, "name": str, "data_kind": str},
    **{"code": dict, "configurations": dict, "datasets": dict, "flow_runs": list, "machines": list},
    **{"presets": list, "seeds": list, "writer": dict},
}
#: what is said of the code, of each dataset
_CODE: dict[str, type] = {"commits": list, "code_hashes": list, "lock_hashes": list, "trees": dict, "dirty": bool}
_DATASET: dict[str, type] = {"captures": dict, "data_hashes": list, "data_kind": str}
#: format → what its manifests must have
FIELDS: dict[int, dict[str, type]] = {1: _ALWAYS, 2: _ALWAYS | {"metrics": list, "intervals": list}}
#: what it may have besides, and what the entries of tables, their parts and weights are made of
_FURTHER = {"format", "mixed_commits_reason", "metrics", "intervals", "extends"}
_OF_FILE = {"bytes", "sha256"}
_OF_PART = {"file", "dataset", "scenario", "seeds", "rows", *_OF_FILE}
_OF_TABLE = {"rows", "content_hash", "columns", "parts", "models", *_OF_FILE}
#: far over anything this project releases, far under what would exhaust a machine
MAX_MANIFEST_BYTES = 16 << 20
MAX_FILE_BYTES = 1 << 30
MAX_ROWS = 50_000_000
MAX_SEED = 1 << 31
MAX_SEEDS = 1024
MAX_MODELS = 256
#: values of a table that is kept in parts, once it is in memory
MAX_VALUES = 1 << 31
#: rows a byte of Parquet may claim; run-length coding of constant columns reaches a few hundred
MAX_ROWS_PER_BYTE = 2_000
#: of texts of one file, the longest times the rows
MAX_TEXT_BYTES = 1 << 30
_WEIGHT = re.compile(r"weights/[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9._-]*\.(safetensors|onnx|json)")
_PART = re.compile(r"[a-z]+/[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*\.parquet")
#: name of a release
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
#: what that is, in words
NAMED = "up to 64 lower-case letters, digits, `.`, `_` and `-`, a letter or digit first"
_HASH = re.compile(r"[0-9a-f]{64}")


def strict_json(data: bytes | str) -> Any:
    """Parse JSON in which no object has a key twice, so that no two readers see two things; raises `ValueError`."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            keys = [key for key, _ in pairs]
            raise ValueError(f"it says {next(k for k in keys if keys.count(k) > 1)[:80]!r} twice")
        return members

    return json.loads(data, object_pairs_hook=distinct)


class ReleaseError(KdgatError):
    """A release that is absent, altered or not safe to read: release, file and reason."""


def check_manifest(release: str, manifest: Any) -> None:
    """Refuse a manifest that is not that of `release`, or that names what cannot be or must not be opened.

    Raises:
        ReleaseError: field and reason.
    """
    if reason := _reason(release, manifest):
        raise ReleaseError(f"{release}: manifest.json: {reason}")


def _reason(release: str, manifest: Any) -> str:
    """Say what is wrong with a manifest; nothing if it is sound."""
    if not isinstance(manifest, dict) or type(manifest.get("format")) is not int or manifest["format"] not in FIELDS:
        return f"format is none of {', '.join(map(str, FIELDS))}"
    fields = FIELDS[manifest["format"]]
    if reason := _reason_of_fields(manifest, fields) or _unknown(manifest, {*fields, *_FURTHER}):
        return reason
    if reason := _reason_of_fields(manifest["code"], _CODE) or _unknown(manifest["code"], set(_CODE)):
        return f"code: {reason}"
    for dataset, entry in manifest["datasets"].items():
        if reason := _reason_of_fields(entry, _DATASET) or _unknown(entry, set(_DATASET)):
            return f"datasets: {dataset[:80]!r}: {reason}"
    if not all(isinstance(configuration, dict) for configuration in manifest["configurations"].values()):
        return "a configuration is not a dict"
    if manifest["name"] != release:
        return f"it is the manifest of {manifest['name']!r}"
    if manifest["data_kind"] not in (*records.DATA_KINDS, "mixed"):
        return f"data_kind is {manifest['data_kind']!r}"
    if reason := _reason_of_extends(manifest.get("extends")):
        return f"extends: {reason}"
    tables = (_reason_of_table(name, entry) for name, entry in manifest["tables"].items())
    weights = (_reason_of_weight(file, entry) for file, entry in manifest["weights"].items())
    return next(filter(None, (*tables, *weights)), "")


def _reason_of_extends(extended: Any) -> str:
    """Say what is wrong with the release that this one adds to: name and sha256 of its manifest."""
    if extended is None:
        return ""
    if not isinstance(extended, dict) or set(extended) != {"release", "manifest_sha256"}:
        return "it does not name a release and its manifest_sha256"
    name, digest = extended["release"], extended["manifest_sha256"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"{str(name)[:80]!r} is not a name of a release"
    return "" if isinstance(digest, str) and _HASH.fullmatch(digest) else "manifest_sha256 is no sha256"


def _reason_of_fields(entry: Any, kinds: dict[str, type]) -> str:
    """Say which field is missing or of another kind."""
    if not isinstance(entry, dict):
        return "it is not a dict"
    wrong = next((field for field, kind in kinds.items() if not isinstance(entry.get(field), kind)), None)
    return "" if wrong is None else f"{wrong!r} is missing or not a {kinds[wrong].__name__}"


def _unknown(entry: dict[str, Any], fields: set[str]) -> str:
    """Say which field nothing reads: it could hold anything, under a hash that is right."""
    return next((f"unknown field {field[:80]!r}" for field in entry if field not in fields), "")


def _reason_of_table(name: str, entry: Any) -> str:
    if name not in records.TABLES:
        return f"unknown table {name[:80]!r}"
    if not isinstance(entry, dict) or not isinstance(entry.get("columns"), dict):
        return f"{name}: no columns are listed"
    if reason := _unknown(entry, _OF_TABLE):
        return f"{name}: {reason}"
    if "parts" not in entry:
        return _reason_of_rows(name, entry) or _reason_of_file(f"{name}.parquet", entry)
    if name != "predictions":
        return f"{name}: only predictions are kept in parts"
    models: Any = entry.get("models")
    if not _all(str, models) or not _distinct(models, MAX_MODELS) or not all(map(MODEL.fullmatch, models)):
        return f"{name}: no models are listed, or names that no model has"
    if not _all(dict, entry["parts"]):
        return f"{name}: its parts are no list"
    parts = (_reason_of_part(name, part) for part in entry["parts"])
    if reason := next(filter(None, (_reason_of_rows(name, entry), *parts)), ""):
        return reason
    if not _distinct([part["file"] for part in entry["parts"]], MAX_ROWS):
        return f"{name}: a part is listed twice"
    values = sum(part["rows"] * len(part["seeds"]) for part in entry["parts"]) * (10 + len(models))
    return "" if values <= MAX_VALUES else f"{name}: {values} values: refused"


def _reason_of_part(table: str, part: dict[str, Any]) -> str:
    """Say what is wrong with a part: it lies where its dataset and scenario say, and names its seeds."""
    file = part.get("file")
    if reason := _unknown(part, _OF_PART):
        return f"{table}: {reason}"
    seeds: Any = part.get("seeds")
    place = f"{table}/{part.get('dataset')}/{part.get('scenario')}.parquet"
    if file != place or not _PART.fullmatch(place) or ".." in place:
        return f"refused path {str(file)[:80]!r}"
    if (
        not _all(int, seeds)
        or not _distinct(seeds, MAX_SEEDS)
        or not all(0 <= seed < MAX_SEED for seed in part["seeds"])
    ):
        return f"{file}: refused seeds {str(seeds)[:80]}"
    return _reason_of_rows(file, part) or _reason_of_file(file, part)


def _reason_of_weight(file: str, entry: Any) -> str:
    if not _WEIGHT.fullmatch(file) or ".." in file:
        return f"refused path {file[:80]!r}"
    if isinstance(entry, dict) and (reason := _unknown(entry, _OF_FILE)):
        return f"{file}: {reason}"
    return _reason_of_file(file, entry)


def _reason_of_rows(name: str, entry: dict[str, Any]) -> str:
    rows = entry.get("rows")
    return "" if isinstance(rows, int) and 0 <= rows <= MAX_ROWS else f"{name}: refused row count {rows!r}"


def _reason_of_file(file: str, entry: Any) -> str:
    plausible = (
        isinstance(entry, dict)
        and isinstance(entry.get("bytes"), int)
        and 0 <= entry["bytes"] <= MAX_FILE_BYTES
        and isinstance(entry.get("sha256"), str)
        and _HASH.fullmatch(entry["sha256"])
    )
    return "" if plausible else f"{file}: size or sha256 is missing or not plausible"


def _all(kind: type, value: Any) -> TypeGuard[list[Any]]:
    """Tell whether a value is a list of one kind."""
    return isinstance(value, list) and all(type(item) is kind for item in value)


def _distinct(value: list[Any], limit: int) -> bool:
    """Tell whether a list holds nothing twice, and no more than is plausible."""
    return len(value) == len(set(value)) <= limit
