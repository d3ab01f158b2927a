"""Paired differences: against counting by hand, and the words that their intervals allow."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest

from analysis.numbers import Numbers, effects
from analysis.numbers.effects import Effects, windows_of
from analysis.tables import results
from kdgat.evaluation.bootstrap import block_weights


@pytest.mark.parametrize(
    ("low", "high", "phrase"),
    [(0.01, 0.02, "improves on"), (-0.02, -0.01, "falls short of"), (-0.01, 0.02, "cannot be told from"),
     (0.0, 0.02, "cannot be told from"), (0.0, 0.0, "cannot be told from")],
)  # fmt: skip
def test_the_interval_chooses_the_words(low, high, phrase):
    assert effects.phrase(low, high) == phrase


def test_the_difference_is_that_of_the_metrics(shared_release):
    effect = Effects(shared_release).f1(
        "hcrl-sa", "test_02", ("gat-student", "zero-shot"), ("vgae-student", "zero-shot")
    )
    means = {
        r["model"]: r["mean"]
        for r in shared_release.table("summary").to_pylist()
        if (r["scenario"], r["attack"], r["protocol"], r["metric"]) == ("test_02", "all", "zero-shot", "f1")
    }
    assert effect.value == pytest.approx(means["gat-student"] - means["vgae-student"], abs=1e-6)
    assert effect.low < effect.value < effect.high
    assert effects.phrase(effect.low, effect.high) == "improves on"


def test_a_model_cannot_be_told_from_itself_and_sides_exchange_signs(shared_release):
    effects = Effects(shared_release)
    a, b = ("gat-student", "zero-shot"), ("vgae-student", "zero-shot")
    same = effects.f1("hcrl-sa", "test_01", a, a)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    there, back = effects.f1("hcrl-sa", "test_01", a, b), effects.f1("hcrl-sa", "test_01", b, a)
    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high)


def test_blocks_keep_each_recording_whole():
    rows = [
        {"capture": c, "window": i, "t0": 0.5 * i, "duration": 0.5, "injected": 0, "attack": "benign"}
        for c, n in (("a", 20), ("b", 7))
        for i in range(n)
    ]
    weights = block_weights(windows_of(pa.Table.from_pylist(rows)), 50, np.random.default_rng(7))
    assert (weights[:, :20].sum(1) == 20).all() and (weights[:, 20:].sum(1) == 7).all()
    # blocks of two seconds are four windows: what is drawn is drawn with its neighbours
    neighbours = np.minimum(weights[:, :20], np.roll(weights[:, :20], 1, 1)).sum(1)
    assert neighbours.mean() > 0.6 * 20


def test_keys_of_differences_and_their_table(shared_release):
    numbers = Numbers(shared_release)
    minus = numbers["hcrl_sa.test_02.fusion_dqn_student_minus_vgae_student.zero_shot.f1"]
    assert re.fullmatch(r"\+0\.\d{3}", minus.text) and re.fullmatch(r"\+0\.\d{3} to \+0\.\d{3}", minus.interval)
    assert numbers["hcrl_sa.test_02.fusion_dqn_student_vs_vgae_student.zero_shot.f1"].text == "improves on"
    assert numbers["hcrl_sa.test_02.gat_student.calibrated_minus_zero_shot.f1"].n_seeds == 2
    lines = results.effect_table(shared_release, baseline="vgae-student").splitlines()
    assert len(lines) == 2 + 4 * 2


def test_differences_that_the_release_holds_are_told_as_it_corrected_them(shared_release):
    numbers = Numbers(shared_release)
    rows = [r for r in shared_release.table("differences").to_pylist() if r["metric"] == "f1"]
    assert rows
    for row in rows:
        key = ".".join(
            s.lower().replace("-", "_")
            for s in (row["dataset"], row["scenario"], f"{row['model']}_vs_{row['other']}", row["protocol"], "f1")
        )
        words = {"more": "improves on", "less": "falls short of"}.get(row["verdict"], "cannot be told from")
        assert numbers[key].text == words, row
        assert numbers[key.replace("_vs_", "_minus_")].value == row["difference"]
