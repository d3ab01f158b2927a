"""From a number back to its rows, runs, code, configuration and data."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import quote

from analysis.numbers.number import Number
from analysis.numbers.values import Numbers
from analysis.reference import LINKS
from analysis.releases.release import Release
from kdgat.errors import KdgatError


def document(numbers: Numbers, keys: Iterable[str]) -> dict[str, Any]:
    """Return the content of `trace.json`: shared facts once (release, runs), and for every key what leads to them."""
    entries = {key: entry(numbers, numbers[key]) for key in keys}
    used = {run for e in entries.values() for run in e["runs"]}
    release = numbers.release
    return {
        "release": release.name,
        "manifest_sha256": release.manifest_sha256,
        "data_kind": release.data_kind,
        "runs": {r["run"]: run_facts(release, r) for r in release.table("runs").to_pylist() if r["run"] in used},
        "numbers": entries,
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
    """Return a run's facts: code, configuration and its difference from the preset, data, mirrors."""
    config = release.manifest["configurations"][row["config_hash"]]
    original = _settings(row["preset"])
    return {
        **{k: row[k] for k in ("dataset", "seed", "stage", "model", "preset", "config_hash", "commit", "dirty")},
        **{k: row[k] for k in ("lock_hash", "data_hash", "data_kind", "started", "machine")},
        "config_diff": difference(original, config) if original else None,
        "mirror": f"{row['tracker']}:{row['tracker_id']}" if row["tracker_id"] else None,
        "links": links(row),
    }


@cache
def _settings(preset: str) -> dict[str, Any] | None:
    """Settings of a preset, read once for all runs; None for one that no longer exists."""
    from kdgat import presets

    return dict(json.loads(presets.preset(preset).canonical())) if preset in presets.PRESETS else None


@cache
def _templates() -> dict[str, str]:
    """`links.toml`: service → address with fields, empty for none; raises `KdgatError` for what is no web address."""
    templates = tomllib.loads(LINKS.read_text(encoding="utf-8"))
    for name, template in templates.items():
        if template and not template.startswith(("https://", "http://")):
            raise KdgatError(f"analysis/reference/links.toml: {name} is no web address: {template!r}")
    return {name: str(template) for name, template in templates.items()}


def links(row: dict[str, Any]) -> dict[str, str]:
    """Service → address of a run there; a run that a service does not know has none."""
    fields = {k: quote(str(row[k]), safe="/") for k in ("run", "flow_run", "tracker_id", "commit")}
    has_address = {"wandb": row["tracker"] == "wandb" and row["tracker_id"], "commit": row["commit"] != "unknown"}
    return {
        name: template.format_map(fields)
        for name, template in _templates().items()
        if template and has_address.get(name, True)
    }


def difference(preset: dict[str, Any], config: dict[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """Dotted path → [value in the preset, value in the run] where they differ."""
    changes: dict[str, list[Any]] = {}
    for name in sorted({*preset, *config}):
        a, b = preset.get(name), config.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            changes |= difference(a, b, f"{prefix}{name}.")
        elif a != b:
            changes[prefix + name] = [a, b]
    return changes


def recompute(release: Release, number: Number) -> str:
    """The command that gets the number anew: from the weights if the release keeps those of its models, by training if it
    does not, and from the frozen rows where no model was scored.
    """
    if number.n_seeds and number.query.startswith("select"):
        dataset = number.where["dataset"]
        models = [number.where[side] for side in ("model", "other") if side in number.where]
        if all(release.holds_weights(dataset, model) for model in models):
            return f"kdgat reproduce --level evaluate --release {release.name} --dataset {dataset}"
        return f"kdgat reproduce --level train --release {release.name}"
    if number.query.startswith("select"):
        return f"kdgat sql --release {release.name} {shlex.quote(' '.join(number.query.split()))}"
    return f"kdgat trace --release {release.name} {number.key}"


def rows(release: Release, number: Number) -> list[dict[str, Any]]:
    """Result of the number's query on the release."""
    if not number.query.startswith("select"):
        return []
    result = release.rows(number.query)
    if not result:
        raise KdgatError(f"{number.key}: its query finds no row in {release.name}")
    return result
