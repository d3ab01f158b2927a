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


def test_releases_of_other_settings_do_not_show_them() -> None:
    older = Numbers(Release.open("paper-3"))
    keys = older.keys()
    assert keys and not any(key.startswith("choice.") for key in keys)
    with pytest.raises(KdgatError, match="has no number"):
        older["choice.evade_doubled.recorded.zero_shot"]
    for label in ("tbl-evaders", "tbl-choice"):
        header, _, *rows = table(label, "paper-3").splitlines()
        assert rows == ["| not covered by this release" + " | n/a" * (header.count("|") - 2) + " |"]
