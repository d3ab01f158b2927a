"""The datasets: which captures they consist of, where they lie on disk, which of them are copies of each other.

`data/catalog.toml` describes the datasets. `kdgat catalog` lists and checks what is on disk,
`kdgat catalog fetch NAME` downloads a dataset.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from io import FileIO
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from kdgat.captures.attack_intervals import SUFFIX as INTERVALS
from kdgat.captures.attack_intervals import labelled
from kdgat.captures.quarantine import SUFFIX as QUARANTINE
from kdgat.captures.reader import OnBadRows, read
from kdgat.captures.source import open_stream, read_some
from kdgat.errors import KdgatError
from kdgat.paths import REPO


@dataclass(frozen=True)
class Capture:
    """One recording.

    Attributes:
        dataset: name in the catalog.
        name: path relative to the dataset's folder.
        vehicle, attack: what was driven and what was injected (`benign` for an attack-free capture).
        split: `train` or the test scenario: `test_01` …, in a union of datasets `set_01-test_01` ….
        path: the file; None for generated frames, which stand in `table`.
        sha256: hash of the file's bytes (and of the labels beside it), or of the generated frames.
        data_kind: `real` or `synthetic`.
        duplicate_of: name of the capture of this dataset with the same content that is used instead, empty if none.
            In a union, a recording with forged frames added has the same content as the recording.
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

        Attacks that no frame tells of are labelled by the intervals beside the file (`kdgat.captures.attack_intervals`).
        """
        if self.table is not None:
            return self.table
        assert self.path is not None
        return labelled(read(self.path, on_bad_rows=on_bad_rows), self.path)


@cache
def _catalog() -> dict[str, dict[str, Any]]:
    """`data/catalog.toml`: name → its entry."""
    return tomllib.loads((REPO / "data" / "catalog.toml").read_text(encoding="utf-8"))


def entries() -> dict[str, dict[str, Any]]:
    """Select the entries of `data/catalog.toml` that have files of their own: dataset name → its entry."""
    return {name: entry for name, entry in _catalog().items() if "members" not in entry}


def unions() -> dict[str, dict[str, Any]]:
    """Select the entries that join datasets: name → its entry."""
    return {name: entry for name, entry in _catalog().items() if "members" in entry}


def members(dataset: str) -> tuple[str, ...]:
    """Datasets of the catalog that `dataset` has its files from; none for the synthetic one."""
    if dataset in unions():
        return tuple(unions()[dataset]["members"])
    return (dataset,) if dataset in entries() else ()


def names() -> tuple[str, ...]:
    """Names of all datasets, the synthetic one last."""
    return (*entries(), *unions(), "synthetic")


def root_folders(root: Path | None = None) -> list[Path]:
    """List the folders in which captures are looked for: those of `root`, else of $KDGAT_DATA, else `data/raw`.

    Several folders are separated by `:`, as in a PATH. What their datasets hold is merged by relative path.
    """
    text = str(root) if root is not None else os.environ.get("KDGAT_DATA", "")
    if not text:
        return [REPO / "data" / "raw"]
    folders = {Path(part).resolve(): Path(part) for part in text.split(os.pathsep) if part}  # each once
    if not folders:
        raise KdgatError(f"{text!r} names no folder of captures")
    return list(folders.values())


def root_folder(root: Path | None = None) -> Path:
    """Return the first of `root_folders`: where a download goes."""
    return root_folders(root)[0]


def absolute_root(given: str | Path | None) -> Path | None:
    """Make the folders of captures that are given absolute, else those of $KDGAT_DATA; None where neither names any.

    Raises:
        KdgatError: one of them is not there.
    """
    text = str(given or os.environ.get("KDGAT_DATA", ""))
    folders = [folder.resolve() for folder in root_folders(Path(text))] if text else []
    if absent := next((folder for folder in folders if not folder.is_dir()), None):
        raise KdgatError(f"no folder {absent}{_several(text)}")
    return Path(os.pathsep.join(map(str, folders))) if folders else None


def _several(text: str) -> str:
    """Say what a separator does, where there is one: a folder may have it in its name."""
    if os.pathsep not in text:
        return ""
    return (
        f" in {text!r}: `{os.pathsep}` separates folders, so that one with `{os.pathsep}` in its name cannot be listed"
    )


def captures(dataset: str, root: Path | None = None, *, train_only: bool = False) -> list[Capture]:
    """The captures of `dataset` on disk, training first, then by name; copies are kept, marked by `duplicate_of`.

    Training captures come first in that comparison, so of two twins the one in `train` is the one that stays. A member of
    a union that is not on disk, or has no training captures, is no error as long as another has some.

    Args:
        dataset: name in the catalog.
        root: folders of captures; None: $KDGAT_DATA, else data/raw.
        train_only: list and open the training captures alone.

    Raises:
        KdgatError: unknown dataset, or its folder or captures are missing.
    """
    if dataset in unions():
        return list(_union(dataset, root, train_only))
    listed = {name: p for name, p in _listed(dataset, root).items() if not train_only or p[0][1] == "train"}
    for (_, _, kept), *others in listed.values():
        if other := next((path for _, _, path in others if not filecmp.cmp(kept, path, shallow=False)), None):
            raise KdgatError(f"{other} and {kept} are one capture by their names, with different content")
    sources = [places[0] for places in listed.values()]
    if not sources and not (train_only and _listed(dataset, root)):
        folders = [folder / entries()[dataset]["folder"] for folder in root_folders(root)]
        missing = " or ".join(f"no captures in {f}" if f.is_dir() else f"no folder {f}" for f in folders)
        missing += _several(str(root or os.environ.get("KDGAT_DATA", "")))
        raise KdgatError(f"dataset {dataset}: {missing} (`kdgat catalog` says where to get it)")
    entry = entries()[dataset]
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(hashes, (path for _, _, path in sources)))
    first: dict[str, str] = {}
    out = []
    for (name, split, path), (digest, content) in zip(sources, digests, strict=True):
        original = first.setdefault(content, name)
        out.append(
            Capture(
                dataset=dataset,
                name=name,
                vehicle=first_match(entry["vehicles"], name) or "unknown",
                attack=first_match(entry["attacks"], name) or kind(path),
                split=split,
                path=path,
                sha256=digest,
                data_kind="real",
                duplicate_of="" if original == name else original,
            )
        )
    return out


def _union(dataset: str, root: Path | None, train_only: bool) -> Iterator[Capture]:
    """Captures of the members under the union's names, training first, without the training of vehicles left out."""
    union = []
    for member in members(dataset):
        for c in captures(member, root, train_only=train_only) if files(member, root) else []:
            split, left_out = c.split, unions()[dataset].get("left_out", ())
            if c.split == "train" and c.vehicle in left_out:
                if train_only or not re.search(unions()[dataset]["tests"], c.name):
                    continue
                split = "left_out"
            elif c.split != "train" and left_out and c.vehicle not in left_out:
                continue
            split = split if split == "train" else f"{member}-{split}"
            twin = f"{member}/{c.duplicate_of}" if c.duplicate_of else ""
            union.append(replace(c, dataset=dataset, name=f"{member}/{c.name}", split=split, duplicate_of=twin))
    if not any(c.split == "train" for c in union):
        raise KdgatError(
            f"dataset {dataset}: no training captures of {', '.join(members(dataset))} in "
            f"{os.pathsep.join(map(str, root_folders(root)))} (`kdgat catalog` says where to get them)"
        )
    there = {c.name for c in union}
    first: dict[str, str] = {}
    for c in sorted(union, key=lambda c: c.split != "train"):
        twin = c.duplicate_of if c.duplicate_of in there else ""  # else what it is a copy of was left out
        original = first.setdefault(c.sha256, twin or c.name)
        yield replace(c, duplicate_of="" if original == c.name else original)


