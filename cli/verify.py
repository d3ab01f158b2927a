"""`kdgat verify`."""

from __future__ import annotations


def verify(*releases: str, intervals: bool = False, json: bool = False) -> int:
    """Check everything that a release and the documents made from it promise.

    Without names: every release on disk, the sources against the current release, and the rendered output, if any.
    Exit code 1: there is a problem; each is one line.

    Args:
        releases: names of releases. [default: all on disk]
        intervals: also draw the intervals again (extra `train`; minutes).
        json: print the problems as JSON, by what was checked.
    """
    from analysis import verify

    return verify.run(releases, intervals=intervals, as_json=json)
