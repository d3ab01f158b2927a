"""`python -m analysis.sql "select …"`: SQL over a release with DuckDB, one view a table."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence

from analysis.queries import queries, query
from analysis.release import Release
from kdgat.errors import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m analysis.sql", description=__doc__.splitlines()[0])
    parser.add_argument("sql", nargs="?", help="a query, or the name of one (see --list)")
    parser.add_argument("--release", help="name of the release (default: the current one)")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")
    parser.add_argument("--list", action="store_true", help="list the named queries and the tables")
    args = parser.parse_args(argv)
    if args.list:
        for q in queries().values():
            print(f"{q.name:18} {q.title}")
        return 0
    if not args.sql:
        parser.error("a query, or --list")
    sql = query(args.sql).sql if args.sql in queries() or " " not in args.sql else args.sql
    rows = Release.open(args.release).rows(sql)
    names = list(rows[0]) if rows else []
    if args.format == "json":
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    if args.format == "csv":
        out = csv.DictWriter(sys.stdout, names, lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
        return 0
    text = [[_shown(r[n]) for n in names] for r in rows]
    widths = [max(len(n), *(len(t[i]) for t in text)) for i, n in enumerate(names)] if rows else []
    for line in (names, *text):
        print("  ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)).rstrip())
    print(f"({len(rows)} rows)")
    return 0


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


if __name__ == "__main__":
    cli(lambda: main(sys.argv[1:]))
