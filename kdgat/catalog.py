"""The datasets: which captures they consist of, where they lie on disk, which of them are copies of each other.

`data/catalog.toml` describes the datasets. `python -m kdgat.catalog` lists and checks what is on disk,
`python -m kdgat.catalog fetch NAME` downloads a dataset.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from io import FileIO
from pathlib import Path
from typing import Any

import pyarrow as pa

from kdgat.captures import read
from kdgat.captures.intervals import labelled
from kdgat.captures.reading import OnBadRows
from kdgat.captures.rows import SUFFIX
from kdgat.captures.source import open_stream, read_some
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

    def frames(self, on_bad_rows: OnBadRows = "raise") -> pa.Table:
        """The frame table (`kdgat.captures.FRAME_SCHEMA`); raises `CaptureError` (see `kdgat.captures.read`).

        Attacks that no frame tells of are labelled by the intervals beside the file (`kdgat.captures.intervals`).
        """
        if self.table is not None:
            return self.table
        assert self.path is not None
        return labelled(read(self.path, on_bad_rows=on_bad_rows), self.path)


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
    found = files(dataset, root)
    if not found:
        folder = root_folder(root) / entries()[dataset]["folder"]
        missing = f"no captures in {folder}" if folder.is_dir() else f"no folder {folder}"
        raise KdgatError(f"dataset {dataset}: {missing} (`python -m kdgat.catalog` says where to get it)")
    entry = entries()[dataset]
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(_hashes, (path for _, _, path in found)))
    first: dict[str, str] = {}
    made = []
    for (name, split, path), (digest, content) in zip(found, hashes, strict=True):
        original = first.setdefault(content, name)
        made.append(
            Capture(
                dataset=dataset,
                name=name,
                vehicle=first_match(entry["vehicles"], name) or "unknown",
                attack=first_match(entry["attacks"], name) or _kind(path),
                split=split,
                path=path,
                sha256=digest,
                data_kind="real",
                duplicate_of="" if original == name else original,
            )
        )
    return made


def test_captures(dataset: str, root: Path | None = None) -> list[Capture]:
    """The captures that are scored, each content once; raises as `captures` does."""
    return [c for c in captures(dataset, root) if c.split != "train" and not c.duplicate_of]


def files(dataset: str, root: Path | None = None) -> list[tuple[str, str, Path]]:
    """(name, split, path) of each capture of a real dataset on disk, training first, then by name.

    Raises:
        KdgatError: unknown dataset.
    """
    if dataset not in entries():
        raise KdgatError(f"no dataset is called {dataset!r}; known: {', '.join(names())}")
    entry = entries()[dataset]
    folder = root_folder(root) / entry["folder"]
    found = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith(".") or path.name.endswith((SUFFIX, ".part")) or not path.is_file():
            continue
        if split := first_match(entry["splits"], name):
            found.append((split != "train", name, split, path))
    return [(name, split, path) for _, name, split, path in sorted(found)]


def _hashes(path: Path) -> tuple[str, str]:
    """sha256 of the file's bytes and of its content, which differ for a compressed file."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with open_stream(path) as stream:
        if isinstance(stream, FileIO):
            return digest, digest
        content = hashlib.sha256()
        buffer = bytearray(1 << 20)
        while n := read_some(path, stream, memoryview(buffer)):
            content.update(buffer[:n])
    return digest, content.hexdigest()


def first_match(rules: list[list[str]], name: str) -> str:
    """Value of the first (pattern, value) rule that fits a capture's name, empty if none does."""
    for pattern, value in rules:
        if match := re.search(pattern, name, re.IGNORECASE):
            return match.expand(value)
    return ""


def _kind(path: Path) -> str:
    """Attack kind that a file's name says: `untargeted_payload_fuzzing-1.csv` → `untargeted-payload-fuzzing`."""
    stem = path.name.split(".")[0]
    return re.sub(r"-\d+$", "", stem).lower().replace("_", "-")


if __name__ == "__main__":
    from kdgat.catalog_cli import main
    from kdgat.errors import cli

    cli(main)
