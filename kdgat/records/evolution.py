"""Tables of older releases in today's form: what a release lacks is absent, which is no error.

A manifest lists the columns that its tables hold. A column that is newer than the release is null in all rows, so that
queries over all columns run; what the release holds is checked as strictly as on the day it was frozen.
"""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from kdgat.records.checking import check_values, schema_difference
from kdgat.records.schema import RecordError, Schema
from kdgat.records.tables import schema


def of_release(name: str, table: pa.Table, held: Collection[str]) -> pa.Table:
    """Check a table as a release holds it and give it today's columns; rows stay in their order.

    Args:
        name: of the table.
        table: its rows as read.
        held: names of the columns that the release says it has.

    Raises:
        RecordError: other columns than the release says, a column that no such table has, none where only a newer column
            may lack, a wrong type, null or value, or rows that are not sorted by a key of their own.
    """
    want = schema(name)
    if set(table.column_names) != set(held):
        odd = sorted(set(table.column_names) ^ set(held))[0]
        raise RecordError(f"{name}: column {odd!r} stands in the manifest or in the file, not in both")
    if unknown := [column for column in table.column_names if not want.admits(column)]:
        raise RecordError(f"{name}: schema differs: unknown column {unknown[0]!r}")
    if missing := [column.name for column in want.columns if not column.added and column.name not in held]:
        raise RecordError(f"{name}: schema differs: column {missing[0]!r} is missing")
    columns = want.all_columns(table.column_names)
    arrow = pa.schema([pa.field(c.name, c.type) for c in columns if c.name in held])
    have = pa.schema([pa.field(f.name, f.type) for f in table.schema])
    if not have.equals(arrow):
        raise RecordError(f"{name}: schema differs: {schema_difference(have, arrow)}")
    check_values(want, table, [c for c in columns if c.name in held])
    _check_order(want, table)
    arrays = [table[c.name] if c.name in held else pa.nulls(table.num_rows, c.type) for c in columns]
    full = want.arrow(table.column_names)
    fields = [f if f.name in held else f.with_nullable(True) for f in full]
    return pa.table(arrays, schema=pa.schema(fields, metadata=full.metadata)).combine_chunks()


def _check_order(want: Schema, table: pa.Table) -> None:
    key = [k for k in want.key if k in table.column_names]
    if table.num_rows < 2:
        return
    if _rising(table.select(key)):
        return
    if table.group_by(key).aggregate([]).num_rows != table.num_rows:
        raise RecordError(f"{want.name}: two rows share a key ({', '.join(key)})")
    raise RecordError(f"{want.name}: rows are not sorted by {', '.join(key)}")


def _rising(keys: pa.Table) -> bool:
    """Say whether each row stands over the one before it, compared column by column: sorted, and none twice."""
    keys = keys.combine_chunks()
    over, equal = pa.scalar(False), pa.scalar(True)
    for column in keys.columns:
        before, after = column.slice(0, len(column) - 1), column.slice(1)
        over = pc.or_(over, pc.and_(equal, pc.greater(after, before)))
        equal = pc.and_(equal, pc.equal(after, before))
    return bool(pc.all(over, skip_nulls=False).as_py())
