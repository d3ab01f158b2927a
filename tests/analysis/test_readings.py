"""Readings of the test folders: counted from the log, kept in the manifest, said in the paper."""

from __future__ import annotations

import json

import pytest

from analysis import freeze, phrases, readings
from analysis.numbers import Numbers
from kdgat.errors import KdgatError


def line(run: str, config: str, time: str = "2026-01-01T00:00:00Z") -> str:
    return json.dumps(
        {"time": time, "config": config, "commit": "c", "run": run, "capture": "a", "scenario": "test_01"}
    )


@pytest.fixture
def log(tmp_path):
    path = tmp_path / readings.LOG
    lines = [line("F/1/evaluate/7", "a"), line("F/1/evaluate/7", "a"), line("F/1/evaluate/8", "a")]
    lines += [line("F/2/evaluate/9", "b", "2026-01-02T00:00:00Z"), line("F/3/evaluate/1", "c")]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_all_readings_up_to_the_releases_own_count(log):
    counted = readings.count(log, ["F/2"])
    assert counted == {
        "evaluations": 3, "configurations": 2, "commits": 1, "first": "2026-01-01T00:00:00Z", "last": "2026-01-02T00:00:00Z",
    }  # fmt: skip
    assert readings.count(log, ["F/1"])["evaluations"] == 2, "what came later does not change an older release"
    assert readings.count(log, ["F/9"]) is None
    assert readings.count(log.with_name("none"), ["F/1"]) is None


def test_a_broken_log_is_named(log):
    log.write_text(log.read_text() + "{}\n")
    with pytest.raises(KdgatError, match=r"test-readings.jsonl, line 6"):
        readings.count(log, ["F/1"])


def test_the_sentence_follows_the_manifest(run, log, frozen):
    counted = readings.count(log, ["F/2"])
    known = freeze.freeze("known", *run, test_readings=counted)
    unknown = freeze.freeze("unknown", *run)
    text = phrases.readings(Numbers(known))
    assert "3 evaluations" in text and "2 configurations at 1 commit," in text and "2026-01-01" in text
    assert "no count was kept" in phrases.readings(Numbers(unknown))
