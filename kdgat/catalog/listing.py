"""`kdgat catalog`: what is on disk, what is missing, whether it is what it should be."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kdgat.captures.reader import CaptureReader
from kdgat.catalog import datasets
from kdgat.catalog.contents import Training, identifiers, once
from kdgat.errors import CaptureError, KdgatError
from kdgat.paths import REPO


@dataclass(frozen=True)
class Listed:
    """One capture on disk.

    Attributes:
        frames, injected: counted in the file; up to the first bad row if there is one.
        checked: whether the catalog knows what the file must hold.
        problems: what is not as it should be.
        sent: identifiers of the car.
        notes: where its identifiers and the training captures tell another car or attack than its folder's name.
    """

    capture: datasets.Capture
    frames: int
    injected: int
    checked: bool
    problems: list[str]
    sent: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()

    def line(self) -> str:
        """The capture as a line of the list."""
        notes = self.problems or (["as expected"] if self.checked else [])
        if self.capture.duplicate_of:
            notes = [*notes, f"copy of {self.capture.duplicate_of}"]
        notes = [*notes, *self.notes]
        c = self.capture
        return (
            f"  {c.split:8} {c.vehicle:12} {c.attack:12} {self.frames:>10,} frames {self.injected:>9,} injected"
            f"  {c.name}" + (f"  ({'; '.join(notes)})" if notes else "")
        )

    def record(self) -> dict[str, Any]:
        """The capture as a program reads it."""
        c = self.capture
        return {
            **{"dataset": c.dataset, "name": c.name, "split": c.split, "vehicle": c.vehicle, "attack": c.attack},
            **{"sha256": c.sha256, "duplicate_of": c.duplicate_of or None},
            **{"frames": self.frames, "injected": self.injected, "problems": self.problems, "notes": list(self.notes)},
        }


def listed(dataset: str, root: Path | None) -> list[Listed]:
    """Count every capture of a dataset and hold it against the catalog; `listed_all` adds notes."""
    expected = datasets.entries()[dataset].get("expected", {})
    captures = datasets.captures(dataset, root)
    with ThreadPoolExecutor() as pool:
        counts = list(pool.map(_count, captures))
    rows = []
    for capture, (frames, injected, sent, trouble) in zip(captures, counts, strict=True):
        want = expected.get(capture.name, {})
        have = {"frames": frames, "injected": injected, "sha256": capture.sha256}
        wrong = [f"{key} {have[key]}, not {value}" for key, value in want.items() if have[key] != value]
        rows.append(Listed(capture, frames, injected, bool(want), [trouble] if trouble else wrong, sent))
    return rows


def listed_all(root: Path | None) -> dict[str, list[Listed]]:
    """List every dataset, with notes where identifiers and training captures tell otherwise than folders and catalog."""
    by_dataset = {name: listed(name, root) if datasets.files(name, root) else [] for name in datasets.entries()}

    def training(rows: Iterable[Listed]) -> Training:
        return Training.of((r.capture, r.sent) for r in rows if r.capture.split == "train")

    everything = training(r for rows in by_dataset.values() for r in rows)
    for name, rows in by_dataset.items():
        own = training(rows)
        by_dataset[name] = [replace(r, notes=tuple(_disagreements(r, own, everything))) for r in rows]
    return by_dataset


def _disagreements(row: Listed, training: Training, everything: Training) -> Iterator[str]:
    """Say where a capture's identifiers and the training captures belie its path or its catalog entry.

    Args:
        row: the capture.
        training: training captures of its dataset, which decide what is known.
        everything: those of all datasets, which name its car.
    """
    same = everything.cars(row.sent, "same")
    if same and row.capture.vehicle not in same:
        yield f"its identifiers are those of {' and '.join(same)}, not of {row.capture.vehicle}"
    if row.capture.split == "train" or not training.vehicles:
        return
    columns = training.columns(row.capture, row.sent)
    for what, by in (("vehicle", "identifiers"), ("attack", "training")):
        stated = datasets.first_match([[f"unknown_{what}", "unknown"], [f"known_{what}", "known"]], row.capture.name)
        verdict = "known" if columns[f"known_{what}"] else "unknown"
        if stated and stated != verdict:
            yield f"the folder says {stated} {what}, by {by} it is {verdict}"
    if columns["sisters"]:
        yield f"sister of {columns['sisters']} in training"


def absent(dataset: str, rows: list[Listed]) -> list[str]:
    """Names of captures that the catalog expects beside those on disk, in the layout that these have."""
    expected = datasets.entries()[dataset].get("expected", {})
    raw = {name for name in expected if "/" not in name}
    layout = raw if any("/" not in r.capture.name for r in rows) else expected.keys() - raw
    return sorted(layout - {r.capture.name for r in rows})


def listing(root: Path | None, *, as_json: bool = False) -> int:
    """Print every dataset with what is on disk; 1 if counts, checksums or rows are not as they should be.

    Raises:
        KdgatError: a folder that is named is not there.
    """
    datasets.absolute_root(root)
    folder = os.pathsep.join(map(str, datasets.root_folders(root)))
    by_dataset = listed_all(root)
    if as_json:
        document = {
            name: {
                "title": entry["title"],
                "captures": [r.record() for r in by_dataset[name]],
                "absent": absent(name, by_dataset[name]),
            }
            for name, entry in datasets.entries().items()
        }
        print(json.dumps({"folder": folder, "datasets": document}, indent=1, ensure_ascii=False))
        return 1 if any(r.problems for rows in by_dataset.values() for r in rows) else 0
    print(f"captures below {folder}")
    problems: list[str] = []
    places: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for dataset, entry in datasets.entries().items():
        print(f"\n{dataset}: {entry['title']}")
        rows = by_dataset[dataset]
        if not rows:
            print(f"  missing. `kdgat catalog fetch {dataset}`{_own_remote(entry['folder'])}, or by hand:")
            print(datasets.by_hand(dataset, root))
            continue
        for row in rows:
            print(row.line())
            c = row.capture
            if row.problems:
                problems.append(f"{dataset}/{c.name}: {'; '.join(row.problems)}")
            if not c.duplicate_of:
                places[c.sha256].append((dataset, c.split, c.name))
        frames, injected = sum(r.frames for r in rows), sum(r.injected for r in rows)
        print(f"  {len(rows)} captures, {frames:,} frames, {injected:,} injected")
        for name in absent(dataset, rows):
            print(f"  not there: {name}")
    _shared(places)
    for union, entry in datasets.unions().items():
        print(f"\n{union}: {entry['title']}")
        if "left_out" not in entry:  # the others have the same contents
            _joined(union, root)
    print("\nsynthetic: built in, needs no files")
    for problem in problems:
        print(f"not as expected: {problem}")
    return 1 if problems else 0


def _own_remote(folder: str) -> str:
    """The command that gets it from a lab's own DVC remote, where its hashes are known."""
    file = f"data/raw/{folder}.dvc"
    return f", `dvc pull {file}` where you have a remote" if (REPO / file).is_file() else ""


