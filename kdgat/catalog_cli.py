"""`python -m kdgat.catalog [fetch NAME]`: what is on disk, what is missing, whether it is what it should be."""

from __future__ import annotations

import argparse
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kdgat import catalog
from kdgat.captures import CaptureReader
from kdgat.errors import CaptureError
from kdgat.store import REPO


def main() -> int:
    """List or fetch; 1 if something on disk is not as the catalog says."""
    parser = argparse.ArgumentParser(prog="python -m kdgat.catalog", description=__doc__)
    parser.add_argument("--root", type=Path, help="folder of the datasets, default: $KDGAT_DATA or data/raw")
    commands = parser.add_subparsers(dest="command")
    fetch = commands.add_parser("fetch", help="download a dataset")
    fetch.add_argument("name", choices=list(catalog.entries()))
    options = parser.parse_args()
    if options.command == "fetch":
        from kdgat import download

        download.fetch(options.name, options.root)
        return 0
    return listing(options.root)


def listing(root: Path | None) -> int:
    """Print every dataset with what is on disk; 1 if counts, checksums or rows are not as they should be."""
    print(f"captures below {catalog.root_folder(root)}")
    troubles: list[str] = []
    places: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for dataset, entry in catalog.entries().items():
        print(f"\n{dataset}: {entry['title']}")
        expected = entry.get("expected", {})
        if not catalog.files(dataset, root):
            print(f"  missing. `python -m kdgat.catalog fetch {dataset}`{_own_remote(entry['folder'])}, or by hand:")
            print(by_hand(dataset, root))
            continue
        captures = catalog.captures(dataset, root)
        with ThreadPoolExecutor() as pool:
            counts = list(pool.map(_count, captures))
        for capture, (frames, injected, trouble) in zip(captures, counts, strict=True):
            want = expected.get(capture.name, {})
            found = {"frames": frames, "injected": injected, "sha256": capture.sha256}
            wrong = [f"{key} {found[key]}, not {value}" for key, value in want.items() if found[key] != value]
            if trouble or wrong:
                troubles.append(f"{dataset}/{capture.name}: {trouble or '; '.join(wrong)}")
            notes = [trouble] if trouble else wrong or (["as expected"] if want else [])
            notes += [f"copy of {capture.duplicate_of}"] if capture.duplicate_of else []
            print(
                f"  {capture.split:8} {capture.vehicle:12} {capture.attack:12} {frames:>10,} frames {injected:>9,} injected"
                f"  {capture.name}" + (f"  ({'; '.join(notes)})" if notes else "")
            )
            if not capture.duplicate_of:
                places[capture.sha256].append((dataset, capture.split, capture.name))
        total = [sum(column) for column in list(zip(*counts, strict=True))[:2]]
        print(f"  {len(captures)} captures, {total[0]:,} frames, {total[1]:,} injected")
        raw = {name for name in expected if "/" not in name}
        layout = raw if any("/" not in c.name for c in captures) else expected.keys() - raw
        for name in sorted(layout - {c.name for c in captures}):
            print(f"  not there: {name}")
    _shared(places)
    print("\nsynthetic: built in, needs no files")
    for trouble in troubles:
        print(f"not as expected: {trouble}")
    return 1 if troubles else 0


def by_hand(dataset: str, root: Path | None) -> str:
    """What to download and where to put it."""
    entry = catalog.entries()[dataset]
    repository, folder = entry["bitbucket"]
    return (
        f"    {entry['page']} or https://bitbucket.org/{repository}/src/master/{folder}/\n"
        f"    put its files with their folders into {catalog.root_folder(root) / entry['folder']}\n"
        f"    {entry['licence']}; cite: {entry['citation']}"
    )


def _own_remote(folder: str) -> str:
    """The command that gets it from a lab's own DVC remote, where its hashes are known."""
    file = f"data/raw/{folder}.dvc"
    return f", `dvc pull {file}` where you have a remote" if (REPO / file).is_file() else ""


def _count(capture: catalog.Capture) -> tuple[int, int, str]:
    """Frames, injected frames and what is wrong with the file; bad rows are counted, not set aside."""
    assert capture.path is not None
    frames = injected = 0
    try:
        for block in CaptureReader(capture.path):
            frames += len(block.t)
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
