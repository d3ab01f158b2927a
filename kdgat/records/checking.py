"""Tables from rows, checked against their schemas: types, nulls, finite values, ranges, keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kdgat.records.schema import Column, RecordError
from kdgat.records.tables import schema


def table(name: str, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> pa.Table:
    """A validated table from rows (list of dicts) or from columns (dict of sequences)."""
    want = schema(name)
    if isinstance(rows, Mapping):
        columns = dict(rows)
    else:
        columns = {c.name: [row.get(c.name) for row in rows] for c in want.columns}
        extra = {k for row in rows for k in row} - set(columns)
        if extra:
            raise RecordError(f"{name}: unknown column {sorted(extra)[0]!r}")
    unknown = set(columns) - {c.name for c in want.columns}
    missing = {c.name for c in want.columns if not c.nullable} - set(columns)
    if unknown or missing:
        raise RecordError(f"{name}: unknown columns {sorted(unknown)}, missing {sorted(missing)}")
    length = len(next(iter(columns.values()))) if columns else 0
    try:
        arrays = []
        for c in want.columns:
            values = columns.get(c.name, [None] * length)
            arrays.append(pa.array(values, c.type, from_pandas=c.nullable and isinstance(values, np.ndarray)))
        made = pa.Table.from_arrays(arrays, schema=want.arrow)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise RecordError(f"{name}: {error}") from None
    return validate(name, made)


def validate(name: str, made: pa.Table) -> pa.Table:
    """`made` sorted by key, or `RecordError`: wrong columns or types, nulls, NaN, values out of range, repeated key."""
    want = schema(name)
    if not made.schema.equals(want.arrow):
        raise RecordError(f"{name}: schema differs: {_schema_difference(made.schema, want.arrow)}")
    for c in want.columns:
        column = made[c.name]
        _refuse(name, c, "is null", None if c.nullable else pc.is_null(column))
        if pa.types.is_floating(c.type):
            _refuse(name, c, "is not finite", pc.invert(pc.is_finite(column)))
        if c.low is not None:
            _refuse(name, c, f"is under {c.low}", pc.less(column, c.low))
        if c.high is not None:
            _refuse(name, c, f"is over {c.high}", pc.greater(column, c.high))
        if c.values is not None:
            _refuse(name, c, f"is none of {', '.join(c.values)}", pc.invert(pc.is_in(column, pa.array(c.values))))
    made = made.sort_by([(k, "ascending") for k in want.key]).combine_chunks()
    if made.num_rows > 1 and made.group_by(list(want.key)).aggregate([]).num_rows != made.num_rows:
        counts = made.group_by(list(want.key)).aggregate([([], "count_all")])
        row = counts.filter(pc.greater(counts["count_all"], 1)).slice(0, 1).to_pylist()[0]
        raise RecordError(f"{name}: two rows share the key { ({k: row[k] for k in want.key}) }")
    return made


def _schema_difference(have: pa.Schema, want: pa.Schema) -> str:
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
