"""Sentences follow the numbers: turned results turn the words."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from analysis import freeze
from analysis.claims import phrases, statements, wording
from analysis.claims.sentences import Sentences
from analysis.numbers import Number, Numbers
from analysis.tables import results
from kdgat import records


class Fake:
    """Numbers given by key; scenarios test_01 and test_02 of one dataset."""

    main_dataset = "hcrl-sa"

    def __init__(self, values: dict[str, tuple[float, float, float]]) -> None:
        self.values = values
        rows = [{"dataset": "hcrl-sa", "scenario": s, "attack": "all"} for s in ("test_01", "test_02", "validation")]
        self.release = SimpleNamespace(
            table=lambda name: SimpleNamespace(to_pylist=lambda: rows if name == "summary" else []),
            rows=lambda sql: [{"evaluations": 0}],
            manifest={},
        )

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def __getitem__(self, key: str) -> Number:
        value, low, high = self.values[key]
        return Number(key, str(value), value, "", low, high)

    def markdown(self, key: str) -> str:
        return f"[{self.values[key][0]}]{{.num data-key={key}}}"

    def with_interval(self, key: str) -> str:
        return f"{self.markdown(key)} ({self[key].interval})"


def differences(first: tuple[float, float, float], second: tuple[float, float, float]) -> Fake:
    pair = "gat_student_minus_gbm_baseline.zero_shot.f1"
    return Fake({f"main.test_01.{pair}": first, f"main.test_02.{pair}": second})


@pytest.mark.parametrize(
    ("interval", "word"), [((0.1, 0.05, 0.2), "ahead"), ((-0.1, -0.2, -0.05), "behind"), ((0.1, -0.1, 0.2), "level")]
)
def test_the_interval_of_a_difference_decides_not_its_value(interval, word):
    assert wording.sign(Number("k", "", interval[0], "", *interval[1:])) == word
    assert wording.sign(Number("k", "", interval[0], "")) == "level"


def test_the_baseline_sentence_turns_with_the_sign():
    better, worse, even = (0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), (0.0, -0.1, 0.1)
    assert "is ahead in test 01" in phrases.baseline(differences(better, even))
    assert "is behind in test 01" in phrases.baseline(differences(worse, even))
    assert "cannot be told from it in any scenario" in phrases.baseline(differences(even, even))
    mixed = phrases.baseline(differences(better, worse))
    assert "ahead in test 01" in mixed
    assert "behind in test 02" in mixed
    assert "data-key=main.test_02.gat_student_minus_gbm_baseline.zero_shot.f1" in mixed


def test_the_worst_scenario_is_found_and_compared_with_the_known_car():
    f1 = "gat_student.zero_shot.f1"
    apart = Fake({f"main.test_01.{f1}": (0.9, 0.8, 0.95), f"main.test_02.{f1}": (0.5, 0.4, 0.6)})
    assert "test 02; its interval lies under that of the known vehicle" in phrases.worst(apart)
    close = Fake({f"main.test_01.{f1}": (0.9, 0.8, 0.95), f"main.test_02.{f1}": (0.85, 0.7, 0.9)})
    assert "overlaps" in phrases.worst(close)


def test_ranking_and_operating_point_are_told_apart():
    f1, auc = "gat_student.zero_shot.f1", "gat_student.zero_shot.roc_auc"
    known = {f"main.test_01.{f1}": (0.9, 0.8, 0.95), f"main.test_01.{auc}": (0.99, 0.98, 1.0)}
    low, level, under = (0.5, 0.4, 0.6), (0.985, 0.97, 1.0), (0.8, 0.7, 0.9)
    kept = phrases.ranking(Fake(known | {f"main.test_02.{f1}": low, f"main.test_02.{auc}": level}))
    assert "cannot be told from that of the known vehicle in test 02 ([0.985]" in kept
    assert "the operating point does not" in kept
    lost = phrases.ranking(Fake(known | {f"main.test_02.{f1}": low, f"main.test_02.{auc}": under}))
    assert "that area too lies under that of the known vehicle in test 02" in lost
    assert "operating point" not in lost
    fine = phrases.ranking(Fake(known | {f"main.test_02.{f1}": (0.9, 0.8, 0.95), f"main.test_02.{auc}": under}))
    assert fine.startswith("In no other scenario does the F1 of the GAT student lie under")


def test_the_answers_follow_the_intervals():
    def fake(zero_shot: tuple[float, float, float], difference: tuple[float, float, float]) -> Fake:
        key = "main.test_{}.gat_student.{}.f1"
        known = {key.format("01", p): (0.9, 0.8, 0.95) for p in ("zero_shot", "calibrated")}
        other = {key.format("02", "zero_shot"): zero_shot, key.format("02", "calibrated"): (0.9, 0.8, 0.95)}
        against = {"main.test_02.gat_student_minus_gbm_baseline.zero_shot.f1": difference}
        return Fake(known | other | against)

    text = phrases.answers(fake((0.5, 0.4, 0.6), (0.2, 0.1, 0.3)))
    assert "lies under that of the known vehicle in test 02, with one in no scenario." in text
    assert "Compared with gradient boosting, the student is ahead in test 02." in text
    text = phrases.answers(fake((0.9, 0.8, 0.95), (0.0, -0.1, 0.1)))
    assert "known vehicle in no scenario, with one in no scenario." in text
    assert "the student is level in test 02." in text


def test_operating_points_say_where_they_came_from():
    rows = [
        {"model": "gat-teacher", "source": "none, fixed at 0.5"},
        {"model": "gat-student", "source": "none, fixed at 0.5"},
        {"model": "vgae-student", "source": "benign validation, false-positive rate 0.01"},
        {"model": "odd", "source": "a dream"},
    ]
    table = SimpleNamespace(to_pylist=lambda: rows)
    text = statements.operating_points(SimpleNamespace(release=SimpleNamespace(table=lambda name: table)))
    assert "The threshold is fixed at 0.5 for the classifier; it is fitted on a dream for odd; it is" in text
    assert "a share of 0.01 of the benign validation windows reaches for the autoencoder." in text


def test_attributions_are_counted_in_the_release(shared_release):
    numbers = Sentences(shared_release)
    found = {key: numbers[key] for key in Numbers.keys(numbers) if ".explanations." in key}
    assert found
    for key, number in found.items():
        assert shared_release.rows(number.query)[0]["value"] == number.value, key
        assert 0 <= number.value <= (1 if key.endswith(("identifiers", "attribution")) else 1000)
    assert "identifiers with injected frames are [" in statements.explanations(numbers)


def test_published_values_are_placed_by_the_interval():
    f1 = "gat_student.zero_shot.f1"
    text = phrases.published(Fake({f"main.test_01.{f1}": (0.9, 0.8, 0.95), f"main.test_02.{f1}": (0.6, 0.5, 0.7)}))
    assert "lies under it in test 01" in text
    assert "holds it in test 02" in text


def test_what_did_not_work_is_what_is_ahead_nowhere_or_behind_somewhere():
    better, worse, even = (0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), (0.0, -0.1, 0.1)
    assert "the student, compared with gradient boosting, is behind it in test 02" in phrases.failures(
        differences(better, worse)
    )
    assert "ahead of gradient boosting in no scenario and behind it in test 01" in phrases.failures(
        differences(worse, even)
    )
    assert "ahead of gradient boosting in no scenario." in phrases.failures(differences(even, even))
    assert phrases.failures(differences(better, even)).startswith("No part that is compared")


def test_latency_is_told_where_it_was_measured(shared_release):
    text = statements.latency(Sentences(shared_release))
    assert 'data-key="benchmarks.latency_window_p99"' in text and "(fake machine, 2 cores)" in text
    rows = results.latency_table(shared_release).splitlines()
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| features", "| GAT student", "| whole window"]


@pytest.mark.parametrize("sentence", phrases.ALL.values(), ids=phrases.ALL)
def test_every_sentence_says_so_where_the_release_has_nothing(sentence):
    text = sentence(Fake({}))
    assert text.endswith(".")
    assert "[" not in text


def test_words_are_enumerated():
    assert [wording.enumerate_words(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]


def test_readings_of_the_test_folders_are_counted(run, frozen):
    found, weights = run

    def row(reader: str, config: str, capture: str = "a") -> dict:
        return {
            "dataset": "hcrl-sa", "scenario": "test_01", "capture": capture, "time": "2026-01-01T00:00:00Z",
            "reader": reader, "config_hash": config, "commit": "c",
        }  # fmt: skip

    rows = [
        row("F/1/evaluate/7", "a"),
        row("F/1/evaluate/7", "a", "b"),
        row("F/1/evaluate/8", "a"),
        row("F/2/evaluate/9", "b"),
    ]
    known = freeze.freeze("known", found | {"readings": records.table("readings", rows)}, weights)
    unknown = freeze.freeze("unknown", found | {"readings": records.table("readings", [])}, weights)
    text = statements.readings(Sentences(known))
    assert "3 evaluations" in text and "2 configurations at 1 commit," in text and "2026-01-01" in text
    assert "no count was kept" in statements.readings(Sentences(unknown))
