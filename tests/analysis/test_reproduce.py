"""Reproduce: one table, one figure, and what counts as the same score."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from analysis import reproduce
from analysis.checks import released, scores
from analysis.releases.release import Release
from kdgat.errors import KdgatError
from kdgat.paths import REPO
from kdgat.provenance import sha256


def test_a_table_of_the_paper_by_number_and_by_label(release, capsys, monkeypatch):
    monkeypatch.setenv("KDGAT_RELEASE", "r1")  # restored afterwards; the command sets it
    labels = [table.label for table in reproduce.paper_tables(reproduce.REPO)]
    number = labels.index("tbl-main") + 1
    assert reproduce.table(Release.open(), str(number)) == 0
    by_number = capsys.readouterr().out
    assert 'data-key="hcrl_sa.test_01.gat_student.zero_shot.f1"' in by_number
    assert reproduce.table(Release.open(), "tbl-main") == 0
    assert capsys.readouterr().out == by_number
    with pytest.raises(KdgatError, match="there are: 1 "):
        reproduce.table(Release.open(), "99")


def test_tables_that_are_written_count_too(release, capsys):
    assert reproduce.table(Release.open(), "1") == 0
    assert "| Symbol | Meaning |" in capsys.readouterr().out  # notation, the first table of the PDF


def test_a_figure_is_written_as_it_is_for_the_paper(release, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert reproduce.figure(Release.open(), "curves") == 0
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")
    with pytest.raises(KdgatError, match="no figure 'x'"):
        reproduce.figure(Release.open(), "x")


@pytest.fixture
def fresh(shared_release):
    """The frozen scores of one seed, as if they had been computed again."""
    return [r for r in shared_release.table("predictions").to_pylist() if r["seed"] == 0]


def differences(release, rows):
    return scores.differences(release, pa.Table.from_pylist(rows), "hcrl-sa", 0)


def test_equal_scores_agree_also_after_rounding(shared_release, fresh):
    assert differences(shared_release, fresh) == []
    assert differences(shared_release, [r | {"gat-student": r["gat-student"] + 1e-6} for r in fresh]) == []


def test_a_changed_score_label_or_window_is_named(shared_release, fresh):
    rows = [fresh[0] | {"vgae-student": fresh[0]["vgae-student"] + 0.01}, *fresh[1:]]
    assert differences(shared_release, rows)[0].startswith("vgae-student: 1 of 1680 scores differ")
    rows = [fresh[0] | {"injected": 99}, *fresh[1:]]
    assert differences(shared_release, rows)[0].startswith("1 windows have other labels")
    assert differences(shared_release, fresh[1:])[0].startswith("1 frozen windows were not scored again")


def test_the_seeds_with_weights(shared_release):
    assert released.seeds(shared_release, "hcrl-sa") == [0, 1]
    assert released.seeds(shared_release, "set_01") == []
    with pytest.raises(KdgatError, match="has no weights for 'set_01'"):
        reproduce.evaluate(shared_release, "set_01", None)


def test_all_flows_of_a_release_are_run_again_with_its_configurations(tmp_path):
    release = Release(REPO / "data/frozen/paper-4")
    main, universal, ablations = reproduce.flows_of(release, None, tmp_path)
    assert main[:3] == ["flows/kdgat_flow.py", "--datasets", "hcrl-sa"] and main[-2:] == ["--seeds", "0,1,2,3,4"]
    assert "universal-without-platform" in universal
    assert ablations[0] == "flows/ablation_flow.py" and ablations[-4:] == [
        "--seeds",
        "0,1,2",
        "--factors",
        "features,graph",
    ]
    files = [Path(flow[flow.index("--configuration") + 1]) for flow in (main, universal, ablations)]
    assert files[0] == files[2]
    assert {sha256(file.read_bytes()) for file in files} <= release.manifest["configurations"].keys()
    assert {flow[flow.index("--seeds") + 1] for flow in reproduce.flows_of(release, "7", tmp_path)} == {"7"}


@pytest.mark.parametrize(
    ("table", "column", "value", "reason"),
    [
        ("runs", "flow_run", "OtherFlow/1", "has runs of 'OtherFlow', which is none of KDGATFlow, "),
        ("runs", "stage", "ablation", "does not hold the configuration that KDGATFlow was given"),
        ("ablations", "dataset", "other", "does not say which ablations were run on hcrl-sa"),
    ],
)
def test_flows_that_a_release_does_not_tell_are_told(table, column, value, reason, tmp_path):
    release = Release(REPO / "data/frozen/paper-2")
    rows = release.table(table)
    at = rows.schema.get_field_index(column)
    release._cache[table] = rows.set_column(at, rows.schema.field(at), pa.array([value] * len(rows)))
    with pytest.raises(KdgatError, match=reason):
        reproduce.flows_of(release, None, tmp_path)


def test_margins_may_differ_by_more_than_probabilities(shared_release, fresh):
    assert differences(shared_release, [r | {"gat-student": r["gat-student"] + 5e-3} for r in fresh])
    protocols = {r["protocol"]: scores.tolerance(r["protocol"]) for r in fresh} | {
        "adapted": scores.tolerance("adapted")
    }
    assert protocols.pop("adapted") == 1e-2 and set(protocols.values()) == {1e-4}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"level": "evaluate", "preset": "demo"}, "--preset is for --level train, and this is evaluate"),
        ({"level": "train", "table": "1"}, "--table is for --level render, and this is train"),
        ({"dataset": "hcrl-sa"}, "--dataset is for --level evaluate, and this is render"),
        ({"table": "1", "figure": "curves"}, "--table and --figure: one at a time"),
    ],
)
def test_an_option_of_another_level_is_refused_and_not_ignored(options, told):
    from cli.reproduce import reproduce as command

    with pytest.raises(KdgatError, match=told):
        command(**options)
