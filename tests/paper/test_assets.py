"""What pages load in parts: every number of `trace.json` is in one, every row of `summary` in one."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

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


def test_every_row_of_the_summary_lies_in_the_part_of_its_dataset_and_protocol(tmp_path: Path) -> None:
    release = Release.open()
    assets.summary(release, tmp_path / "summary")
    parts = json.loads((tmp_path / "summary" / "index.json").read_text())
    tables = [pq.read_table(tmp_path / "summary" / part["file"]) for part in parts]
    for part, table in zip(parts, tables, strict=True):
        for name in ("dataset", "protocol"):
            assert set(table[name].to_pylist()) == {part[name]}
    keys = [(name, "ascending") for name in ("dataset", "scenario", "attack", "model", "protocol", "metric")]
    assert pa.concat_tables(tables).sort_by(keys).equals(release.table("summary").sort_by(keys))
