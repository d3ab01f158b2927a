"""What a table is: columns with types, units and ranges, and the key that identifies a row."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa

from kdgat.errors import KdgatError

#: what names a model: family and role, `-` between
MODEL = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
#: what no text of a table holds: control characters, marks that turn the direction of writing, and what begins code,
#: markup or a reference in Markdown, HTML or Typst, into which pages put names
_MARKUP = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff<>`$\\|"
TEXT = re.compile(rf"[^{_MARKUP}{{}}\"\[\]]{{0,1000}}")
#: a recorder may number its files in brackets, but no two brackets make a link
PATH = re.compile(rf"(?!.*\][(\[:{{])[^{_MARKUP}{{}}\"]{{0,1000}}")
JSON = re.compile(rf"[^{_MARKUP}]{{0,1000000}}")


class RecordError(KdgatError):
    """A table that violates its schema: table, column, first offending row and the rule it breaks."""


@dataclass(frozen=True)
class Column:
    """One column. `low` and `high` are inclusive; `values` lists what a string may be.

    `text` is what a string must match. `added` marks a column that is newer than the first release: older releases may lack it, and no others.
    """

    name: str
    type: pa.DataType
    doc: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] | None = None
    nullable: bool = False
    added: bool = False
    text: re.Pattern[str] = TEXT


@dataclass(frozen=True)
class Schema:
    """One table: its columns, and the columns that identify a row (also the order in which rows are kept).

    Attributes:
        name, doc: what it is called, and what it holds.
        columns: that every such table has.
        key: columns that identify a row.
        further: what any other column must be, one per model by the model's name; None: there are no others.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    further: Column | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of `columns`."""
        return tuple(c.name for c in self.columns)

    def admits(self, column: str) -> bool:
        """Whether the table may have a column of this name."""
        return column in self.names or (self.further is not None and MODEL.fullmatch(column) is not None)

    def all_columns(self, held: Iterable[str]) -> tuple[Column, ...]:
        """List `columns`, then one like `further` for each other name in `held`, in its order."""
        if self.further is None:
            return self.columns
        others = [name for name in held if name not in self.names and self.admits(name)]
        return (*self.columns, *(replace(self.further, name=name) for name in others))

    def arrow(self, held: Iterable[str] = ()) -> pa.Schema:
        """Make the Arrow schema of a table with the columns `held` (those of `columns` always).

        Unit and meaning are sorted field metadata; there are no timestamps, so that bytes are reproducible.
        """
        return pa.schema(
            [
                pa.field(c.name, c.type, c.nullable, metadata={"doc": c.doc, "unit": c.unit})
                for c in self.all_columns(held)
            ],
            metadata={"table": self.name},
        )
