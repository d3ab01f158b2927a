"""Mutations of a release, with the manifest left as it was and with it made to fit: each must be caught."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.checks import bootstrap, verification
from analysis.releases.files import files_of
from analysis.releases.release import Release
from kdgat import records
from kdgat.provenance import sha256


@pytest.fixture
def copy(shared_release, tmp_path):
    """A copy of a sound release that a test may harm."""
    folder = tmp_path / "shared"
    shutil.copytree(shared_release.path, folder)
    return folder


def changed(folder, name, change, where=lambda row: True):
    """The table with `change` applied to the first row that satisfies `where`."""
    rows = Release(folder).table(name).to_pylist()
    row = next(r for r in rows if where(r))
    # a window stands once in the file, whatever the number of seeds that scored it
    same = ("dataset", "scenario", "protocol", "capture", "window") if change is relabelled else ()
    for other in [r for r in rows if same and all(r[k] == row[k] for k in same)] or [row]:
        other.update(change(row))
    return records.table(name, rows)


def refit(folder, name, table):
    """Write a table and make the manifest agree with it, as someone who covers their tracks would."""
    files, entry = files_of(name, table)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["tables"][name] = entry
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_sound_release_has_no_problem(copy):
    assert verification.verify_release(copy) == []


# ---- the manifest untouched: caught by hash --------------------------------------------------------------------------


def change_cell(folder):
    pq.write_table(changed(folder, "summary", lambda r: {"mean": 0.5}), folder / "summary.parquet")


def flip_byte(folder):
    file = folder / "predictions" / "hcrl-sa" / "test_01.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def reorder_rows(folder):
    table = Release(folder).table("metrics")
    pq.write_table(pa.concat_tables([table.slice(5), table.slice(0, 5)]), folder / "metrics.parquet")


def swap_files(folder):
    a, b = folder / "metrics.parquet", folder / "summary.parquet"
    x, y = a.read_bytes(), b.read_bytes()
    a.write_bytes(y)
    b.write_bytes(x)


BY_HASH = {
    "change one cell": change_cell,
    "flip one byte": flip_byte,
    "reorder a file": reorder_rows,
    "swap two files": swap_files,
    "truncate a file": lambda f: (f / "runs.parquet").write_bytes((f / "runs.parquet").read_bytes()[:-9]),
    "delete a table": lambda f: (f / "confusion.parquet").unlink(),
    "delete weights": lambda f: (f / "weights/hcrl-sa/gat-student-s0.onnx").unlink(),
    "add a file": lambda f: (f / "notes.txt").write_text("x"),
    "add weights": lambda f: (f / "weights/hcrl-sa/other.onnx").write_bytes(b"x"),
    "change weights": lambda f: (f / "weights/hcrl-sa/gat-student-s0.onnx").write_bytes(b"A network"),
    "link a file": lambda f: (f / "link").symlink_to("/etc/hostname"),
}


@pytest.mark.parametrize("mutation", BY_HASH.values(), ids=BY_HASH)
def test_a_change_under_an_untouched_manifest_is_caught(copy, mutation):
    mutation(copy)
    assert verification.verify_release(copy)


# ---- the manifest made to fit: caught by recomputation ---------------------------------------------------------------


def is_all(**where):
    where = {"attack": "all"} | where
    return lambda row: all(row[k] == v for k, v in where.items())


def flipped_score(row):
    return {"gat-student": 1 - row["gat-student"]}


def relabelled(row):
    return {"injected": 0, "attack": "benign"}


def swapped_runs(folder, name, which):
    """Two runs exchanged wherever table `name` names them."""
    table = Release(folder).table(name)
    a, b = sorted({r["run"] for r in table.to_pylist() if which(r)})[:2]
    rows = [r | {"run": {a: b, b: a}.get(r["run"], r["run"])} for r in table.to_pylist()]
    return records.table(name, rows)


RECOMPUTED = {
    "f1 of a seed": ("metrics", lambda r: {"value": r["value"] - 0.01}, is_all(metric="f1", model="gat-student")),
    "auc of a seed": (
        "metrics",
        lambda r: {"value": r["value"] - 1e-5},
        is_all(metric="roc_auc", model="vgae-student"),
    ),
    "delay of a seed": ("metrics", lambda r: {"value": r["value"] + 0.1}, is_all(metric="detection_delay")),
    "windows of a metric": ("metrics", lambda r: {"n": r["n"] + 1}, is_all(metric="precision")),
    "defined becomes undefined": ("metrics", lambda r: {"value": None}, is_all(metric="mcc")),
    "a mean": ("summary", lambda r: {"mean": r["mean"] + 1e-4}, is_all(metric="pr_auc")),
    "seeds of a mean": ("summary", lambda r: {"n_seeds": 3}, is_all(metric="f1")),
    "attacked windows": ("summary", lambda r: {"positives": r["positives"] + 1}, is_all(metric="f1")),
    "segments": ("summary", lambda r: {"segments": r["segments"] + 1}, is_all(metric="f1")),
    "an interval turned round": ("summary", lambda r: {"ci_low": 0.99, "ci_high": 0.9}, is_all(metric="f1")),
    "a confusion count": ("confusion", lambda r: {"tp": r["tp"] - 1, "fn": r["fn"] + 1}, is_all(model="gat-teacher")),
    "a confusion of one attack": ("confusion", lambda r: {"fp": r["fp"] + 1}, lambda r: r["attack"] == "DoS"),
    "a score across the threshold": ("predictions", flipped_score, lambda r: r["injected"] > 0),
    "a label": ("predictions", relabelled, lambda r: r["injected"] > 0),
    "a threshold": ("operating_points", lambda r: {"threshold": 0.1}, lambda r: r["model"] == "vgae-teacher"),
    "a layer": ("parameters", lambda r: {"count": r["count"] + 1}, lambda r: r["model"] == "gat-student"),
    "a run's parameters": ("runs", lambda r: {"parameters": 1}, lambda r: r["model"] == "gat-student"),
    "windows of a capture": ("datasets", lambda r: {"windows": 7}, lambda r: r["split"] == "test_01"),
    "a run's commit": ("runs", lambda r: {"commit": "b" * 40}, lambda r: True),
    "a run's data": ("runs", lambda r: {"data_hash": "e" * 64}, lambda r: True),
    "synthetic becomes real": ("runs", lambda r: {"data_kind": "synthetic"}, lambda r: True),
    "a run's configuration": ("runs", lambda r: {"config_hash": "f" * 64}, lambda r: True),
    "a run's name": ("curves", lambda r: {"run": "KDGATFlow/9/gat/1"}, lambda r: True),
}


@pytest.mark.parametrize(("name", "change", "where"), RECOMPUTED.values(), ids=RECOMPUTED)
def test_a_change_under_a_fitting_manifest_is_caught(copy, name, change, where):
    refit(copy, name, changed(copy, name, change, where))
    Release(copy).check_hashes()
    assert verification.verify_release(copy)


def test_swapped_runs_are_caught(copy):
    def seeds(row):
        return row["model"] == "gat-student"

    def models(row):
        return row["seed"] == 0 and row["model"] in ("gat-student", "gat-teacher")

    for which in (seeds, models):
        for name in ("metrics", "curves"):
            before = (copy / f"{name}.parquet").read_bytes(), (copy / "manifest.json").read_bytes()
            refit(copy, name, swapped_runs(copy, name, which))
            assert any("under run" in p for p in verification.verify_release(copy))
            (copy / f"{name}.parquet").write_bytes(before[0])
            (copy / "manifest.json").write_bytes(before[1])


def test_a_changed_interval_is_caught_by_drawing_it_again(copy):
    assert bootstrap.mismatches(Release(copy)) == []
    narrow = changed(copy, "summary", lambda r: {"ci_low": r["mean"]}, is_all(metric="f1", model="vgae-student"))
    refit(copy, "summary", narrow)
    (problem,) = bootstrap.mismatches(Release(copy))
    assert problem.startswith("summary: ci_low of f1 of vgae-student (hcrl-sa, test_01, all, ")


def test_removed_rows_are_caught(copy):
    metrics = Release(copy).table("metrics").to_pylist()
    refit(copy, "metrics", records.table("metrics", [r for r in metrics if r["model"] != "gbm-baseline"]))
    assert any("gbm-baseline" in p for p in verification.verify_release(copy))


def test_replaced_weights_are_caught_by_their_shapes(copy):
    file = "weights/hcrl-sa/gat-student-s0.safetensors"
    data = (copy / file).read_bytes().replace(b"[80, 10]", b"[81, 10]")
    (copy / file).write_bytes(data)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["weights"][file]["sha256"] = sha256(data)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    problem = f"shared: parameters says encoder.weight of {file} holds 800 numbers, the file holds 810"
    assert problem in verification.verify_release(copy)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("index.json", b"[" * 100_000, "index.json: maximum recursion depth"),
        ("index.json", b'{"r1": 1, "r1": 2}', "index.json: it says 'r1' twice"),
        ("current", b"\xff", "current does not name a release: 'utf-8'"),
    ],
)
def test_an_index_or_pointer_that_is_none_is_told(release, frozen, file, content, reason):
    (frozen / file).write_bytes(content)
    (problem,) = verification.verify_index(frozen)
    assert reason in problem


def test_the_index_knows_a_release_whose_manifest_was_made_to_fit(run, release, frozen):
    assert verification.verify_index(frozen) == []
    manifest = json.loads((frozen / "r1" / "manifest.json").read_text())
    manifest["code"]["commits"] = ["b" * 40]
    (frozen / "r1" / "manifest.json").write_text(json.dumps(manifest))
    assert verification.verify_index(frozen) == ["index.json: release 'r1' is not the one that is listed"]
    shutil.rmtree(frozen / "r1")
    assert [p.split()[0] for p in verification.verify_index(frozen)] == ["index.json:", "current"]


# ---- the sources -----------------------------------------------------------------------------------------------------


def project(folder, text, name="sections/results.qmd"):
    file = folder / "paper" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return folder


def test_unknown_keys_and_typed_numbers_name_file_line_and_text(shared_release, tmp_path):
    text = """---
