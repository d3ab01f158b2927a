"""What a table is: columns with types, units and ranges, and the key that identifies a row."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from kdgat.errors import KdgatError


class RecordError(KdgatError):
    """A table that violates its schema: table, column, first offending row and the rule it breaks."""


@dataclass(frozen=True)
class Column:
    """One column. `low` and `high` are inclusive; `values` lists what a string may be."""

    name: str
    type: pa.DataType
    doc: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] | None = None
    nullable: bool = False


@dataclass(frozen=True)
class Schema:
    """One table: its columns, and the columns that identify a row (also the order in which rows are kept)."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def arrow(self) -> pa.Schema:
        """Arrow schema with unit and meaning as sorted field metadata; no timestamps, so bytes are reproducible."""
        return pa.schema(
            [pa.field(c.name, c.type, c.nullable, metadata={"doc": c.doc, "unit": c.unit}) for c in self.columns],
            metadata={"table": self.name},
        )
