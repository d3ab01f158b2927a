"""The files of a table, and what a manifest says of them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from analysis.releases import predictions
from kdgat import records
from kdgat.provenance import sha256


def files_of(name: str, table: pa.Table) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Write a validated table: its files (relative path → bytes), and its entry in the manifest."""
    if name != predictions.NAME:
        data = records.parquet_bytes(table)
        return {f"{name}.parquet": data}, _facts(data, table) | _content(table)
    # a model without any score has no column in a part
    scored = set(records.scored_models(table))
    table = table.select([c for c in table.column_names if c in records.schema(name).names or c in scored])
    files, parts = {}, []
    for file, (about, part) in predictions.pack(table).items():
        # scores hardly ever repeat: a dictionary of them takes half as much again
        coded = [field.name for field in part.schema if not pa.types.is_floating(field.type)]
        files[file] = records.parquet_bytes(part, coded)
        parts.append({"file": file, **about, **_facts(files[file], part)})
    return files, _content(table) | {"parts": parts, "models": records.scored_models(table)}


def _facts(data: bytes, table: pa.Table) -> dict[str, Any]:
    return {"rows": table.num_rows, "bytes": len(data), "sha256": sha256(data)}


def _content(table: pa.Table) -> dict[str, Any]:
    columns = {field.name: str(field.type) for field in table.schema}
    return {"rows": table.num_rows, "content_hash": records.content_hash(table), "columns": columns}
