"""`kdgat publish`."""

from __future__ import annotations

from pathlib import Path


def publish(*, out: Path, release: str | None = None, zip: bool = False) -> int:
    """Write a release as an RO-Crate, ready for an archive with a DOI.

    Args:
        out: folder that is made.
        release: name of the release. [default: the current one]
        zip: also write it as one zip file.
    """
    from analysis import publish

    return publish.run(release, out, as_zip=zip)
