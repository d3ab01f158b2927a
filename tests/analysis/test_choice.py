"""Numbers from the choice of the settings: their values, and which releases may show them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.numbers import choice
from analysis.numbers.values import Numbers
from analysis.releases.release import Release
from analysis.tables.registry import table
from kdgat import presets
from kdgat.config import override
from kdgat.errors import KdgatError
from kdgat.presets import CHOICE, PRESETS, THRESHOLDS, settings_lines

TEXT = CHOICE.read_text()


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Put another choice in place of the committed one."""

    def write(text: str | bytes) -> Path:
        monkeypatch.setattr(presets, "CHOICE", tmp_path / "choice.toml")
        (tmp_path / "choice.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        choice.document.cache_clear()
        return tmp_path / "choice.toml"

    yield write
    choice.document.cache_clear()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("", "candidate: Field required"),
        ("candidate = 'x'\nsettings = 5\n", "config_hash: Field required"),
        (TEXT.encode() + b"# \xff\n", f"is not UTF-8: byte {len(TEXT.encode()) + 2}"),
        (TEXT + "[[points\n", "Expected"),
        (TEXT.replace("[settings]", "[other]"), "settings: Field required"),
        (TEXT.replace('candidate = "timing-driven-parked"', 'candidate = "nosuch"', 1), "has no candidate 'nosuch'"),
        (TEXT.replace('name = "0.3 %"', 'name = "0.4 %"'), "has no threshold '0.3 %'"),
        (re.sub("chosen = .*", 'chosen = "yesterday"', TEXT), "chosen: Input should be a valid datetime"),
        (re.sub("chosen = .*", "chosen = 2026-11-28T18:24:12", TEXT), "chosen: Input should have timezone info"),
        (
            TEXT.replace('"augmentation.parked" = 0.5', '"augmentation.parked" = 5'),
            "setting augmentation.parked: .*got 5",
        ),
        (TEXT.replace('"false_alarm_rate" = 0.003', ""), "its settings have no threshold of half"),
        (TEXT.replace('"alarm" =', '"alarms" ='), "no setting is called 'alarms'"),
        (TEXT.replace("cut evade_before · zero", "cut · zero"), "ranking.0.recall|screening.0.recall"),
        (re.sub('"soul cut dos · zero-shot" = .*\n', "", TEXT), "the cases of '.*' have the mean"),
        (re.sub('("soul cut dos · zero-shot") = .*', r"\1 = 0.1", TEXT), "the cases of '.*' have the mean"),
        (TEXT + "x = " + 6000 * "[", "recursion"),
    ],
)
def test_a_choice_that_cannot_be_read_is_named_in_one_line(written, wrong: str | bytes, reason: str) -> None:
    written(wrong)
    for read in (choice.document, lambda: presets.preset("paper"), lambda: presets.preset("demo")):
        with pytest.raises(KdgatError, match=rf"choice\.toml.*({reason}).*`kdgat select` writes it"):
            read()


@pytest.mark.parametrize(("rule", "alarms"), [("half", 2326.2138), ("best-f1", 1668.8831), ("1 %", 287.6565)])
def test_the_point_of_any_threshold_that_is_chosen_is_found(written, rule: str, alarms: float) -> None:
    settings = dict(presets.choice()[0].settings)
    del settings["false_alarm_rate"]
    settings |= THRESHOLDS[rule]
    text = TEXT.replace('"false_alarm_rate" = 0.003', "\n".join(settings_lines(THRESHOLDS[rule])[1:]))
    written(re.sub("config_hash = .*", f'config_hash = "{override(PRESETS["paper"], settings).hash()}"', text))
    point = choice.document().point
    assert (point.name, point.alarms) == (rule, alarms)


def test_a_recall_of_the_choice_is_the_mean_over_the_cars_left_out() -> None:
    cases = [
        choice.document().winner.recall[f"{car} cut evade_doubled · zero-shot"]
        for car in ("soul", "sonata", "impala", "traverse")
    ]
    number = Numbers(Release.open())["choice.evade_doubled.recorded.zero_shot"]
    assert number.value == pytest.approx(sum(cases) / 4) and f"[{number.value:.3f}]" in number.text
    assert "data/choice.toml" in number.query and choice.document().candidate in number.query


def test_each_attack_on_virtual_cars_was_judged_on_four_cars_but_midpoints_on_recorded_traffic() -> None:
    cars: dict[tuple[str, str], set[str]] = {}
    for case in choice.document().winner.recall:
        car, source, kind = case.partition(" · ")[0].split(" ")
        if source in ("cut", "drawn"):
            cars.setdefault((source, kind), set()).add(car)
    fewer = {place: sorted(of) for place, of in cars.items() if len(of) != 4}
    assert fewer == {("cut", "evade_midpoint"): ["impala", "sonata", "traverse"]}


def test_no_test_capture_was_scored_with_the_choice_that_was_discarded() -> None:
    made = "2026-11-28T16:58:30Z"  # `chosen` of data/choice.toml at commit 19f9349; b5fa083 took it back
    replaced = choice.document().chosen.strftime("%Y-%m-%dT%H:%M:%SZ")
    times = Release.open().table("readings")["time"].to_pylist()
    assert min(times) < made < replaced < max(times)
    assert not [time for time in times if made <= time <= replaced]


def test_releases_of_other_settings_do_not_show_them() -> None:
    older = Numbers(Release.open("paper-3"))
    keys = older.keys()
    assert keys and not any(key.startswith("choice.") for key in keys)
    with pytest.raises(KdgatError, match="has no number"):
        older["choice.evade_doubled.recorded.zero_shot"]
    for label in ("tbl-evaders", "tbl-choice"):
        header, _, *rows = table(label, "paper-3").splitlines()
        assert rows == ["| not covered by this release" + " | n/a" * (header.count("|") - 2) + " |"]
