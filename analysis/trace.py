"""`python -m analysis.trace KEY`: from a number back to its rows, runs, code, configuration and data."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analysis.numbers import Number, Numbers
from analysis.release import Release
from kdgat.errors import KdgatError, cli


def document(numbers: Numbers, keys: Iterable[str]) -> dict[str, Any]:
    """What `trace.json` holds: shared facts once (release, runs), and for every key what leads to them."""
    made = {key: entry(numbers, numbers[key]) for key in keys}
    used = {run for e in made.values() for run in e["runs"]}
    release = numbers.release
    return {
        "release": release.name,
        "manifest_sha256": release.manifest_sha256,
        "data_kind": release.data_kind,
        "runs": {r["run"]: run_facts(release, r) for r in release.table("runs").to_pylist() if r["run"] in used},
        "numbers": made,
    }


def entry(numbers: Numbers, number: Number) -> dict[str, Any]:
    """One number's trace, without what its runs state."""
    return {
        "text": number.text,
        "value": number.value,
        "low": number.low,
        "high": number.high,
        "n_seeds": number.n_seeds,
        "query": number.query,
        "runs": numbers.runs(number),
        "recompute": recompute(numbers.release, number),
    }


def run_facts(release: Release, row: dict[str, Any]) -> dict[str, Any]:
    """What a run says about itself: code, configuration and its difference from the preset, data, mirrors."""
    from kdgat.config import PRESETS, preset

    config = release.manifest["configurations"][row["config_hash"]]
    named = preset(row["preset"]) if row["preset"] in PRESETS else None
    return {
        **{k: row[k] for k in ("dataset", "seed", "stage", "model", "preset", "config_hash", "commit", "dirty")},
        **{k: row[k] for k in ("lock_hash", "data_hash", "data_kind", "started", "machine")},
        "config_diff": difference(named.model_dump(mode="json"), config) if named else None,
        "mirror": f"{row['tracker']}:{row['tracker_id']}" if row["tracker_id"] else None,
        "links": links(row),
    }


@cache
def _templates() -> dict[str, str]:
    """`links.toml`: service → address with fields, empty for none; raises `KdgatError` for what is no web address."""
    told = tomllib.loads((Path(__file__).parent / "links.toml").read_text())
    for name, template in told.items():
        if template and not template.startswith(("https://", "http://")):
            raise KdgatError(f"analysis/links.toml: {name} is no web address: {template!r}")
    return {name: str(template) for name, template in told.items()}


def links(row: dict[str, Any]) -> dict[str, str]:
    """Service → address of a run there; a run that a service does not know has none."""
    fields = {k: quote(str(row[k]), safe="/") for k in ("run", "flow_run", "tracker_id", "commit")}
    known = {"wandb": row["tracker"] == "wandb" and row["tracker_id"], "commit": row["commit"] != "unknown"}
    return {
        name: template.format_map(fields)
        for name, template in _templates().items()
        if template and known.get(name, True)
    }


def difference(preset: dict[str, Any], config: dict[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """Dotted path → [value in the preset, value in the run] where they differ."""
    found: dict[str, list[Any]] = {}
    for name in sorted({*preset, *config}):
        a, b = preset.get(name), config.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            found |= difference(a, b, f"{prefix}{name}.")
        elif a != b:
            found[prefix + name] = [a, b]
    return found


def recompute(release: Release, number: Number) -> str:
    """The command that gets the number anew: from the weights where a model was scored, else from the frozen rows."""
    if number.n_seeds and number.query.startswith("select"):
        where = f"--release {release.name} --dataset {number.where['dataset']}"
        return f"python -m analysis.reproduce --level evaluate {where}"
    if number.query.startswith("select"):
        return f'python -m analysis.sql --release {release.name} "{number.query}"'
    return f"python -m analysis.trace --release {release.name} {number.key}"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m analysis.trace", description=__doc__.splitlines()[0])
    parser.add_argument("key", nargs="?", help="key of a number; without one, all keys are listed")
    parser.add_argument("--release", help="name of the release (default: the current one)")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    args = parser.parse_args(argv)
    numbers = Numbers(Release.open(args.release))
    if args.key is None:
        print("\n".join(numbers.keys()))
        return 0
    number = numbers[args.key]
    found = document(numbers, [args.key])
    if args.json:
        print(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False))
        return 0
    print(f"{number.key} = {number.text}" + (f"   95 % interval {number.interval}" if number.interval else ""))
    print(f"release     {found['release']} ({found['data_kind']} data), manifest sha256 {found['manifest_sha256']}")
    print(f"query       {number.query}")
    for row in rows(numbers.release, number):
        print(f"row         {json.dumps(row, ensure_ascii=False)}")
    for run in found["numbers"][number.key]["runs"]:
        facts = found["runs"][run]
        print(f"run         {run}: {facts['stage']} {facts['model']}, seed {facts['seed']}, {facts['started']}")
        for address in facts["links"].values():
            print(f"            {address}")
    for label, column in (
        ("commit", "commit"),
        ("configuration", "config_hash"),
        ("data", "data_hash"),
        ("lock", "lock_hash"),
    ):
        for value in sorted({f[column] for f in found["runs"].values()}):
            print(f"{label:11} {value}")
    for changed in {json.dumps(f["config_diff"]) for f in found["runs"].values() if f["config_diff"]}:
        print(f"differs from its preset: {changed}")
    print(f"recompute   {found['numbers'][number.key]['recompute']}")
    return 0


def rows(release: Release, number: Number) -> list[dict[str, Any]]:
    """Result of the number's query on the release."""
    if not number.query.startswith("select"):
        return []
    found = release.rows(number.query)
    if not found:
        raise KdgatError(f"{number.key}: its query finds no row in {release.name}")
    return found


if __name__ == "__main__":
    cli(lambda: main(sys.argv[1:]))
