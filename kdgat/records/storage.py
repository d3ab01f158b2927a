"""Tables as bytes: Arrow IPC between tasks, Parquet in releases, a hash of the content alone."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kdgat.records.checking import validate
from kdgat.records.tables import schema


def dump(tables: Mapping[str, pa.Table]) -> dict[str, bytes]:
    """Tables as Arrow IPC bytes, the form in which a flow's tasks keep them."""
    out = {}
    for name, table in tables.items():
        sink = pa.BufferOutputStream()
        checked = validate(name, table)
        with pa.ipc.new_file(sink, checked.schema) as writer:
            writer.write_table(checked)
        out[name] = sink.getvalue().to_pybytes()
    return out


def load(dumped: Mapping[str, bytes]) -> dict[str, pa.Table]:
    """The reverse of `dump`, validated again; columns that came later and may be null are null in what was dumped before."""
    return {
        name: validate(name, _grown(name, pa.ipc.open_file(pa.py_buffer(data)).read_all()))
        for name, data in dumped.items()
    }


def _grown(name: str, dumped: pa.Table) -> pa.Table:
    want = schema(name)
    late = [c for c in want.columns if c.added and c.nullable and c.name not in dumped.column_names]
    if not late:
        return dumped
    for column in late:
        dumped = dumped.append_column(column.name, pa.nulls(len(dumped), column.type))
    names = [c.name for c in want.all_columns(dumped.column_names)]
    return dumped.select(names).cast(want.arrow(names)) if set(names) == set(dumped.column_names) else dumped


def parquet_bytes(table: pa.Table, dictionary: bool | list[str] = True) -> bytes:
    """Write deterministic Parquet: rows as they come, snappy, format 2.6, fixed row groups.

    snappy because the browser's DuckDB 0.9.1 silently returns no rows for brotli or lz4.

    Args:
        table: a validated table.
        dictionary: columns that are dictionary-coded (True: all).
    """
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="snappy",
        version="2.6",
        row_group_size=1 << 17,
        use_dictionary=dictionary,
        write_statistics=True,
        store_schema=True,
    )
    return sink.getvalue()


def content_hash(table: pa.Table) -> str:
    """sha256 of the logical content (column names and values in row order): independent of the Parquet writer."""
    digest = hashlib.sha256()
    for name in table.column_names:
        column = table[name].combine_chunks()
        digest.update(f"{name}:{column.type}:{len(column)};".encode())
        if pa.types.is_string(column.type):
            for value in column.to_pylist():
                digest.update(b"\0" if value is None else b"\1" + value.encode() + b"\0")
        else:
            digest.update(np.asarray(column.is_valid()).tobytes())
            digest.update(
                np.ascontiguousarray(
                    pc.fill_null(column, False if pa.types.is_boolean(column.type) else 0).to_numpy(
                        zero_copy_only=False
                    )
                ).tobytes()
            )
    return digest.hexdigest()