title: 1.5
---
F1 is {{< var hcrl_sa.test_01.gat_student.zero_shot.f1 >}} with a 95 % interval, its recall at 1 % false positives another.

It is {{< var hcrl_sa.test_01.gat_studnt.zero_shot.f1 >}}, or 0.97, or 12 %.

```{python}
x = 0.5
```
See [it](a-1.5.html){width=0.5} and `0.5` and $p = 0.5$ and @tbl-1.2.
"""
    problems = verification.verify_sources(project(tmp_path, text), shared_release)
    assert [p.split(": ")[0] for p in problems] == ["paper/sections/results.qmd:6"] * 3
    assert "nearest: hcrl_sa.test_01.gat_student.zero_shot.f1" in problems[0]
    assert "'0.97'" in problems[1]
    assert "'12 %'" in problems[2]


def test_a_figure_without_its_static_twin_is_caught(tmp_path):
    figure = "```{ojs}\nkdgat.curves(rows, {width})\n```\n"
    twin = "![Curves.](../figures/static/curves.svg)\n"
    project(tmp_path, figure, "results/curves.qmd")
    assert verification.twins(tmp_path) == ["paper/results/curves.qmd: its figure has no static twin"]
    project(tmp_path, figure + twin, "results/curves.qmd")
    assert verification.twins(tmp_path) == []
    project(tmp_path, twin.replace("curves.svg", "mine.svg"), "results/other.qmd")
    assert verification.twins(tmp_path) == [
        "paper/results/other.qmd: static figure 'mine' is drawn by nothing in analysis.figures"
    ]


def test_numbers_may_be_typed_outside_results(shared_release, tmp_path):
    problems = verification.verify_sources(
        project(tmp_path, "We set it to 0.7.", "sections/method.qmd"), shared_release
    )
    assert problems == []


# ---- what may be absent ----------------------------------------------------------------------------------------------


def manifest_of(folder, change):
    """Rewrite the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(("table", "column"), [("ablations", "ci_low"), ("runs", "dirty"), ("datasets", "sha256")])