def files(dataset: str, root: Path | None = None) -> list[tuple[str, str, Path]]:
    """List (name, split, path) of each capture of a real dataset on disk, training first, then by name; open none.

    Of a capture that two folders hold, the first counts. Raises `KdgatError` for an unknown dataset.
    """
    return [places[0] for places in _listed(dataset, root).values()]


def _listed(dataset: str, root: Path | None) -> dict[str, list[tuple[str, str, Path]]]:
    """Name of a capture → (name, split, path) in each folder that holds it; in the order of `files`."""
    if dataset in names() and dataset not in entries():
        raise KdgatError(f"dataset {dataset} has no files of its own; these have: {', '.join(entries())}")
    if dataset not in entries():
        raise KdgatError(f"no dataset is called {dataset!r}; known: {', '.join(names())}")
    entry = entries()[dataset]
    places: dict[str, list[tuple[str, str, Path]]] = {}
    for top in root_folders(root):
        folder = top / entry["folder"]
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            if path.name.startswith(".") or path.name.endswith((QUARANTINE, INTERVALS, ".part")) or not path.is_file():
                continue
            if not (split := first_match(entry["splits"], name)):
                continue
            places.setdefault(name, []).append((name, split, path))
    return dict(sorted(places.items(), key=lambda item: (item[1][0][1] != "train", item[0])))


