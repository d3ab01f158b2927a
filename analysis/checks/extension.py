"""A release that extends another holds its rows and weights unchanged, but for ablations that it has with more seeds."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from analysis.releases.assemble import concatenate, standing
from analysis.releases.release import Release
from kdgat.errors import KdgatError

#: of the machine of the freeze, not of the runs: measured anew for each release
_ANEW = "benchmarks"


def extension(release: Release, tables: Mapping[str, pa.Table]) -> list[str]:
    """List how a release contradicts the one that it extends, where that lies beside it; `tables` are its own."""
    extends = release.manifest.get("extends")
    if extends is None or absent(release):
        return []
    try:
        extended = Release(release.path.parent / extends["release"])
        if extended.manifest_sha256 != extends["manifest_sha256"]:
            return [f"it extends another release {extended.name} than the one beside it"]
        extended.check_hashes()
        held = {name: table for name, table in standing(extended.contents(), tables).items() if name != _ANEW}
    except KdgatError as error:
        return [f"what it extends cannot be compared: {error}"]
    try:
        both = concatenate([held, tables])
    except KdgatError as error:
        return [f"it changes {extended.name}: {error}"]
    weights = release.manifest["weights"]
    return [
        f"{name}: rows of {extended.name} are not among its own"
        for name in held
        if not (name in tables and both[name].equals(tables[name]))
    ] + [
        f"{file} is not that of {extended.name}"
        for file, entry in extended.manifest["weights"].items()
        if weights.get(file) != entry
    ]


def absent(release: Release) -> str:
    """Name of the release that this one extends, if it does not lie beside it; else nothing."""
    name = (release.manifest.get("extends") or {}).get("release", "")
    return "" if not name or (release.path.parent / name).is_dir() else name
