"""The same measurements on another commit, so that a change can be held against what it changed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kdgat.errors import KdgatError
from kdgat.paths import REPO


def values(commit: str, options: Sequence[str]) -> dict[str, float]:
    """Values of `python -m benchmarks` by name, as `commit` measures them, in a checkout that goes again.

    Raises:
        KdgatError: no such commit, or its benchmarks fail.
    """
    from kdgat import records

    with tempfile.TemporaryDirectory() as name:
        checkout, work = Path(name) / "checkout", Path(name) / "work"
        git = ["git", "-C", str(REPO), "worktree"]
        added = subprocess.run(
            [*git, "add", "--detach", str(checkout), commit], capture_output=True, text=True, check=False
        )
        if added.returncode:
            raise KdgatError(f"no checkout of {commit}: {added.stderr.strip().splitlines()[-1]}")
        try:
            own = {"KDGAT_WORK": str(work), "PYTHONPATH": str(checkout)}
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks", *options], cwd=checkout, env=os.environ | own, check=False
            )
            if done.returncode:
                raise KdgatError(f"the benchmarks of {commit} ended with {done.returncode}")
            table = records.load({"benchmarks": (work / "benchmarks.arrow").read_bytes()})["benchmarks"]
        finally:
            subprocess.run([*git, "remove", "--force", str(checkout)], check=True)
    return {row["name"]: row["value"] for row in table.to_pylist()}
