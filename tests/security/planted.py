"""Secrets that are planted into the environment of a command, and the search for them in everything it left."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

#: variable → a value that looks like the real thing (40 hexadecimal digits for W&B) and stands for nothing
SECRETS = {
    "WANDB_API_KEY": "5ec4e7" + "0f" * 17,
    "AWS_SECRET_ACCESS_KEY": "5ec4e7/planted+aws/" + "Z" * 21,
    "MLFLOW_TRACKING_PASSWORD": "5ec4e7-planted-mlflow",
}


def _contents(file: Path) -> Iterator[bytes]:
    """A file's bytes, and what they hold compressed (Metaflow's artifacts, and its logs)."""
    data = file.read_bytes()
    yield data
    for unpack in (gzip.decompress, zlib.decompress):
        try:
            yield unpack(data)
        except (OSError, EOFError, zlib.error):
            continue


def leaks(*folders: Path, since: float = 0.0) -> list[str]:
    """Files that were written since a time (s since the epoch) and hold a planted secret."""
    hits = []
    for folder in folders:
        for file in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
            if file.stat().st_mtime >= since:
                hits += [
                    f"{file}: {name}"
                    for name, value in SECRETS.items()
                    if any(value.encode() in content for content in _contents(file))
                ]
    return hits