def test_only_a_newer_column_may_be_absent(copy, table, column):
    narrower = Release(copy).table(table).drop_columns([column])
    (copy / f"{table}.parquet").write_bytes(records.parquet_bytes(narrower))
    _, entry = files_of(table, narrower)
    manifest_of(copy, lambda m: m["tables"].update({table: entry}))
    assert f"column {column!r} is missing" in verification.verify_release(copy)[0]


@pytest.mark.parametrize(
    "field", ["code", "configurations", "datasets", "flow_runs", "machines", "presets", "seeds", "writer"]
)
def test_what_all_manifests_say_must_be_there(copy, field):
    manifest_of(copy, lambda m: m.pop(field))
    assert f"{field!r} is missing" in verification.verify_release(copy)[0]


def test_a_format_that_cannot_be_a_number_is_refused(copy):
    for odd in ([], {}, True, 2.0, "2", 3):
        manifest_of(copy, lambda m, odd=odd: m.update(format=odd))
        assert "format is none of" in verification.verify_release(copy)[0]


def test_a_metric_of_the_first_releases_may_not_vanish(copy):
    for name in ("metrics", "summary", "ablations"):
        full = Release(copy).table(name)
        refit(copy, name, records.table(name, [r for r in full.to_pylist() if r["metric"] != "recall"]))
    manifest_of(copy, lambda m: m["metrics"].remove("recall"))
    assert any("metrics has no recall of" in problem for problem in verification.verify_release(copy))


def test_scores_of_the_first_releases_may_not_vanish(copy):
    narrower = Release(copy).table("predictions").drop_columns(["gat-student"])
    refit(copy, "predictions", narrower)
    assert any("no scores are released" in problem for problem in verification.verify_release(copy))


def test_a_configuration_that_is_none_is_one_line(copy):
    rows = Release(copy).table("runs").to_pylist()
    refit(copy, "runs", records.table("runs", [r | {"config": "null"} for r in rows]))
    assert verification.verify_release(copy) and "Traceback" not in str(verification.verify_release(copy))