def hashes(path: Path) -> tuple[str, str]:
    """sha256 of the file's bytes and of its content: unpacked, every line ending in LF, so that a copy with CRLF has the same.

    Where a file of intervals lies beside it, both are hashed with that file: it holds labels, and other labels are other data.
    """
    side = path.with_name(path.name + INTERVALS)
    own = _hashes(path)
    if not side.is_file():
        return own
    labels = _hashes(side)[0]
    first, second = (hashlib.sha256(f"{digest} {labels}".encode()).hexdigest() for digest in own)
    return first, second


def _hashes(path: Path) -> tuple[str, str]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with open_stream(path) as stream:
        if isinstance(stream, FileIO) and not any(b"\r" in block for block in _blocks(path, stream)):
            return digest, digest  # there is nothing to unpack or to replace
    content, cut = hashlib.sha256(), b""
    with open_stream(path) as stream:
        for read in _blocks(path, stream):
            block = cut + read
            cut = b"\r" if block.endswith(b"\r") else b""  # its LF may come with the next block
            content.update(block.removesuffix(cut).replace(b"\r\n", b"\n"))
    content.update(cut)
    return digest, content.hexdigest()


def _blocks(path: Path, stream: IO[bytes]) -> Iterator[bytes]:
    """What a stream of `path` holds, a mebibyte at a time."""
    buffer = memoryview(bytearray(1 << 20))
    while n := read_some(path, stream, buffer):
        yield bytes(buffer[:n])


def first_match(rules: list[list[str]], name: str) -> str:
    """Value of the first (pattern, value) rule that fits a capture's name, empty if none does."""
    for pattern, value in rules:
        if match := re.search(pattern, name, re.IGNORECASE):
            return match.expand(value)
    return ""


def kind(path: Path) -> str:
    """Attack kind that a file's name says: `untargeted_payload_fuzzing-1.csv` → `untargeted-payload-fuzzing`."""
    stem = path.name.split(".")[0]
    return re.sub(r"-\d+$", "", stem).lower().replace("_", "-")


def by_hand(dataset: str, root: Path | None) -> str:
    """What to download and where to put it."""
    entry = entries()[dataset]
    repository, folder = entry["bitbucket"]
    return (
        f"    {entry['page']} or https://bitbucket.org/{repository}/src/master/{folder}/\n"
        f"    put its files with their folders into {root_folder(root) / entry['folder']}\n"
        f"    {entry['licence']}; cite: {entry['citation']}"
    )
