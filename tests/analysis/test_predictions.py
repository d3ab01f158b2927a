"""Window scores on disk: every value comes back, what has no seed is stored once, damage is refused."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pytest

from analysis.releases import predictions
from analysis.releases.files import files_of
from analysis.releases.plausible import ReleaseError
from analysis.releases.release import Release
from kdgat import records
from kdgat.records import RecordError


def rows(seeds=(0, 1), **scores):
    """Two scenarios of three windows; `scores`: model → function of seed and window."""
    return [
        {
            "dataset": "a", "scenario": scenario, "protocol": "zero-shot", "seed": seed, "capture": "c.csv",
            "window": w, "t0": w / 10, "duration": 0.1, "attack": "benign", "injected": 0,
        } | {model: score(seed, w) for model, score in scores.items()}
        for scenario in ("test_01", "test_02") for seed in seeds for w in range(3)
    ]  # fmt: skip


@pytest.fixture
def table() -> pa.Table:
    scores = rows(**{"x-student": lambda s, w: s + w / 8, "rule-baseline": lambda s, w: w / 4})
    return records.table("predictions", [r | ({"y-teacher": 0.5} if r["seed"] == 0 else {}) for r in scores])


def test_each_window_is_stored_once_and_every_value_comes_back(table: pa.Table) -> None:
    parts = predictions.pack(table)
    assert list(parts) == ["predictions/a/test_01.parquet", "predictions/a/test_02.parquet"]
    about, part = parts["predictions/a/test_01.parquet"]
    assert about == {"dataset": "a", "scenario": "test_01", "seeds": [0, 1]} and part.num_rows == 3
    scores = [
        c
        for c in part.column_names
        if c not in ("protocol", "capture", "window", "t0", "duration", "attack", "injected")
    ]
    assert scores == ["x-student@0", "x-student@1", "rule-baseline", "y-teacher@0"]
    back = predictions.unpack(parts.values(), records.scored_models(table))
    assert back.equals(table)


def test_seeds_that_scored_other_windows_are_refused() -> None:
    scores = records.table("predictions", rows(**{"x-student": lambda s, w: 0.5})[:-1])
    with pytest.raises(RecordError, match="the seeds of a, test_02 scored different windows"):
        predictions.pack(scores)


@pytest.fixture
def copy(shared_release, tmp_path):
    shutil.copytree(shared_release.path, tmp_path / "shared")
    return tmp_path / "shared"


def edited(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest["tables"]["predictions"])
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return Release(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: e["parts"][0].update(file="predictions/../x.parquet"), "refused path"),
        (lambda e: e["parts"][0].update(scenario="test_09"), "refused path"),
        (lambda e: e["parts"][0].update(seeds=[0, -1]), "refused seeds"),
        (lambda e: e["parts"][0].update(seeds=list(range(9))), "the parts of predictions hold"),
        (lambda e: e["parts"][0].update(rows=1), "holds 480 rows, the manifest says 1"),
        (lambda e: e.update(parts={}), "its parts are no list"),
        (lambda e: e.update(models=[1]), "no models are listed"),
        (lambda e: e.update(models=[*e["models"], *e["models"]]), "no models are listed"),
        (lambda e: e.update(models=["t0"]), "names that no model has"),
        (lambda e: e.update(models=[f"x-{i}" for i in range(1000)]), "no models are listed"),
        (lambda e: e["parts"].append(e["parts"][0]), "a part is listed twice"),
        (lambda e: e["parts"][0].update(seeds=[0, 0]), "refused seeds"),
        (lambda e: e["parts"][0].update(seeds=[True]), "refused seeds"),
        (lambda e: e["parts"][0].update(rows=40_000_000, seeds=list(range(1000))), "values: refused"),
        (lambda e: e.pop("columns"), "no columns are listed"),
    ],
)
def test_a_manifest_that_misplaces_parts_is_refused(copy, change, reason: str) -> None:
    with pytest.raises(ReleaseError, match=reason):
        edited(copy, change).table("predictions")


def test_a_score_of_no_model_is_refused(copy) -> None:
    with pytest.raises(RecordError, match="belongs to no model and seed"):
        edited(copy, lambda e: e["models"].remove("gat-student")).table("predictions")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.set_column(2, "window", t["window"].cast(pa.int64())), "has 'window' as int64, not"),
        (lambda t: t.append_column("gat-student", pa.array(["a"] * len(t))), "has 'gat-student' as string, not float"),
        (lambda t: t.take(list(range(len(t)))[::-1]), "rows of a part are not sorted by protocol, capture, window"),
    ],
)
def test_a_part_of_other_types_or_order_is_refused(change, reason: str) -> None:
    """The browser reads the file as it is, so it must be what Python makes of it."""
    scores = records.table("predictions", rows(**{"x-student": lambda s, w: 0.5}))
    (about, part), *_ = predictions.pack(scores).values()
    with pytest.raises(RecordError, match=reason):
        predictions.unpack([(about, change(part))], ["x-student", "gat-student"])


def test_minus_zero_stays_the_score_of_its_seed() -> None:
    scores = records.table("predictions", rows(**{"x-student": lambda s, w: -0.0 if s else 0.0}))
    back = predictions.unpack(predictions.pack(scores).values(), records.scored_models(scores))
    assert records.content_hash(back) == records.content_hash(scores)


def test_parts_behind_a_link_are_not_read(copy) -> None:
    (copy / "predictions").rename(copy.parent / "elsewhere")
    (copy / "predictions").symlink_to(copy.parent / "elsewhere")
    with pytest.raises(ReleaseError, match="symbolic link"):
        Release(copy).table("predictions")


def test_a_release_without_parts_is_read_too(shared_release, tmp_path) -> None:
    """As the first releases are: one file, a row per window and seed."""
    folder = tmp_path / "shared"
    shutil.copytree(shared_release.path, folder)
    scores = shared_release.table("predictions")
    shutil.rmtree(folder / "predictions")
    (folder / "predictions.parquet").write_bytes(records.parquet_bytes(scores))
    manifest = json.loads((folder / "manifest.json").read_text())
    _, entry = files_of("summary", scores)  # the entry of a table that lies in one file
    manifest["tables"]["predictions"] = entry
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert Release(folder).table("predictions").equals(scores)
    assert Release(folder).scored_models == shared_release.scored_models
