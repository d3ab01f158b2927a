"""`kdgat explore`."""

from __future__ import annotations


def explore(*, port: int = 5006) -> int:
    """Open the site's views over runs that are not frozen yet, and over releases, in a browser.

    Args:
        port: on this machine only; 0: any free one.
    """
    from analysis import explore

    return explore.run(port)
