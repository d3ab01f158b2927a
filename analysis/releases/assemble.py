"""Tables of many tasks as one table each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from kdgat import records


def concatenate(parts: Sequence[Mapping[str, pa.Table]]) -> dict[str, pa.Table]:
    """Tables of all tasks by name, one row per key.

    Rows that several tasks state alike (a dataset's counts, a model's parameters) are kept once; rows that share a key
    and differ are an error of the runs.
    """
    union = {}
    for name in records.TABLES:
        tables = [part[name] for part in parts if name in part and part[name].num_rows]
        if tables:
            union[name] = records.validate(name, _distinct_rows(pa.concat_tables(tables, promote_options="default")))
    unknown = {name for part in parts for name in part} - set(records.TABLES)
    if unknown:
        raise records.RecordError(f"no table is called {sorted(unknown)[0]!r}")
    return union


def _distinct_rows(table: pa.Table) -> pa.Table:
    return table.group_by(table.column_names, use_threads=False).aggregate([]).cast(table.schema)
