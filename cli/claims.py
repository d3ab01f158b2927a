"""`kdgat claims`."""

from __future__ import annotations


def claims(*, release: str | None = None, json: bool = False) -> int:
    """List what the paper's sentences claim of a release, by how much each claim holds, and what would turn it.

    Args:
        release: name of the release. [default: the current one]
        json: print the claims as JSON.
    """
    from analysis.claims import __main__ as command

    return command.run(release, as_json=json)
