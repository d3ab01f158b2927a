"""`kdgat compare`."""

from __future__ import annotations


def compare(a: str, b: str | None = None, /, *, metric: str = "f1", json: bool = False) -> int:
    """Ask what of release A release B reproduces.

    With one name, B is that release and A the newest committed one of the same preset and data. Exit code 0: every row
    of the metric was reproduced within its interval, or --json; 1: some were not; 3: the two cannot be compared.

    Args:
        a: a release; the only one given is held against a committed one that it reproduces.
        b: the release that may reproduce it.
        metric: the metric that decides.
        json: print all rows as JSON.
    """
    from analysis import compare

    return compare.run(a, b, metric, as_json=json)
