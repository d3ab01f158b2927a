"""The index of releases: what identifies each one that is published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.releases.release import LOCAL, Release, names


def index(root: Path) -> dict[str, Any]:
    """Return the right content of `index.json`: every release on disk that is not local, with what identifies it."""
    entries = {}
    for name in names(root):
        if not name.startswith(LOCAL):
            release = Release(root / name)
            entries[name] = {
                "manifest_sha256": release.manifest_sha256,
                "data_kind": release.data_kind,
                "datasets": sorted(release.manifest["datasets"]),
                "commits": release.manifest["code"]["commits"],
            }
    return entries
