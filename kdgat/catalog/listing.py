"""`kdgat catalog`: what is on disk, what is missing, whether it is what it should be."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdgat.captures.reader import CaptureReader
from kdgat.catalog import datasets
from kdgat.errors import CaptureError
from kdgat.paths import REPO


@dataclass(frozen=True)
class Listed:
    """One capture on disk.

    Attributes:
        frames, injected: counted in the file; up to the first bad row if there is one.
        checked: whether the catalog knows what the file must hold.
        problems: what is not as it should be.
    """

    capture: datasets.Capture
    frames: int
    injected: int
    checked: bool
    problems: list[str]

    def line(self) -> str:
        """The capture as a line of the list."""
        notes = self.problems or (["as expected"] if self.checked else [])
        if self.capture.duplicate_of:
            notes = [*notes, f"copy of {self.capture.duplicate_of}"]
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
            **{"frames": self.frames, "injected": self.injected, "problems": self.problems},
        }


def listed(dataset: str, root: Path | None) -> list[Listed]:
    """Count every capture of a dataset and hold it against the catalog."""
    expected = datasets.entries()[dataset].get("expected", {})
    captures = datasets.captures(dataset, root)
    with ThreadPoolExecutor() as pool:
        counts = list(pool.map(_count, captures))
    rows = []
    for capture, (frames, injected, trouble) in zip(captures, counts, strict=True):
        want = expected.get(capture.name, {})
        have = {"frames": frames, "injected": injected, "sha256": capture.sha256}
        wrong = [f"{key} {have[key]}, not {value}" for key, value in want.items() if have[key] != value]
        rows.append(Listed(capture, frames, injected, bool(want), [trouble] if trouble else wrong))
    return rows


def absent(dataset: str, rows: list[Listed]) -> list[str]:
    """Names of captures that the catalog expects beside those on disk, in the layout that these have."""
    expected = datasets.entries()[dataset].get("expected", {})
    raw = {name for name in expected if "/" not in name}
    layout = raw if any("/" not in r.capture.name for r in rows) else expected.keys() - raw
    return sorted(layout - {r.capture.name for r in rows})


def listing(root: Path | None, *, as_json: bool = False) -> int:
    """Print every dataset with what is on disk; 1 if counts, checksums or rows are not as they should be."""
    folder = os.pathsep.join(map(str, datasets.root_folders(root)))
    if as_json:
        found = {name: listed(name, root) if datasets.files(name, root) else [] for name in datasets.entries()}
        document = {
            name: {
                "title": entry["title"],
                "captures": [r.record() for r in found[name]],
                "absent": absent(name, found[name]),
            }
            for name, entry in datasets.entries().items()
        }
        print(json.dumps({"folder": folder, "datasets": document}, indent=1, ensure_ascii=False))
        return 1 if any(r.problems for rows in found.values() for r in rows) else 0
    print(f"captures below {folder}")
    problems: list[str] = []
    places: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for dataset, entry in datasets.entries().items():
        print(f"\n{dataset}: {entry['title']}")
        if not datasets.files(dataset, root):
            print(f"  missing. `python -m kdgat.catalog fetch {dataset}`{_own_remote(entry['folder'])}, or by hand:")
            print(datasets.by_hand(dataset, root))
            continue
        rows = listed(dataset, root)
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
    print("\nsynthetic: built in, needs no files")
    for problem in problems:
        print(f"not as expected: {problem}")
    return 1 if problems else 0


def _own_remote(folder: str) -> str:
    """The command that gets it from a lab's own DVC remote, where its hashes are known."""
    file = f"data/raw/{folder}.dvc"
    return f", `dvc pull {file}` where you have a remote" if (REPO / file).is_file() else ""


def _count(capture: datasets.Capture) -> tuple[int, int, str]:
    """Frames, injected frames and what is wrong with the file; bad rows are counted, not set aside."""
    assert capture.path is not None
    frames = injected = 0
    try:
        for block in CaptureReader(capture.path):
            frames += len(block)
            injected += int(block.label.sum())
    except CaptureError as error:
        return frames, injected, f"line {error.line}: {error.reason}" if error.line else error.reason
    return frames, injected, ""


def _shared(places: dict[str, list[tuple[str, str, str]]]) -> None:
    """Print the captures that stand in more than one dataset."""
    shared = [where for where in places.values() if len(where) > 1]
    crossing = [where for where in shared if len({split == "train" for _, split, _ in where}) > 1]
    if shared:
        print(f"\n{len(shared)} captures stand in more than one dataset, {len(crossing)} of them in train and in test:")
    for where in shared:
        print("  " + " = ".join(f"{dataset}/{name}" for dataset, _, name in where))
