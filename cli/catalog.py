"""`kdgat catalog`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def catalog(
    action: Literal["fetch"] | None = None,
    dataset: str | None = None,
    /,
    *,
    root: Path | None = None,
    json: bool = False,
) -> int:
    """List the captures on disk and check them, or `fetch DATASET`.

    Exit code 1: a capture is not as the catalog says.

    Args:
        action: download a dataset, resuming what an interrupted download left.
        dataset: the dataset to fetch.
        root: folder of the datasets. [default: $KDGAT_DATA, else data/raw]
        json: print the list as JSON.
    """
    from kdgat.catalog import download, listing
    from kdgat.errors import KdgatError

    if action is None:
        return listing.listing(root, as_json=json)
    if dataset is None:
        raise KdgatError("fetch which dataset? `kdgat catalog` lists them")
    download.fetch(dataset, root)
    return 0
