"""The named queries of `queries.sql`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from analysis.reference import QUERIES
from kdgat.errors import KdgatError

_BLOCK = re.compile(r"^-- name: (\S+)\n-- (.+)\n((?:.*\n)*?.*;)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Query:
    """A query, its name and what it answers."""

    name: str
    title: str
    sql: str


@cache
def queries() -> dict[str, Query]:
    """All named queries in the order of the file."""
    text = QUERIES.read_text(encoding="utf-8")
    by_name = {m[1]: Query(m[1], m[2], m[3].strip().rstrip(";")) for m in _BLOCK.finditer(text)}
    if len(by_name) != text.count("-- name: ") - 1:  # the header mentions the mark once
        raise KdgatError("queries.sql: a block is malformed or two share a name")
    return by_name


def query(name: str) -> Query:
    """The query called `name`; raises `KdgatError` for an unknown one."""
    try:
        return queries()[name]
    except KeyError:
        raise KdgatError(f"no query is called {name!r}; known: {', '.join(queries())}") from None
