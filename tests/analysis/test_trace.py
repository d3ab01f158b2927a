"""Traces: where a run can be looked up, and what is refused as an address."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from types import SimpleNamespace

import pytest

from analysis import freeze
from analysis import trace as command
from analysis.numbers import Numbers, trace
from analysis.reference.format import slug
from analysis.releases.release import Release
from analysis.tables import results
from kdgat.errors import KdgatError


@pytest.fixture
def templates(monkeypatch):
    def use(text: str) -> None:
        # of this module alone: configurations are read by the same library
        reader = SimpleNamespace(loads=lambda _: dict([line.split(" = ") for line in text.splitlines()]))
        monkeypatch.setattr(trace, "tomllib", reader)
        trace._templates.cache_clear()

    yield use
    trace._templates.cache_clear()


def test_a_run_is_linked_where_its_services_are_named(run, frozen, templates):
    release = freeze.freeze("linked", *run)
    numbers = Numbers(release)
    key = next(k for k in numbers.keys() if k.endswith("gat_student.zero_shot.f1"))  # noqa: SIM118  (not a dict)
    assert {str(r["links"]) for r in trace.document(numbers, [key])["runs"].values()} == {"{}"}, "no address is made up"
    templates("metaflow = https://m.example/{flow_run}?x=1\nwandb = https://w.example/{tracker_id}")
    for name, facts in trace.document(numbers, [key])["runs"].items():
        flow = "/".join(name.split("/")[:2])
        assert facts["links"]["metaflow"] == f"https://m.example/{flow}?x=1"
        assert ("wandb" in facts["links"]) == (facts["mirror"] or "").startswith("wandb:")


@pytest.mark.parametrize(
    ("key", "level"),
    [
        ("main.test_04.gat_student.zero_shot.f1", "evaluate"),
        ("main.test_04.gbm_memory_baseline.zero_shot.f1", "evaluate"),
        ("universal_without_platform.set_01_test_04.gat_alone_student.zero_shot.f1", "evaluate"),
        ("main.test_04.gat_teacher.zero_shot.f1", "train"),
        ("main.test_04.published_student.zero_shot.f1", "train"),
        ("main.ablations.features.published.test_01.zero_shot.f1_minus_reference", "train"),
    ],
)
def test_a_number_comes_from_the_weights_where_the_release_keeps_them(key: str, level: str) -> None:
    numbers = Numbers(Release.open("paper-8"))
    command = trace.recompute(numbers.release, numbers[key])
    assert command.startswith(f"kdgat reproduce --level {level} --release paper-8")


def test_a_query_that_quotes_is_a_command_that_a_shell_understands() -> None:
    numbers = Numbers(Release.open("paper-9"))
    number = numbers["universal.hcrl_sa_test_02.timer_f1"]
    *command, query = shlex.split(trace.recompute(numbers.release, number))
    assert command == ["kdgat", "sql", "--release", "paper-9"] and '"window"' in query
    (row,) = numbers.release.rows(query)
    assert number.value in row.values()


def test_an_ablation_rests_on_the_runs_of_its_level_and_of_the_reference() -> None:
    numbers = Numbers(Release.open("paper-9"))

    def models(key: str) -> list[str]:
        return list(dict.fromkeys(run.rpartition("/")[2] for run in numbers.runs(numbers[key])))

    key = "main.ablations.virtual_cars.{}.test_02.zero_shot.f1"
    # the reference of many factors is trained once
    assert models(key.format("mixed_in")) == ["gat-student (features: memory)"]
    changed = ["gat-student (virtual cars: none)", "gat-student (features: memory)"]
    assert models(key.format("none") + "_minus_reference") == changed
    boosting = "universal_without_platform.ablations.payload_columns_of_boosting.{}.set_01_test_04.zero_shot.f1"
    assert models(boosting.format("seen")) == ["gbm-memory-baseline (payload columns of boosting: seen)"]


def test_a_value_leads_to_the_keys_that_show_it(shared_release, monkeypatch, capsys, tmp_path) -> None:
    """As a reader may write it; text comes first, with its line; of many, some and how many more."""
    source = tmp_path / "section.qmd"
    numbers = Numbers(shared_release)
    cells = {k: t for table in results.all_tables(shared_release).values() for k, t in results.spans(table)}
    commonest, often = Counter(cells.values()).most_common(1)[0]
    key, text = next((k, t) for k, t in cells.items() if t.startswith("0.") and t != commonest)
    source.write_text(f"\nF1 is {{{{< var {key} >}}}}.\n")
    monkeypatch.setattr(command, "sources", lambda _: [source])
    monkeypatch.setattr(command, "REPO", tmp_path)
    monkeypatch.setattr(command, "Release", SimpleNamespace(open=lambda _: shared_release))
    assert numbers[key].text == text
    for written in (text, text.removeprefix("0"), f"+{text}"):
        assert command.run(written) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"{key}   section.qmd:2"
        same = [k for k, t in cells.items() if t == text]
        assert {line.split()[0] for line in lines if not line.startswith("and ")} <= set(same)
    assert often > 20 and command.run(commonest) == 0
    *listed, rest = capsys.readouterr().out.splitlines()
    assert len(listed) == 20 and rest == f"and {often - 20} more: --json lists all"
    assert command.run(commonest, as_json=True) == 0 and len(json.loads(capsys.readouterr().out)) == often
    with pytest.raises(KdgatError, match=r"neither text nor tables show 0\.123456 from release shared"):
        command.run("0.123456")
    assert command._bare("\N{MINUS SIGN}.5") == command._bare("-0.5") and command._bare("7,042") == command._bare(
        "7042"
    )


def test_an_address_that_is_none_is_refused(templates):
    templates("wandb = javascript:alert(1)")
    with pytest.raises(KdgatError, match="no web address"):
        trace.links({"run": "F/1/a/2", "flow_run": "F/1", "tracker_id": "x", "tracker": "wandb", "commit": "c"})


def test_a_difference_rests_on_the_runs_of_both_models(shared_release):
    numbers = Numbers(shared_release)
    models = {r["run"]: r["model"] for r in shared_release.table("runs").to_pylist()}
    row = next(
        r
        for r in shared_release.table("differences").to_pylist()
        if (r["dataset"], r["scenario"], r["protocol"], r["metric"]) == ("hcrl-sa", "test_01", "zero-shot", "f1")
    )
    for sign, one, other in ((1, row["model"], row["other"]), (-1, row["other"], row["model"])):
        number = numbers[f"hcrl_sa.test_01.{slug(one)}_minus_{slug(other)}.zero_shot.f1"]
        behind = numbers.runs(number)
        assert len(behind) == len(set(behind)) and {models[run] for run in behind} == {one, other}
        assert models[behind[0]] == one
        (found,) = trace.rows(shared_release, number)
        assert list(found) == ["difference", "ci_low", "ci_high", "p_holm", "n_seeds"]
        assert found["difference"] == number.value == sign * row["difference"]
        assert (found["ci_low"], found["ci_high"]) == (number.low, number.high)
    # computed from the scores: two models under one protocol, and one model under two
    computed = numbers["hcrl_sa.test_01.fusion_dqn_student_minus_gat_teacher.calibrated.f1"]
    assert "paired block bootstrap" in computed.query
    assert {models[run] for run in numbers.runs(computed)} == {"fusion-dqn-student", "gat-teacher"}
    protocols = numbers["hcrl_sa.test_01.gat_student.calibrated_minus_zero_shot.f1"]
    assert {models[run] for run in numbers.runs(protocols)} == {"gat-student"}
