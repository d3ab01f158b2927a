"""A release that extends another holds all of its rows, unchanged."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from analysis.releases.assemble import concatenate
from analysis.releases.release import Release
from kdgat.records import RecordError

#: of the machine of the freeze, not of the runs: measured anew for each release
_ANEW = "benchmarks"


def extension(release: Release, tables: Mapping[str, pa.Table]) -> list[str]:
    """List how a release contradicts the one that it extends, where that lies beside it; `tables` are its own."""
    extends = release.manifest.get("extends")
    if extends is None or not (release.path.parent / extends["release"]).is_dir():
        return []
    extended = Release(release.path.parent / extends["release"])
    if extended.manifest_sha256 != extends["manifest_sha256"]:
        return [f"it extends another release {extended.name} than the one beside it"]
    try:
        both = concatenate([extended.contents(), tables])
    except RecordError as error:
        return [f"it changes {extended.name}: {error}"]
    return [
        f"{name}: rows of {extended.name} are not among its own"
        for name in extended.tables
        if name != _ANEW and not (name in tables and both[name].equals(tables[name]))
    ]
