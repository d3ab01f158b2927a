"""Changes of a release, drawn by seed, as a forger would make them: plausible values, and hashes that fit if wanted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.freeze import _write_index
from analysis.releases.files import files_of
from analysis.releases.manifest import describe
from analysis.releases.release import Release
from kdgat import records
from kdgat.provenance import sha256
from kdgat.records.schema import Column

Rng = np.random.Generator


def refit(folder: Path, name: str, table: pa.Table) -> None:
    """Write a table and make the manifest and the index agree with it, also in what the manifest says of the rows."""
    release = Release(folder)
    tables = {other: release.table(other) for other in release.tables} | {name: table}
    files, entry = files_of(name, table)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    facts = describe(tables)
    facts["code"]["trees"] = release.manifest["code"]["trees"]

    def change(manifest: dict[str, Any]) -> None:
        manifest.update(facts)
        manifest["tables"][name] = entry

    change_manifest(folder, change)


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a manifest and write the index anew."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    _write_index(folder.parent)


# ---- hashes left alone ------------------------------------------------------------------------------------------------


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def of_files(folder: Path, rng: Rng) -> str:
    """Change bytes, files or the manifest, and no hash."""
    files = _files(folder)
    file, other = (files[i] for i in rng.choice(len(files), 2, replace=False))
    data = bytearray(file.read_bytes())
    kind = str(rng.choice(["byte", "cut", "append", "delete", "add", "swap", "link"]))
    if kind == "byte":
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        file.write_bytes(data)
    elif kind == "cut":
        file.write_bytes(data[: int(rng.integers(len(data)))])
    elif kind == "append":
        file.write_bytes(data + b"\n")
    elif kind == "delete":
        file.unlink()
    elif kind == "add":
        (file.parent / f"x{file.name}").write_bytes(data)
    elif kind == "swap":
        data = other.read_bytes()
        if data == file.read_bytes():
            return of_files(folder, rng)
        other.write_bytes(file.read_bytes())
        file.write_bytes(data)
    else:
        shutil.move(file, folder.parent / "elsewhere")
        file.symlink_to(folder.parent / "elsewhere")
    return f"{kind} {file.relative_to(folder)}"


# ---- all hashes written anew -------------------------------------------------------------------------------------------


def of_rows(folder: Path, rng: Rng) -> str:
    """Change a cell or take a row away, and write every hash anew; returns what, `<table>.<column>` or `<table>: row`."""
    release = Release(folder)
    while True:
        name = str(rng.choice(release.tables))
        table = release.table(name)
        place = int(rng.integers(table.num_rows))
        column = str(rng.choice([*table.column_names, *([": row"] if table.num_rows > 1 else [])]))
        if column == ": row":
            changed, what = pa.concat_tables([table.slice(0, place), table.slice(place + 1)]), f"{name}: row"
        else:
            about = next(c for c in records.schema(name).all_columns(table.column_names) if c.name == column)
            value = _other(about, table[column], place, rng)
            if value == table[column][place].as_py():
                continue
            cells = table[column].to_pylist()
            cells[place] = value
            array = pa.array(cells, about.type)
            changed = table.set_column(table.column_names.index(column), table.schema.field(column), array)
            what = f"{name}.{'model' if name == 'predictions' and '-' in column else column}"
        try:
            refit(folder, name, records.validate(name, changed))
        except (records.RecordError, ValueError):  # a forger would see that too
            continue
        return what


def _other(about: Column, column: pa.ChunkedArray, place: int, rng: Rng) -> Any:
    """Another plausible value of a cell."""
    value = column[place].as_py()
    if about.type == pa.bool_():
        return not value
    if pa.types.is_string(about.type):
        others = list(about.values or sorted(set(column.to_pylist()) - {None}))
        if len(others) > 1 and rng.random() < 0.7:
            return others[int(rng.integers(len(others)))]
        text = value or "x"
        at = int(rng.integers(len(text)))
        return text[:at] + chr((ord(text[at]) - 96) % 26 + 97) + text[at + 1 :]
    if about.nullable and rng.random() < 0.1:
        return None
    low, high = (-np.inf if about.low is None else about.low), (np.inf if about.high is None else about.high)
    low = max(low, 0) if pa.types.is_unsigned_integer(about.type) else low
    step = max(abs(value or 0) * 0.02, 0.01) if pa.types.is_floating(about.type) else int(rng.integers(1, 4))
    number = (value or 0) + step * (1 if rng.random() < 0.5 else -1)
    if not low <= number <= high:
        number = min(max(number, low), high)
        number = number if number != value else max(low, (value or 0) - 1) if value == high else low + 1
    return float(np.float32(number)) if pa.types.is_floating(about.type) else int(number)


def of_weights(folder: Path, rng: Rng) -> str:
    """Change weights or their description, and write every hash anew."""
    release = Release(folder)
    file = str(rng.choice(sorted(release.manifest["weights"])))
    data = bytearray(release.weight(file))
    if file.endswith(".json"):
        data = bytearray(data.replace(b"0.5", b"0.4", 1))
    else:
        at = len(data) - 1 - 4 * int(rng.integers(50))  # of the last tensor: an exponent, so that the value is another
        data[at] ^= 1 << int(rng.integers(7))
    (folder / file).write_bytes(data)
    change_manifest(folder, lambda m: m["weights"][file].update(sha256=sha256(bytes(data)), bytes=len(data)))
    return file.rpartition(".")[2]


def of_manifest(folder: Path, rng: Rng) -> str:
    """Change what the manifest says of runs and code, and write the index anew."""
    release = Release(folder)
    field = str(
        rng.choice(["commits", "code_hashes", "seeds", "machines", "trees", "data_kind", "mixed_commits_reason"])
    )

    def change(manifest: dict[str, Any]) -> None:
        code = manifest["code"]
        if field in ("commits", "code_hashes"):
            code[field] = [release.manifest_sha256[: len(code[field][0])]]
        elif field == "trees":
            code["trees"] = {commit: {"kdgat": "0" * 40} for commit in code["commits"]}
        elif field in ("seeds", "machines"):
            manifest[field] = manifest[field][:-1]
        else:
            manifest[field] = "synthetic"

    change_manifest(folder, change)
    return f"manifest.{field}"
