"""`kdgat sql`."""

from __future__ import annotations

from typing import Literal


def sql(
    query: str | None = None,
    /,
    *,
    release: str | None = None,
    format: Literal["table", "csv", "json"] = "table",
    json: bool = False,
    list: bool = False,
) -> int:
    """Query a release with SQL, one view per table.

    Args:
        query: a query, or the name of one (see --list); `show tables` and `describe summary` say what there is.
        release: name of the release. [default: the current one]
        format: how rows are printed.
        json: the same as --format json.
        list: list the named queries.
    """
    from analysis import sql

    return sql.show_queries(as_json=json) if list else sql.run(query, release, "json" if json else format)
