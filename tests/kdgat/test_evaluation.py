"""Metrics, operating points, intervals: against definitions and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from kdgat.errors import KdgatError
from kdgat.evaluation import metrics
from kdgat.evaluation.bootstrap import block_weights, intervals, weighted_metrics
from kdgat.evaluation.metrics import f1_score, poisson_high, score
from kdgat.evaluation.scored import ScoredWindows
from kdgat.evaluation.summary import Scored, metric_rows, summary_rows
from kdgat.evaluation.thresholds import BenignCDF, best_f1, by_protocol, false_positive_rate


def windows(y: np.ndarray, recordings: int = 2, seconds: float = 0.05) -> ScoredWindows:
    n = len(y)
    recording = np.arange(n) * recordings // n
    window = np.arange(n) - np.searchsorted(recording, recording)
    return ScoredWindows(recording, window, window * seconds, np.full(n, seconds), y * 7, np.where(y, "dos", "benign"))


def drawn(n: int = 800, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (np.sin(np.arange(n) / 30) > 0.3).astype(int)
    return y, np.round(np.clip(0.3 * y + 0.7 * rng.random(n), 0, 1), 2)  # rounded: ties


def test_metrics_equal_scikit_learn() -> None:
    y, s = drawn()
    out = {k: v for k, (v, _) in score(windows(y), s, 0.5).items()}
    alarm = s >= 0.5
    assert out["f1"] == pytest.approx(sk.f1_score(y, alarm))
    assert out["precision"] == pytest.approx(sk.precision_score(y, alarm))
    assert out["recall"] == pytest.approx(sk.recall_score(y, alarm))
    assert out["false_alarms"] == np.sum(alarm & (y == 0))
    weighted = weighted_metrics(np.ones((1, len(y)), np.float32), y, s, 0.5)
    for name in ("f1", "precision", "recall", "mcc", "roc_auc", "pr_auc"):
        assert weighted[name][0] == pytest.approx(out[name], abs=1e-6), name


def test_one_class_is_not_applicable() -> None:
    s = np.linspace(0, 1, 50)
    benign = score(windows(np.zeros(50, int)), s, 0.5)
    for name in ("f1", "precision", "recall", "mcc", "roc_auc", "pr_auc", "tpr_at_fpr_1pct", "event_recall"):
        assert benign[name][0] is None, name
    assert benign["false_alarms"][0] == 25
    attacked = score(windows(np.ones(50, int)), s, 0.5)
    assert attacked["roc_auc"][0] is None and attacked["false_alarms_per_hour"][0] is None
    assert attacked["recall"][0] == 0.5


def test_permille_needs_three_thousand_benign_windows() -> None:
    y, s = drawn(4000)
    assert score(windows(y), s, 0.5)["tpr_at_fpr_0_1pct"][0] is None
    few = np.zeros(4000, int)
    few[:100] = 1
    assert score(windows(few), s, 0.5)["tpr_at_fpr_0_1pct"][0] is not None


def test_segments_end_with_their_recording_and_delay_counts_from_the_first_attacked_window() -> None:
    y = np.zeros(200, int)
    y[20:40] = y[90:110] = y[150:160] = 1  # the second crosses from recording 0 to 1 at window 100
    w = windows(y)
    assert w.segments().max() + 1 == 4
    s = np.zeros(200)
    s[25] = s[150] = 1
    out = score(w, s, 0.5)
    assert out["event_recall"] == (0.5, 4)
    assert out["detection_delay"][0] == pytest.approx(np.median([6 * 0.05, 0.05]))


def test_poisson_bound_is_exact() -> None:
    from scipy.stats import poisson

    for count in (0, 3, 20):
        high = poisson_high(count, 60.0)
        assert poisson.cdf(count, high) == pytest.approx(0.05, abs=1e-9)
    assert poisson_high(0, 60.0) == pytest.approx(2.9957, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=60).filter(
        lambda r: any(y for y, _ in r)
    )
)
@example([(False, 1), (False, 2), (False, 3), (True, 2), (True, 4)])  # two best thresholds with a worse one between
def test_best_f1_is_the_best(rows: list[tuple[bool, int]]) -> None:
    y, s = np.array([r[0] for r in rows], int), np.array([r[1] for r in rows]) / 20
    got = f1_score(y, s >= best_f1(y, s).threshold)
    assert got >= max(f1_score(y, s >= t) for t in np.unique(s)) - 1e-9


def test_a_threshold_lies_in_the_middle_of_the_gap() -> None:
    y, s = np.array([0] * 50 + [1] * 50), np.array([0.01] * 50 + [0.99] * 50)
    assert best_f1(y, s).threshold == pytest.approx(0.5, abs=0.01)
    with pytest.raises(KdgatError, match="attacked"):
        best_f1(np.zeros(5, int), np.zeros(5))


def test_an_unresolvable_rate_is_refused_with_the_minutes_needed() -> None:
    benign = np.linspace(0, 1, 1000)
    point = false_positive_rate(benign, 0.01, 60.0)
    assert np.mean(point.alarms(benign)) <= 0.01
    with pytest.raises(KdgatError, match=r"3000 benign windows \(about 3\.0 minutes"):
        false_positive_rate(benign, 0.001, 60.0)


def test_protocols_have_their_own_points() -> None:
    y, s = drawn()
    has = np.arange(len(y)) % 2 == 0
    points = by_protocol(lambda m: best_f1(y[m], s[m]), has)
    assert points["zero-shot"] == best_f1(y[~has], s[~has])
    assert points["calibrated"] == points["contaminated"] == best_f1(y[has], s[has])
    assert set(by_protocol(lambda m: best_f1(y[m], s[m]), np.zeros(len(y), bool))) == {"zero-shot"}


def test_calibrated_score_does_not_saturate() -> None:
    cdf = BenignCDF.fit(np.random.default_rng(0).normal(size=500))
    errors = np.linspace(-5, 1e4, 2001)
    out = cdf(errors)
    assert np.all(np.diff(out) >= 0) and out.min() >= 0 and out.max() < 1
    beyond = cdf(np.array([1e1, 1e2, 1e3, 1e4]))
    assert len(np.unique(beyond.astype(np.float32))) == 4


def test_blocks_stay_in_their_recording() -> None:
    y, s = drawn()
    w = windows(y)
    weights = block_weights(w, 50, np.random.default_rng(0))
    for recording in (0, 1):
        assert np.all(weights[:, w.recording == recording].sum(1) == np.sum(w.recording == recording))
    # two seconds are 40 windows: neighbours share their fate far more often than under independent draws
    together = np.mean(weights[:, :-1] == weights[:, 1:])
    assert together > 0.9
    low, high = intervals(weights, y, [s, s], [0.5, 0.5], 0)["f1"]
    assert low < f1_score(y, s >= 0.5) < high


def test_a_seed_without_a_value_leaves_no_mean() -> None:
    y, s = drawn()
    w = windows(y)

    def scored(seed: int, scores: np.ndarray) -> Scored:
        return Scored("d", "test_01", "zero-shot", seed, ("a", "b"), w, {"m": scores}, {"m": 0.5}, {"m": f"r{seed}"})

    both = [scored(0, s), scored(1, np.zeros(len(y)))]  # the second never alarms: no precision
    metrics = [row for one in both for row in metric_rows(one)[0]]
    rows = {r["metric"]: r for r in summary_rows(both, metrics, 50) if r["attack"] == "all"}
    assert rows["precision"]["mean"] is None and rows["precision"]["ci_low"] is None
    assert rows["recall"]["mean"] == pytest.approx(np.mean(s[y == 1] >= 0.5) / 2)
    assert rows["recall"]["positives"] == y.sum() and rows["recall"]["recordings"] == 2


def test_an_attack_is_judged_on_the_captures_that_hold_it() -> None:
    y, s = drawn()
    w = windows(y)
    kinds = np.where(y == 1, np.where(w.recording == 0, "dos", "fuzzing"), "benign")
    w = ScoredWindows(w.recording, w.window, w.t0, w.duration, w.injected, kinds)
    one = Scored("d", "t", "zero-shot", 0, ("a", "b"), w, {"m": s}, {"m": 0.5}, {"m": "r"})
    masks = dict(one.attacks())
    assert set(masks) == {"all", "dos", "fuzzing"}
    assert np.all(w.recording[masks["dos"]] == 0) and np.all(w.recording[masks["fuzzing"]] == 1)


@given(st.integers(0, 2**31), st.integers(2, 60), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_rankings_and_correlation_are_those_of_scikit_learn(seed: int, n: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.integers(0, 2, n)]
    scores = rng.random(n + 2).round(digits)  # few digits: many ties
    curve, alarm = metrics._curve(y, scores), scores >= 0.5
    counts = (int(alarm[y == 1].sum()), int(alarm[y == 0].sum()), int(y.sum()), int((1 - y).sum()))
    assert metrics._roc_auc(*curve) == pytest.approx(sk.roc_auc_score(y, scores), abs=1e-12)
    assert metrics._pr_auc(*curve) == pytest.approx(sk.average_precision_score(y, scores), abs=1e-12)
    assert metrics._mcc(*counts) == pytest.approx(sk.matthews_corrcoef(y, alarm), abs=1e-12)
    false, true, _ = sk.roc_curve(y, scores, drop_intermediate=False)
    assert metrics._tpr(*curve, 0.1) == true[false <= 0.1].max()


def test_where_everything_is_attacked_nothing_is_said_of_benign_traffic() -> None:
    values = metrics.score(windows(np.ones(20, int)), np.linspace(0, 1, 20), 0.5)
    for name in ("benign_minutes", "false_alarms", "false_alarms_per_hour", "roc_auc"):
        assert values[name][0] is None, name
