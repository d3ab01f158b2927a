"""The datasets: which captures they consist of, where they lie on disk, which of them are copies of each other.

`data/catalog.toml` describes the datasets; nothing is read from a capture here but its bytes for the hash.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from kdgat.errors import KdgatError

_REPO = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Capture:
    """One recording.

    Attributes:
        dataset: name in the catalog.
        name: path relative to the dataset's folder.
        vehicle, attack: what was driven and what was injected (`benign` for an attack-free capture).
        split: `train` or the test scenario `test_01` ….
        path: the file; None for generated frames, which stand in `table`.
        sha256: hash of the file's bytes, or of the generated frames.
        data_kind: `real` or `synthetic`.
        duplicate_of: name of the capture of this dataset with the same content that is used instead, empty if none.
        table: generated frames.
    """

    dataset: str
    name: str
    vehicle: str
    attack: str
    split: str
    path: Path | None
    sha256: str
    data_kind: str
    duplicate_of: str
    table: pa.Table | None = field(default=None, repr=False, compare=False)

    def frames(self) -> pa.Table:
        """The frame table (`kdgat.captures.FRAME_SCHEMA`)."""
        if self.table is not None:
            return self.table
        from kdgat.captures import read

        assert self.path is not None
        return read(self.path)


@cache
def entries() -> dict[str, dict[str, Any]]:
    """`data/catalog.toml`: dataset name → its entry."""
    return tomllib.loads((_REPO / "data" / "catalog.toml").read_text())


def names() -> tuple[str, ...]:
    """Names of all datasets, the synthetic one last."""
    return (*entries(), "synthetic")


def root_folder(root: Path | None = None) -> Path:
    """Where captures are looked for: `root`, else $KDGAT_DATA, else `data/raw` of the checkout."""
    if root is not None:
        return Path(root)
    return Path(os.environ.get("KDGAT_DATA") or _REPO / "data" / "raw")


def captures(dataset: str, root: Path | None = None) -> list[Capture]:
    """The captures of `dataset` on disk, training first, then by name; copies are kept, marked by `duplicate_of`.

    Training captures come first in that comparison, so of two twins the one in `train` is the one that stays.

    Raises:
        KdgatError: unknown dataset, or its folder or captures are missing.
    """
    if dataset == "synthetic":
        from kdgat.synthetic import bus

        return bus.captures()
    if dataset not in entries():
        raise KdgatError(f"no dataset is called {dataset!r}; known: {', '.join(names())}")
    entry = entries()[dataset]
    folder = root_folder(root) / entry["folder"]
    if not folder.is_dir():
        raise KdgatError(f"dataset {dataset}: no folder {folder} (see `python -m kdgat.catalog`)")
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        name = path.relative_to(folder).as_posix()
        split = _first(entry["splits"], name)
        if split:
            found.append((split != "train", name, split, path))
    if not found:
        raise KdgatError(f"dataset {dataset}: no captures in {folder}")
    found.sort()
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(lambda f: file_sha256(f[3]), found))
    first: dict[str, str] = {}
    made = []
    for (_, name, split, path), digest in zip(found, hashes, strict=True):
        original = first.setdefault(digest, name)
        made.append(
            Capture(
                dataset=dataset,
                name=name,
                vehicle=_first(entry["vehicles"], name) or "unknown",
                attack=_first(entry["attacks"], name) or "unknown",
                split=split,
                path=path,
                sha256=digest,
                data_kind="real",
                duplicate_of="" if original == name else original,
            )
        )
    return made


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first(rules: list[list[str]], name: str) -> str:
    return next((value for pattern, value in rules if re.search(pattern, name, re.IGNORECASE)), "")
