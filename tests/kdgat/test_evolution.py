"""Tables of older releases, and hashes of older configurations, in a project that has grown."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import Field

from kdgat import records
from kdgat.config import ADDED, Config, Windows
from kdgat.records import RecordError


def benchmarks(**other: list) -> pa.Table:
    columns = {"name": ["a", "b"], "value": [1.0, 2.0], "unit": ["s", "s"], "n": [1, 1], "machine": ["m", "m"]}
    return records.table("benchmarks", columns | other)


def test_a_newer_column_that_a_release_lacks_is_null(repo: Path) -> None:
    """The first releases do not say how their intervals were made."""
    summary = pq.read_table(repo / "data/frozen/demo-1/summary.parquet")
    old = records.of_release("summary", summary, summary.column_names)
    assert old.column_names == list(records.schema("summary").names)
    assert old["interval"].null_count == len(summary) and old.select(summary.column_names).equals(summary)


def test_a_column_of_the_first_releases_may_not_be_absent() -> None:
    columns = ["name", "value", "unit", "machine"]
    with pytest.raises(RecordError, match="column 'n' is missing"):
        records.of_release("benchmarks", benchmarks().select(columns), columns)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.drop_columns("unit"), "'unit' stands in the manifest or in the file, not in both"),
        (lambda t: t.append_column("odd", pa.array([1, 2])), "'odd' stands in the manifest or in the file"),
        (lambda t: t.set_column(1, "value", pa.array([1, 2])), "'value' is int64, not float"),
        (lambda t: t.set_column(3, "n", pa.array([0, 1])), "'n' is under 1"),
        (lambda t: t.set_column(2, "unit", pa.array([None, "s"])), "'unit' is null in row 0"),
        (lambda t: t.take([1, 0]), "rows are not sorted by name"),
        (lambda t: t.take([0, 0]), "two rows share a key"),
    ],
)
def test_what_a_release_holds_is_checked_as_ever(change, reason: str) -> None:
    table = benchmarks()
    with pytest.raises(RecordError, match=reason):
        records.of_release("benchmarks", change(table), table.column_names)


def test_a_column_that_no_such_table_has_is_refused() -> None:
    odd = benchmarks().append_column("odd", pa.array([1, 2]))
    with pytest.raises(RecordError, match="unknown column 'odd'"):
        records.of_release("benchmarks", odd, odd.column_names)


#: releases whose hashes name settings that configurations have no more, or had not yet
_FIRST = {"demo-1", "paper-1", "paper-2"}


def test_the_configuration_of_every_release_is_still_one_and_has_its_hash(repo: Path) -> None:
    for file in sorted((repo / "data/frozen").glob("*/manifest.json")):
        for digest, values in json.loads(file.read_text())["configurations"].items():
            config = Config.model_validate(values)
            assert config.hash() == digest or file.parent.name in _FIRST, (file.parent.name, digest)


class LaterWindows(Windows):
    """Windows with a setting that was added later."""

    overlap: float = Field(0.5, json_schema_extra=ADDED)


class LaterConfig(Config):
    """A configuration with a setting that was added later, and one further down."""

    memory: bool = Field(False, json_schema_extra=ADDED)
    windows: Windows = LaterWindows()


def test_a_new_setting_at_its_default_changes_no_hash() -> None:
    assert LaterConfig().hash() == Config().hash()


@pytest.mark.parametrize("changed", [{"memory": True}, {"windows": LaterWindows(overlap=0.25)}])
def test_a_new_setting_with_another_value_does(changed: dict) -> None:
    assert LaterConfig(**changed).hash() != Config().hash()
