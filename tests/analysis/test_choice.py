"""Numbers from the choice of the settings: their values, and which releases may show them."""

from __future__ import annotations

import pytest

from analysis.numbers import choice
from analysis.numbers.values import Numbers
from analysis.releases.release import Release
from analysis.tables.registry import table
from kdgat.errors import KdgatError


def test_a_recall_of_the_choice_is_the_mean_over_the_cars_left_out() -> None:
    (chosen,) = (row for row in choice.document()["ranking"] if row["candidate"] == choice.document()["candidate"])
    cases = [
        chosen["recall"][f"{car} cut evade_doubled · zero-shot"] for car in ("soul", "sonata", "impala", "traverse")
    ]
    number = Numbers(Release.open())["choice.evade_doubled.recorded.zero_shot"]
    assert number.value == pytest.approx(sum(cases) / 4) and f"[{number.value:.3f}]" in number.text
    assert "data/choice.toml" in number.query and choice.document()["candidate"] in number.query


def test_each_attack_on_virtual_cars_was_judged_on_four_cars_but_midpoints_on_recorded_traffic() -> None:
    (chosen,) = (row for row in choice.document()["ranking"] if row["candidate"] == choice.document()["candidate"])
    cars: dict[tuple[str, str], set[str]] = {}
    for case in chosen["recall"]:
        car, source, kind = case.partition(" · ")[0].split(" ")
        if source in ("cut", "drawn"):
            cars.setdefault((source, kind), set()).add(car)
    fewer = {place: sorted(of) for place, of in cars.items() if len(of) != 4}
    assert fewer == {("cut", "evade_midpoint"): ["impala", "sonata", "traverse"]}


def test_no_test_capture_was_scored_with_the_choice_that_was_discarded() -> None:
    readings = Release.open().table("readings").to_pylist()
    # of the preset `paper` as data/choice.toml of commit 19f9349 made it
    discarded = "157298afff7c75f70d2f0a53ba08264a92474040194fa8f8d7a6e92ff1734cf7"
    hashes = {row["config_hash"] for row in readings}
    assert discarded not in hashes and choice.document()["config_hash"] in hashes


def test_releases_of_other_settings_do_not_show_them() -> None:
    older = Numbers(Release.open("paper-3"))
    keys = older.keys()
    assert keys and not any(key.startswith("choice.") for key in keys)
    with pytest.raises(KdgatError, match="has no number"):
        older["choice.evade_doubled.recorded.zero_shot"]
    for label in ("tbl-evaders", "tbl-choice"):
        header, _, *rows = table(label, "paper-3").splitlines()
        assert rows == ["| not covered by this release" + " | n/a" * (header.count("|") - 2) + " |"]
