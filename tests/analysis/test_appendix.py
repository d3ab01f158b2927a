"""The appendix is read from the release: its rows are the tables' rows, its answers follow the manifest."""

from __future__ import annotations

import json
import re

import fake_run

from analysis import freeze
from analysis.releases.release import Release
from analysis.tables import appendix, results
from kdgat import records
from kdgat.config import override

FLOW = fake_run.FLOW_RUN


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines()[2:]]


def answers(release: Release) -> dict[str, str]:
    return {question: answer for question, answer in rows(appendix.checklist(release))}


def test_the_checklist_follows_the_release(run, frozen):
    clean = freeze.freeze("clean", *run)
    dirty_tables, weights = fake_run.make({"hcrl-sa": "real", "synthetic": "synthetic"}, seeds=(3,))
    runs = dirty_tables["runs"].to_pylist()
    dirty_tables["runs"] = freeze.records.table("runs", [row | {"dirty": True} for row in runs])
    policy = freeze.Policy(allow_dirty=True, allow_synthetic=True)
    dirty = freeze.freeze("dirty", dirty_tables, weights, policy)
    one, two = answers(clean), answers(dirty)
    changes = "It had no uncommitted changes"
    assert (one[changes], two[changes]) == ("Yes", "No")
    assert one["Scored captures are recorded, not synthetic"] == "Yes; virtual drives are in training alone"
    assert two["Scored captures are recorded, not synthetic"] == "No: synthetic"
    assert "(0, 1)" in one["Seeds"] and "(3)" in two["Seeds"]
    assert "hcrl-ch" in one["Datasets of the catalog that are not covered"]
    assert "free for academic use" in one["Their terms of use are stated"]


def test_the_checklist_counts_contents_by_dataset(run, frozen):
    tables, weights = fake_run.make({"hcrl-sa": "real", "set_01": "real"})
    first, *rest = tables["datasets"].to_pylist()
    same = next(row for row in rest if row["dataset"] == first["dataset"])
    other = next(row for row in rest if row["dataset"] != first["dataset"])
    question, listed = "No content stands in a dataset twice", f"{len(rest) + 1} captures, "

    def answer(name: str, twin: dict) -> str:
        copied = [row | {"sha256": first["sha256"]} if row is twin else row for row in rest]
        return answers(
            freeze.freeze(name, tables | {"datasets": records.table("datasets", [first, *copied])}, weights)
        )[question]

    assert answer("apart", other) == f"Yes: {listed}{len(rest) + 1} contents, counted by dataset"
    assert answer("twins", same) == f"No: {listed}{len(rest)} contents, counted by dataset"


def test_every_capture_layer_and_run_has_its_row(shared_release):
    assert len(rows(appendix.capture_table(shared_release))) == shared_release.table("datasets").num_rows
    text = appendix.run_table(shared_release)
    for run in shared_release.table("runs").to_pylist():
        (line,) = (r for r in rows(text) if r[1] == run["model"] and r[2] in (run["dataset"], "1"))
        at = [cell.strip() for cell in text.splitlines()[0].strip("| ").split(" | ")].index(f"Seed {run['seed']}")
        task = run["run"].removeprefix(f"{FLOW}/").removesuffix(f"/{run['model']}")
        assert line[at] == f"`{task}` {run['seconds']:.0f} s"
    header, *_ = appendix.layer_table(shared_release).splitlines()
    at = [cell.strip() for cell in header.strip("| ").split(" | ")].index("GAT student")
    layers = {row[0]: row[at] for row in rows(appendix.layer_table(shared_release))}
    assert (layers["`encoder`"], layers["`head`"], layers["*all*"]) == ("800", "200", "**1,000**")


def test_numbers_name_their_runs_as_the_run_table_counts_them(shared_release):
    key = "hcrl_sa.test_01.gat_student.zero_shot.f1"
    (row,) = rows(appendix.number_table(shared_release, [key]))
    trained = [line[0] for line in rows(appendix.run_table(shared_release)) if line[1] == "gat-student"]
    numbers = [int(n) for part in row[-1].split(", ") for n in range(*_ends(part))]
    assert sorted(numbers) == sorted(map(int, trained))


def _ends(part: str) -> tuple[int, int]:
    first, *last = re.findall(r"\d+", part)
    return int(first), int(last[0] if last else first) + 1


def test_a_column_without_any_content_is_left_out():
    assert results.markdown(["a", "b", "c"], [["1", "", "3"], ["4", "", "6"]], left=2) == (
        "| a | c |\n| :-- | --: |\n| 1 | 3 |\n| 4 | 6 |"
    )
    assert "| a | b |" in results.markdown(["a", "b"], [["1", ""], ["2", "x"]])
    assert results.markdown(["a", "b"], []) == "| a | b |\n| :-- | --: |\n| not covered by this release | n/a |"


def test_the_schedule_names_copies_where_there_are_some(run, frozen):
    tables, weights = run
    header = lambda release: appendix.schedule_table(release).splitlines()[0]  # noqa: E731
    assert header(freeze.freeze("without", tables, weights)).endswith("| F1 of a timer |")
    listed = tables["datasets"].to_pylist()
    attacked = [r for r in listed if r["split"] != "train" and r["injected"]]
    rows = [r | {"duplicate_of": "another.csv"} if r == attacked[-1] else r for r in listed]
    release = freeze.freeze("with", tables | {"datasets": records.table("datasets", rows)}, weights)
    assert header(release).endswith("| F1 of a timer | Same content as |")


def test_ranges():
    assert appendix.ranges([3, 1, 2, 7]) == "1–3, 7"
    assert appendix.ranges([]) == ""


def test_the_table_of_captures_holds_what_the_release_covers(shared_release):
    cells = {row[0]: row for row in rows(results.dataset_table(shared_release))}
    assert "hcrl-ch" not in cells  # the checklist names what the release does not cover
    assert "hcrl-sa" in cells


def test_hyper_parameters_that_a_run_has_alone_are_named_with_its_line(run, frozen):
    tables, weights = run
    config = override(fake_run.CONFIG, {"training.epochs": 1})
    ablation = tables["runs"].to_pylist()[0] | {
        "run": "AblationFlow/2/variant/1",
        "flow_run": "AblationFlow/2",
        "config": config.canonical(),
        "config_hash": config.hash(),
        "stage": "ablation",
        "model": "gat-student (width: 4)",
    }
    settings = [{"run": ablation["run"], "name": k, "value": json.dumps(v)} for k, v in config.flat().items()]
    changed = tables | {
        "runs": records.table("runs", [*tables["runs"].to_pylist(), ablation]),
        "hyperparameters": records.table("hyperparameters", [*tables["hyperparameters"].to_pylist(), *settings]),
    }
    release = freeze.freeze("ablated", changed, weights)
    (number,) = (row[0] for row in rows(appendix.run_table(release)) if row[1] == ablation["model"])
    assert rows(appendix.departures_table(release)) == [["`training.epochs`", "`1`", number]]
