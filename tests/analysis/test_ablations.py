"""Ablations: cells and sentence follow the intervals, and every cell is a number of the release."""

from __future__ import annotations

import pytest

from analysis.numbers import Numbers, trace
from analysis.releases.release import Release
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
    numbers = Numbers(shared_release)
    keys = results.names(ablations.table(shared_release))
    assert len(keys) == 16
    for key in keys:
        (row,) = shared_release.rows(numbers[key].query)
        assert next(iter(row.values())) == pytest.approx(numbers[key].value)
        assert trace.document(numbers, [key])["numbers"][key]["runs"]


def test_a_release_without_ablations_says_so(run, frozen):
    from analysis.freeze import freeze

    tables, weights = run
    release = freeze("bare", {name: table for name, table in tables.items() if name != "ablations"}, weights)
    assert "not covered by this release" in ablations.table(release)


def test_of_the_payload_columns_two_effects_stay_resolved_both_of_the_student_on_single_forged_frames() -> None:
    rows = Release.open("paper-9").rows(
        "select factor, scenario, protocol, metric, difference < 0 as lost from ablations "
        "where dataset = 'universal-without-platform' and p_holm < 0.05 order by protocol"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("payload columns of frames", "set_04-test_02", protocol, "f1", True)
        for protocol in ("calibrated", "contaminated")
    ]