def _count(capture: datasets.Capture) -> tuple[int, int, frozenset[int], str]:
    """Frames, injected frames, the car's identifiers and what is wrong with the file; bad rows are counted, not set aside."""
    assert capture.path is not None
    frames = injected = 0
    benign: list[np.ndarray] = []
    trouble = ""
    try:
        for block in CaptureReader(capture.path):
            frames += len(block)
            injected += int(block.label.sum())
            benign.append(block.id[block.label == 0])
    except CaptureError as error:
        trouble = f"line {error.line}: {error.reason}" if error.line else error.reason
    return frames, injected, identifiers(np.concatenate([np.empty(0, np.uint32), *benign])), trouble


def _joined(union: str, root: Path | None) -> None:
    """Print what a union has of its members, and which captures have the content of others."""
    try:
        captures = datasets.captures(union, root)
        train, tests = ([c for c in captures if (c.split == "train") == training] for training in (True, False))
        train = once(train, [])
        marked = [*train, *once(tests, train)]  # reads all captures: whoever asks for the listing asks for that
    except KdgatError as error:
        print(f"  {error}")
        return
    cars = sorted({c.vehicle for c in train})
    print(f"  {len(train)} training captures ({', '.join(cars)}), {len(tests)} test captures")
    for c in marked:
        if c.duplicate_of:
            print(f"  {c.name} has the content of {c.duplicate_of} and does not count")


def _shared(places: dict[str, list[tuple[str, str, str]]]) -> None:
    """Print the captures that stand in more than one dataset."""
    shared = [where for where in places.values() if len(where) > 1]
    crossing = [where for where in shared if len({split == "train" for _, split, _ in where}) > 1]
    if shared:
        print(f"\n{len(shared)} captures stand in more than one dataset, {len(crossing)} of them in train and in test:")
    for where in shared:
        print("  " + " = ".join(f"{dataset}/{name}" for dataset, _, name in where))
