"""Traces in parts, as pages load them: every number of `trace.json` is in one, and what all share is in none of their way."""

from __future__ import annotations

import json
from pathlib import Path

from analysis.numbers import Numbers, trace
from analysis.releases.release import Release
from tools import assets


def test_every_trace_lies_in_the_part_of_its_key(tmp_path: Path) -> None:
    numbers = Numbers(Release.open())
    keys = [*numbers.facts(), *(k for k in numbers.keys() if k.startswith("main.test_01.gat_student"))]  # noqa: SIM118
    document = trace.document(numbers, keys)
    assets.traces(numbers.release, document, tmp_path / "traces")
    shared = json.loads((tmp_path / "traces" / "shared-facts.json").read_text())
    assert shared["runs"] == document["runs"] and "signed" in shared["state"]
    for key in keys:
        part = json.loads((tmp_path / "traces" / f"{assets.prefix(key)}.json").read_text())
        assert part[key] == document["numbers"][key]
