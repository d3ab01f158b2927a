"""Tables from rows, checked against their schemas: types, nulls, finite values, ranges, keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kdgat.records.schema import Column, RecordError, Schema
from kdgat.records.tables import schema


def table(name: str, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> pa.Table:
    """Make a validated table from rows (list of dicts) or from columns (dict of sequences)."""
    want = schema(name)
    if isinstance(rows, Mapping):
        columns = dict(rows)
    else:
        names = dict.fromkeys((*want.names, *(key for row in rows for key in row)))
        columns = {column: [row.get(column) for row in rows] for column in names}
    unknown = [column for column in columns if not want.admits(column)]
    missing = {c.name for c in want.columns if not c.nullable} - set(columns)
    if unknown or missing:
        raise RecordError(f"{name}: unknown columns {sorted(unknown)}, missing {sorted(missing)}")
    length = len(next(iter(columns.values()))) if columns else 0
    try:
        arrays = []
        for c in want.all_columns(columns):
            values = columns.get(c.name, [None] * length)
            arrays.append(pa.array(values, c.type, from_pandas=c.nullable and isinstance(values, np.ndarray)))
        content = pa.Table.from_arrays(arrays, schema=want.arrow(columns))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise RecordError(f"{name}: {error}") from None
    return validate(name, content)


def validate(name: str, rows: pa.Table) -> pa.Table:
    """Sort `rows` by key; raise `RecordError` for wrong columns or types, nulls, NaN, values out of range, a repeated key."""
    want = schema(name)
    arrow = want.arrow(rows.column_names)
    if not rows.schema.equals(arrow):
        raise RecordError(f"{name}: schema differs: {schema_difference(rows.schema, arrow)}")
    check_values(want, rows, want.all_columns(rows.column_names))
    rows = rows.sort_by([(k, "ascending") for k in want.key]).combine_chunks()
    if rows.num_rows > 1 and rows.group_by(list(want.key)).aggregate([]).num_rows != rows.num_rows:
        counts = rows.group_by(list(want.key)).aggregate([([], "count_all")])
        row = counts.filter(pc.greater(counts["count_all"], 1)).slice(0, 1).to_pylist()[0]
        raise RecordError(f"{name}: two rows share the key { ({k: row[k] for k in want.key}) }")
    return rows


def check_values(want: Schema, rows: pa.Table, columns: Iterable[Column]) -> None:
    """Refuse nulls, values that are not finite, out of range, no such text or none of those listed, in the given columns."""
    for c in columns:
        column = rows[c.name]
        _refuse(want.name, c, "is null", None if c.nullable else pc.is_null(column))
        if pa.types.is_floating(c.type):
            _refuse(want.name, c, "is not finite", pc.invert(pc.is_finite(column)))
        if pa.types.is_string(c.type):
            odd = [v for v in column.unique().to_pylist() if v is not None and not c.text.fullmatch(v)]
            mask = pc.is_in(column, pa.array(odd, pa.string())) if odd else None
            _refuse(want.name, c, "holds characters that no such text has, or too many", mask)
        if c.low is not None:
            _refuse(want.name, c, f"is under {c.low}", pc.less(column, c.low))
        if c.high is not None:
            _refuse(want.name, c, f"is over {c.high}", pc.greater(column, c.high))
        if c.values is not None:
            _refuse(want.name, c, f"is none of {', '.join(c.values)}", pc.invert(pc.is_in(column, pa.array(c.values))))


def schema_difference(have: pa.Schema, want: pa.Schema) -> str:
    """Say in words how one schema differs from the other."""
    for field in want:
        if field.name not in have.names:
            return f"column {field.name!r} is missing"
        if have.field(field.name).type != field.type:
            return f"column {field.name!r} is {have.field(field.name).type}, not {field.type}"
    extra = [n for n in have.names if n not in want.names]
    return f"unknown column {extra[0]!r}" if extra else "order, nullability or metadata of the columns"


def _refuse(name: str, c: Column, rule: str, bad: pa.ChunkedArray | None) -> None:
    if bad is None:
        return
    rows = np.flatnonzero(pc.fill_null(bad, False).to_numpy())
    if len(rows):
        raise RecordError(f"{name}: column {c.name!r} {rule} in row {rows[0]} ({len(rows)} rows)")
