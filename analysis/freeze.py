"""`python -m analysis.freeze --run <id>|--latest --release <name>`: runs → an immutable release.

Nothing is computed here: tables of the runs are concatenated, validated, checked against each other and written once.
The same runs give the same bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis import checks, provenance
from analysis.release import FORMAT, NAME, Release, frozen_root, names, sha256
from kdgat import atomic, records
from kdgat.errors import KdgatError, cli

#: releases that `make reproduce` makes beside the published ones; ignored by git and left out of the index
LOCAL = "local-"


class FreezeError(KdgatError):
    """Runs that may not become a release, and what would allow it."""


@dataclass(frozen=True)
class Policy:
    """What a release may hold; the defaults are those of a release that a paper shows."""

    allow_dirty: bool = False
    allow_synthetic: bool = False
    mixed_commits: str | None = None
    min_seeds: int = 1


def concatenate(parts: Sequence[Mapping[str, pa.Table]]) -> dict[str, pa.Table]:
    """Tables of all tasks by name, one row a key.

    Rows that several tasks state alike (a dataset's counts, a model's parameters) are kept once; rows that share a key
    and differ are an error of the runs.
    """
    joined = {}
    for name in records.TABLES:
        pieces = [part[name] for part in parts if name in part and part[name].num_rows]
        if pieces:
            joined[name] = records.validate(name, _distinct_rows(pa.concat_tables(pieces)))
    unknown = {name for part in parts for name in part} - set(records.TABLES)
    if unknown:
        raise records.RecordError(f"no table is called {sorted(unknown)[0]!r}")
    return joined


def _distinct_rows(table: pa.Table) -> pa.Table:
    return table.group_by(table.column_names, use_threads=False).aggregate([]).cast(table.schema)


def check_policy(tables: Mapping[str, pa.Table], policy: Policy) -> None:
    """Refuse what a release may not hold; raises `FreezeError` naming the runs and the option that would allow it."""
    if "runs" not in tables or "summary" not in tables:
        raise FreezeError("the runs hold no results: no `runs` or no `summary` table (did the flow finish?)")
    runs = tables["runs"].to_pylist()
    dirty = [r["run"] for r in runs if r["dirty"]]
    if dirty and not policy.allow_dirty:
        raise FreezeError(
            f"{len(dirty)} runs came from a work tree with uncommitted changes, first {dirty[0]}: --allow-dirty"
        )
    synthetic = [r["run"] for r in runs if r["data_kind"] == "synthetic"]
    if synthetic and not policy.allow_synthetic:
        raise FreezeError(f"{len(synthetic)} runs used synthetic data, first {synthetic[0]}: --allow-synthetic")
    commits = sorted({r["commit"] for r in runs})
    if len(commits) > 1 and not policy.mixed_commits:
        raise FreezeError(
            f"runs of {len(commits)} commits ({', '.join(c[:10] for c in commits)}): --mixed-commits REASON"
        )
    for dataset in sorted({r["dataset"] for r in runs}):
        seeds = {r["seed"] for r in runs if r["dataset"] == dataset}
        if len(seeds) < policy.min_seeds:
            raise FreezeError(f"{dataset}: {len(seeds)} seeds, {policy.min_seeds} asked (--min-seeds)")


def build(
    name: str,
    tables: Mapping[str, pa.Table],
    weights: Mapping[str, bytes],
    policy: Policy,
) -> tuple[dict[str, bytes], bytes]:
    """Files of a release (relative path → bytes) and its manifest's bytes."""
    if not NAME.fullmatch(name):
        raise FreezeError(f"{name!r} cannot name a release: lower-case letters, digits, `.`, `_`, `-`")
    check_policy(tables, policy)
    if problems := checks.cross_sums(tables):
        raise FreezeError(f"the tables contradict each other: {problems[0]} ({len(problems)} contradictions)")
    files: dict[str, bytes] = {}
    entries: dict[str, Any] = {}
    for table_name in sorted(tables):
        made = records.validate(table_name, tables[table_name])
        data = files[f"{table_name}.parquet"] = records.parquet_bytes(table_name, made)
        entries[table_name] = {
            "rows": made.num_rows,
            "bytes": len(data),
            "sha256": sha256(data),
            "content_hash": records.content_hash(made),
            "columns": {c.name: str(c.type) for c in records.schema(table_name).columns},
        }
    for path, data in weights.items():
        files[f"weights/{path}"] = data
    manifest = provenance.describe(dict(tables)) | {
        "format": FORMAT,
        "name": name,
        "tables": entries,
        "weights": {f"weights/{p}": {"bytes": len(d), "sha256": sha256(d)} for p, d in sorted(weights.items())},
        "mixed_commits_reason": policy.mixed_commits
        if len(provenance._distinct(tables["runs"], "commit")) > 1
        else None,
    }
    return files, (json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def freeze(
    name: str,
    tables: Mapping[str, pa.Table],
    weights: Mapping[str, bytes],
    policy: Policy | None = None,
    *,
    root: Path | None = None,
    current: bool = False,
) -> Release:
    """Write the release `name`, list it in the index and, if `current`, make it the one that is shown.

    Freezing the same runs again under the same name changes nothing and finishes what an interrupted freeze left open
    (index, pointer). Raises `FreezeError` if another release has the name.
    """
    files, manifest = build(name, tables, weights, policy or Policy())
    return place(root or frozen_root(), name, files, manifest, current=current)


def place(root: Path, name: str, files: Mapping[str, bytes], manifest: bytes, *, current: bool) -> Release:
    """Write what `build` made; a process that dies here leaves every release whole and the new one absent or whole."""
    try:
        with locked(root):
            for stale in root.glob(".*.*"):  # of freezes that were killed: the lock says that none is running
                shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
            if (root / name).exists():
                if (root / name / "manifest.json").read_bytes() != manifest:
                    raise FreezeError(
                        f"release {name!r} exists with other content; releases are immutable: choose another name"
                    )
            else:
                _write(root / name, files, manifest)
            release = Release(root / name)
            release.check_hashes()
            _write_index(root)
            if current:
                atomic.write_text(root / "current", name + "\n")
    except OSError as error:
        reason = error.strerror or "it exists already"
        raise FreezeError(f"cannot write {root / name}: {reason}; no release was changed") from None
    return release


def _write(path: Path, files: Mapping[str, bytes], manifest: bytes) -> None:
    with atomic.new_directory(path) as folder:
        for file, data in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data)
        (folder / "manifest.json").write_bytes(manifest)


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """One writer at a time below `root`; the system frees the lock of a process that dies."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / ".lock", "a") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def index(root: Path) -> dict[str, Any]:
    """What `index.json` must say: every release on disk that is not local, with what identifies it."""
    listed = {}
    for name in names(root):
        if not name.startswith(LOCAL):
            release = Release(root / name)
            listed[name] = {
                "manifest_sha256": release.manifest_sha256,
                "data_kind": release.data_kind,
                "datasets": sorted(release.manifest["datasets"]),
                "commits": release.manifest["code"]["commits"],
            }
    return listed


def _write_index(root: Path) -> None:
    atomic.write_text(root / "index.json", json.dumps(index(root), indent=1, sort_keys=True) + "\n")


def measured(file: Path | None) -> dict[str, pa.Table]:
    """The table `benchmarks` that `python -m benchmarks` kept; raises `FreezeError` where it is none."""
    if file is None:
        return {}
    try:
        return records.load({"benchmarks": file.read_bytes()})
    except (OSError, pa.ArrowException) as error:
        raise FreezeError(f"{file} holds no benchmarks: {error}") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m analysis.freeze", description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--run", action="append", metavar="ID", help="Metaflow run, `<id>` or `<flow>/<id>`; may be repeated"
    )
    which.add_argument("--latest", action="store_true", help="the newest finished run of the flow")
    which.add_argument("--tag", help="all finished runs with this Metaflow tag")
    parser.add_argument(
        "--best", action="store_true", help="of these runs, the one whose headline model has the lowest validation loss"
    )
    parser.add_argument("--release", help=f"name of the release (default {LOCAL}<run id>)")
    parser.add_argument("--current", action="store_true", help="show this release from now on")
    parser.add_argument(
        "--allow-dirty", action="store_true", help="accept runs from a work tree with uncommitted changes"
    )
    parser.add_argument("--allow-synthetic", action="store_true", help="accept runs on synthetic data")
    parser.add_argument(
        "--mixed-commits", metavar="REASON", help="accept runs of several commits; the reason is recorded"
    )
    parser.add_argument("--min-seeds", type=int, default=1, metavar="N", help="refuse fewer seeds a dataset than N")
    parser.add_argument("--benchmarks", type=Path, metavar="FILE", help="rows that `make bench` kept")
    args = parser.parse_args(argv)

    from analysis import mirror, runs  # Metaflow and W&B: only the extra `train` has them
    from kdgat.store import work_folder

    selected = runs.select(args.run, latest=args.latest, tag=args.tag, best=args.best)
    parts, weights = runs.read(selected)
    tables = concatenate(parts) | measured(args.benchmarks)
    for warning in mirror.check(tables, work_folder()):
        print(f"warning: {warning}", file=sys.stderr)
    policy = Policy(args.allow_dirty, args.allow_synthetic, args.mixed_commits, args.min_seeds)
    name = args.release or LOCAL + "-".join(run.id for run in selected)
    release = freeze(name, tables, weights, policy, current=args.current)
    for table, entry in release.manifest["tables"].items():
        print(f"{table:18} {entry['rows']:8,} rows {entry['bytes']:10,} bytes")
    print(f"frozen: {release.path} ({release.data_kind}), manifest sha256 {release.manifest_sha256}")
    return 0


if __name__ == "__main__":
    cli(lambda: main(sys.argv[1:]))
