"""`kdgat sql "select …"`: SQL over a release with DuckDB, one view per table."""

from __future__ import annotations

import csv
import json
import sys
from typing import Literal

from analysis.reference.queries import queries, query
from analysis.releases.release import Release
from kdgat.errors import KdgatError
from kdgat.front_door import start


def show_queries(*, as_json: bool = False) -> int:
    """Print name and title of every named query."""
    if as_json:
        print(json.dumps({q.name: q.title for q in queries().values()}, indent=1, ensure_ascii=False))
        return 0
    for q in queries().values():
        print(f"{q.name:18} {q.title}")
    return 0


def run(text: str | None, release: str | None = None, format: Literal["table", "csv", "json"] = "table") -> int:
    """Print the rows of a query over a release (None: the current one).

    Args:
        text: SQL, or the name of a query.
        release: name of the release.
        format: of the output.

    Raises:
        KdgatError: no query, an unknown name, an unknown release, or SQL that DuckDB refuses.
    """
    if not any(c.isalnum() for c in text or ""):
        raise KdgatError(
            'no query: `kdgat sql "show tables"`, `kdgat sql "describe summary"`, or a name that --list gives'
        )
    assert text is not None
    sql = query(text).sql if text in queries() or " " not in text else text
    rows = Release.open(release).rows(sql)
    names = list(rows[0]) if rows else []
    if format == "json":
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    if format == "csv":
        out = csv.DictWriter(sys.stdout, names, lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
        return 0
    cells = [[_shown(r[n]) for n in names] for r in rows]
    widths = [max(len(n), *(len(c[i]) for c in cells)) for i, n in enumerate(names)] if rows else []
    for line in (names, *cells):
        print("  ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)).rstrip())
    print(f"({len(rows)} rows)")
    return 0


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


if __name__ == "__main__":
    start("sql")
