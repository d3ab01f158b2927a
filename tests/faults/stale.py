"""A double for a network filesystem whose attribute cache lags: names that others made are not seen for a while."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def unseen(root: Path) -> Iterator[None]:
    """Within it, what lies below `root` now is answered as "not there" by every look (stat, exists, is_file, is_dir).

    As on NFS, what goes to the server is not deceived: opening, listing, making and renaming see the truth.
    """
    paths = {os.fspath(p) for p in (root, *root.rglob("*"))} - {os.fspath(root)}
    real = os.stat

    def stat(path, *args, **kwargs):
        if isinstance(path, str | os.PathLike) and os.fspath(path) in paths:
            raise FileNotFoundError(2, "No such file or directory (attribute cache)", os.fspath(path))
        return real(path, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "stat", stat)
        yield
