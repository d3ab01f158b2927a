"""`kdgat freeze --run <id>|--latest --release <name>`: runs → an immutable release.

Nothing is computed here: tables of the runs are concatenated, validated, checked against each other and written once.
The same runs give the same bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.checks import cross_sums, signature
from analysis.releases.assemble import concatenate, standing
from analysis.releases.files import files_of
from analysis.releases.index import index
from analysis.releases.manifest import describe, distinct
from analysis.releases.plausible import FORMAT, NAME, NAMED, check_manifest
from analysis.releases.release import LOCAL, Release, frozen_root, names
from kdgat import atomic, records, terminal
from kdgat.errors import KdgatError
from kdgat.front_door import start
from kdgat.provenance import sha256


class FreezeError(KdgatError):
    """Runs that may not become a release, and what would allow it."""


@dataclass(frozen=True)
class Policy:
    """What a release may hold; the defaults are those of a release that a paper shows."""

    allow_dirty: bool = False
    allow_synthetic: bool = False
    mixed_commits: str | None = None
    min_seeds: int = 1


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
    for r in runs:
        if r["slurm_job"] is not None and None in (r["slurm_node"], r["slurm_allocation"], r["log_hash"]):
            raise FreezeError(
                f"{r['run']} ran as SLURM job {r['slurm_job']}, but its node, allocation or log is missing"
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
    extended: Release | None = None,
) -> tuple[dict[str, bytes], bytes]:
    """Files of a release (relative path → bytes) and its manifest's bytes; `extended` is the one whose rows are among its own."""
    if not NAME.fullmatch(name):
        raise FreezeError(f"{name!r} cannot name a release: {NAMED}")
    check_policy(tables, policy)
    if problems := cross_sums.cross_sums(tables):
        raise FreezeError(f"the tables contradict each other: {problems[0]} ({len(problems)} mismatches)")
    files: dict[str, bytes] = {}
    entries: dict[str, Any] = {}
    for table_name in sorted(tables):
        valid = records.validate(table_name, tables[table_name])
        parts, entries[table_name] = files_of(table_name, valid)
        files |= parts
    for path, data in weights.items():
        files[f"weights/{path}"] = data
    manifest = describe(dict(tables)) | {
        "format": FORMAT,
        "name": name,
        "tables": entries,
        "weights": {f"weights/{p}": {"bytes": len(d), "sha256": sha256(d)} for p, d in sorted(weights.items())},
        "mixed_commits_reason": policy.mixed_commits if len(distinct(tables["runs"], "commit")) > 1 else None,
    }
    if extended:
        manifest["extends"] = {"release": extended.name, "manifest_sha256": extended.manifest_sha256}
    check_manifest(name, manifest)  # what could not be read again is not written
    return files, (json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def freeze(
    name: str,
    tables: Mapping[str, pa.Table],
    weights: Mapping[str, bytes],
    policy: Policy | None = None,
    *,
    extended: Release | None = None,
    root: Path | None = None,
    current: bool = False,
) -> Release:
    """Write the release `name`, list it in the index and, if `current`, make it the one that is shown.

    Freezing the same runs again under the same name changes nothing and finishes what an interrupted freeze left open
    (index, pointer). Raises `FreezeError` if another release has the name.
    """
    files, manifest = build(name, tables, weights, policy or Policy(), extended)
    return place(root or frozen_root(), name, files, manifest, current=current)


def check_extended(name: str, extended: Release, root: Path) -> None:
    """Refuse a release to add to that is not what was frozen, or that `name` could not be held against; raises `KdgatError`."""
    if extended.path.parent.resolve() != root.resolve():
        raise FreezeError(f"{extended.path} does not lie in {root}: only a release there is extended")
    if extended.name.startswith(LOCAL) and not name.startswith(LOCAL):
        raise FreezeError(f"{extended.name} is local and never published, so {name!r} cannot extend it")
    for table, entry in extended.manifest["tables"].items():
        lacking = [c.name for c in records.schema(table).columns if not c.nullable and c.name not in entry["columns"]]
        if lacking:
            raise FreezeError(
                f"{extended.name} is of an older form, without {table}.{lacking[0]}: it cannot be extended"
            )
    extended.check_hashes()


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


def weights_of_both(extended: Release, weights: Mapping[str, bytes]) -> dict[str, bytes]:
    """Files of weights of a release and of runs; raises `FreezeError` where they differ in one."""
    held = {file.removeprefix("weights/"): extended.weight(file) for file in extended.manifest["weights"]}
    if twice := [file for file in held.keys() & weights.keys() if held[file] != weights[file]]:
        raise FreezeError(f"{extended.name} holds other weights {min(twice)}")
    return {**held, **weights}


def with_logs(rows: pa.Table, hashes: Mapping[str, str]) -> pa.Table:
    """The table `runs` with the hash of each run's log, run → sha256; the others keep what they have."""
    column = pa.array([hashes.get(r["run"], r["log_hash"]) for r in rows.to_pylist()], pa.string())
    number = rows.schema.get_field_index("log_hash")
    return rows.set_column(number, rows.schema.field(number), column)


def all_readings(tables: Mapping[str, pa.Table], root: Path) -> dict[str, pa.Table]:
    """The table `readings` with those that committed releases name of the same datasets: another work folder made them.

    None is later than the last one of the runs, so that freezing them again gives the same table.
    """
    own = tables.get("readings")
    if own is None or not own.num_rows:
        return {}
    datasets, last = pa.array(set(own["dataset"].to_pylist())), pc.max(own["time"])
    parts = [own]
    for release in (Release(root / name) for name in names(root) if not name.startswith(LOCAL)):
        readings = release.table("readings")
        same = pc.and_(pc.is_in(readings["dataset"], datasets), pc.less_equal(readings["time"], last))
        parts.append(readings.filter(same).cast(own.schema))
    return {"readings": concatenate([{"readings": part} for part in parts])["readings"]}


@dataclass(frozen=True)
class Selection:
    """Which runs are frozen: exactly one of `ids`, `latest` and `tag` says it.

    Attributes:
        ids: Metaflow runs, `<id>` or `<flow>/<id>`.
        latest: the newest finished run of the flow.
        tag: all finished runs with this Metaflow tag.
        best: of these runs, the one whose headline model has the lowest validation loss.
    """

    ids: Sequence[str] = ()
    latest: bool = False
    tag: str | None = None
    best: bool = False


def run(
    selection: Selection,
    *,
    name: str | None = None,
    extend: str | None = None,
    policy: Policy | None = None,
    benchmarks: Path | None = None,
    current: bool = False,
) -> int:
    """Freeze runs of the flow and print the tables of the new release; return the exit code 0.

    Args:
        selection: which runs.
        name: of the release; default `local-<run id>`.
        extend: name of a release whose rows and weights the new one holds too, but for ablations that the runs repeat
            with more seeds.
        policy: what the release may hold.
        benchmarks: file of rows that `python -m benchmarks` kept.
        current: show this release from now on.

    Raises:
        FreezeError: no selection or several, no such run, or runs that may not become a release.
    """
    if sum((bool(selection.ids), selection.latest, bool(selection.tag))) != 1:
        raise FreezeError("which runs? one of --run ID, --latest, --tag TAG")
    from analysis.checks import tracker  # Metaflow and W&B: only the extra `train` has them
    from analysis.releases import runs
    from kdgat.runtime import work_folder

    ids = list(selection.ids) or None
    selected = runs.select(ids, latest=selection.latest, tag=selection.tag, best=selection.best)
    parts, weights = runs.read(selected)
    tables = concatenate(parts)
    for warning in tracker.check(tables, work_folder()):
        terminal.warning(warning)
    name = name or LOCAL + "-".join(r.id for r in selected)
    extended = Release.open(extend) if extend is not None else None
    if extended:
        check_extended(name, extended, frozen_root())
        tables = concatenate([standing(extended.contents(), tables), tables])
        weights = weights_of_both(extended, weights)
    tables |= measured(benchmarks)
    tables |= all_readings(tables, frozen_root())
    tables["runs"] = with_logs(tables["runs"], runs.log_hashes(tables["runs"].to_pylist()))
    release = freeze(name, tables, weights, policy, extended=extended, current=current)
    for table, entry in release.manifest["tables"].items():
        size = sum(file["bytes"] for file in entry.get("parts", [entry]))
        print(f"{table:18} {entry['rows']:8,} rows {size:10,} bytes")
    print(f"frozen: {release.path} ({release.data_kind}), manifest sha256 {release.manifest_sha256}")
    return 0


def sign(name: str, key: Path) -> int:
    """Sign a release on disk whose own hashes hold, and print where the signature lies; return the exit code 0.

    Raises:
        KdgatError: no such release, a changed one, or a key that cannot sign.
    """
    release = Release.open(name)
    release.check_hashes()
    print(f"signed: {signature.sign(release, key)}")
    return 0


if __name__ == "__main__":
    start("freeze")
