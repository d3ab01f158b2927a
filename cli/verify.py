"""`kdgat verify`."""

from __future__ import annotations

from pathlib import Path


def verify(
    *releases: str, intervals: bool = False, anchored: bool = False, signers: Path | None = None, json: bool = False
) -> int:
    """Check everything that a release and the documents made from it promise.

    Without names: every release on disk, the sources against the current release, and the rendered output, if any.
    Exit code 1: there is a problem; each is one line.

    Args:
        releases: names of releases. [default: all on disk]
        intervals: also draw all intervals again (extra `train`; minutes).
        anchored: a release that git's history does not hold is a problem.
        signers: file of public keys (`allowed_signers` of OpenSSH); every release must be signed by one of them.
        json: print the problems as JSON, by what was checked.
    """
    from analysis import verify

    return verify.run(releases, verify.Demands(intervals, anchored, signers), as_json=json)
