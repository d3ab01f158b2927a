"""What a manifest says about the origin of its rows, gathered from the `runs` and `datasets` tables and from git."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pyarrow as pa

from kdgat.paths import REPO


def git_tree(commit: str, folder: str) -> str:
    """Id of the git tree of `folder` at `commit`; empty where the repository does not hold it."""
    if not commit or not all(c in "0123456789abcdef" for c in commit):
        return ""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "--quiet", f"{commit}:{folder}"], cwd=REPO, capture_output=True, text=True
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def distinct(table: pa.Table, column: str) -> list[Any]:
    """List the values of a column once each, sorted."""
    return sorted(set(table[column].to_pylist()))


def data_kind(runs: pa.Table) -> str:
    """`real`, `synthetic`, or `mixed` if both stand in the release."""
    kinds = distinct(runs, "data_kind")
    return kinds[0] if len(kinds) == 1 else "mixed"


def describe(tables: dict[str, pa.Table]) -> dict[str, Any]:
    """The manifest's fields that follow from the rows (no clock, no host of the freeze: same runs, same bytes)."""
    runs = tables["runs"]
    rows = runs.to_pylist()
    data: dict[str, Any] = {}
    for row in rows:
        entry = data.setdefault(row["dataset"], {"data_hashes": set(), "data_kind": row["data_kind"], "captures": {}})
        entry["data_hashes"].add(row["data_hash"])
    for row in tables["datasets"].to_pylist() if "datasets" in tables else []:
        if row["dataset"] in data:
            data[row["dataset"]]["captures"][row["capture"]] = row["sha256"]
    for entry in data.values():
        entry["data_hashes"] = sorted(entry["data_hashes"])
    commits = distinct(runs, "commit")
    return {
        "data_kind": data_kind(runs),
        "datasets": data,
        "flow_runs": distinct(runs, "flow_run"),
        "runs": distinct(runs, "run"),
        "seeds": distinct(runs, "seed"),
        "presets": distinct(runs, "preset"),
        "configurations": {row["config_hash"]: json.loads(row["config"]) for row in rows},
        "code": {
            "commits": commits,
            "dirty": any(row["dirty"] for row in rows),
            "trees": {c: {folder: git_tree(c, folder) for folder in ("kdgat", "flows")} for c in commits},
            "code_hashes": distinct(runs, "code_hash"),
            "lock_hashes": distinct(runs, "lock_hash"),
        },
        "machines": distinct(runs, "machine"),
        "metrics": distinct(tables["metrics"], "metric") if "metrics" in tables else [],
        "intervals": sorted(
            {m for t in ("summary", "ablations", "differences") if t in tables for m in distinct(tables[t], "interval")}
            - {None}
        ),
        "writer": {"pyarrow": pa.__version__},
    }
