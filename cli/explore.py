"""`kdgat explore`."""

from __future__ import annotations


def explore(*, port: int = 5006, notebook: bool = False) -> int:
    """Open the site's views over runs that are not frozen yet, over releases and over W&B's mirror, in a browser.

    Args:
        port: on this machine only; 0: any free one.
        notebook: open them in JupyterLab instead (extra `notebook`).
    """
    from analysis import explore

    return explore.run(port, in_notebook=notebook)
