"""Ablations: cells and sentence follow the intervals, and every cell is a number of the release."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from analysis.claims import statements
from analysis.claims.sentences import Sentences
from analysis.numbers import trace
from analysis.tables import ablations, results

ROW = {
    "dataset": "d",
    "difference": 0.0,
    "protocol": "zero-shot",
    "metric": "f1",
    "factor": "edges",
    "reference": False,
}


def test_the_table_marks_what_the_interval_tells_apart(shared_release):
    rows = {line.split(" | ")[1]: line for line in ablations.table(shared_release).splitlines()[2:]}
    assert rows["off"].count("**[−0.100]") == 4
    assert "[+0.010]" in rows["hashed"] and "**" not in rows["hashed"]
    assert rows["on (reference)"].count("0.900") == 4
    assert "minus_reference" not in rows["on (reference)"]


def test_its_numbers_are_recomputed_from_the_release(shared_release):
    numbers = Sentences(shared_release)
    keys = results.names(ablations.table(shared_release))
    assert len(keys) == 16
    for key in keys:
        (found,) = shared_release.rows(numbers[key].query)
        assert next(iter(found.values())) == pytest.approx(numbers[key].value)
        assert trace.document(numbers, [key])["numbers"][key]["runs"]


def sentence(*rows: tuple[str, float, float]) -> str:
    made = [
        ROW | {"scenario": f"test_{i:02}", "level": level, "difference_low": low, "difference_high": high}
        for i, (level, low, high) in enumerate(rows)
    ]
    table = SimpleNamespace(to_pylist=lambda: made)
    return statements.ablations(Given(main_dataset="d", release=SimpleNamespace(table=lambda name: table)))


class Given(SimpleNamespace):
    """Numbers of a release that defines the differences of one level."""

    def __contains__(self, key: str) -> bool:
        return key.split(".")[3] in ("odd",)

    def with_interval(self, key: str) -> str:
        return key.split(".")[3]


def test_the_sentence_turns_with_the_signs():
    text = sentence(("off", -0.2, -0.1), ("few", 0.1, 0.2), ("odd", -0.2, -0.1), ("odd", 0.1, 0.2), ("same", -0.1, 0.1))
    assert text == (
        "Of 4 changes to the GAT student, judged zero-shot, 1 lower F1 in some scenario and raise it in none, 1 raise it in some "
        "and lower it in none, 1 lower it in one and raise it in another and 1 cannot be told from the reference. "
        "The largest loss is odd in test 02, for *edges: odd*; the largest gain is odd in test 03, for *edges: odd*."
    )
    assert "largest" not in sentence(("odd", -0.1, 0.1))
    assert sentence() == "This release holds no ablations."


def test_a_release_without_ablations_says_so(run, frozen):
    from analysis.freeze import freeze

    found, weights = run
    release = freeze("bare", {name: table for name, table in found.items() if name != "ablations"}, weights)
    assert "not covered by this release" in ablations.table(release)
    assert statements.ablations(Sentences(release)) == "This release holds no ablations."
