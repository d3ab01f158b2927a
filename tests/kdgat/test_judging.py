"""Alarm events, recall far from attacks, intervals and differences: against slow references and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.checks import metrics as again
from kdgat.errors import KdgatError
from kdgat.evaluation.alarms import SINGLE, AlarmRule, delays, found_at_cost, levels, rising
from kdgat.evaluation.bootstrap import weighted_metrics
from kdgat.evaluation.differences import corrected, differences, holm, verdict
from kdgat.evaluation.metrics import POOLED, POOLED_METRICS, score
from kdgat.evaluation.scored import ScoredWindows
from kdgat.evaluation.stratified import estimate, ranked_metrics, rate_ends
from kdgat.evaluation.summary import Scored, metric_rows, pooled
from tools import coverage


@st.composite
def scored(draw: st.DrawFn) -> tuple[ScoredWindows, np.ndarray]:
    """Windows of up to three recordings with gaps and attacks of two kinds, and their scores, with ties."""
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 2), st.sampled_from([0.0, 0.0, 0.3, 0.9, 1.6]), st.integers(0, 2), st.integers(0, 9)
            ),
            min_size=1,
            max_size=80,
        )
    )
    recording = np.sort([r[0] for r in rows])
    t0 = np.zeros(len(rows))
    for number in set(recording):
        here = recording == number
        t0[here] = np.cumsum([0.25 + gap for (_, gap, _, _), h in zip(rows, here, strict=True) if h])
    window = np.arange(len(rows)) - np.searchsorted(recording, recording)
    kind = np.array([r[2] for r in rows])
    names = np.array(["benign", "dos", "fuzzing"])[kind]
    windows = ScoredWindows(recording, window, t0, np.full(len(rows), 0.25), (kind > 0) * 3, names)
    return windows, np.array([r[3] for r in rows]) / 10


@settings(max_examples=80, deadline=None)
@given(scored(), st.sampled_from([(1, 1), (2, 3), (3, 5)]))
def test_newer_metrics_equal_those_of_verification(
    given_: tuple[ScoredWindows, np.ndarray], rule: tuple[int, int]
) -> None:
    """Two implementations that share no line: one of arrays, one that goes capture by capture and event by event."""
    w, s = given_
    columns = {
        "capture": np.array([f"c{r}" for r in w.recording]),
        **{name: getattr(w, name) for name in ("window", "t0", "duration", "injected", "attack")},
    }
    whole = Scored("d", "t", "zero-shot", 0, ("c0", "c1", "c2"), w, {"m": s}, {"m": 0.5}, {"m": "r"})
    far = again._far(columns)
    assert np.array_equal(far, w.far())
    for (_, mask), (_, other) in zip(whole.attacks(), again._attacks(columns), strict=True):
        assert np.array_equal(mask, other)
        judged = again.Windows(columns, {c: v[mask] for c, v in columns.items()}, mask, far)
        want = again.newer(judged, s, 0.5, rule)
        have = {name: value for name, (value, _) in score(w, s, 0.5, AlarmRule(*rule), mask).items() if name in want}
        assert have.keys() == want.keys()
        assert have == pytest.approx(want, nan_ok=False)


@settings(max_examples=60, deadline=None)
@given(scored(), st.sampled_from([0.001, 0.01, 0.2]))
def test_recall_far_from_attacks_is_that_of_the_best_threshold(
    given_: tuple[ScoredWindows, np.ndarray], rate: float
) -> None:
    w, s = given_
    y, far = w.y == 1, w.far()
    if not y.any() or not far.any():
        return
    ones = np.ones((len(s), 1), np.uint16)
    best = max(np.mean(s[y] >= t) for t in [*s, 2.0] if np.mean(s[far] >= t) <= rate + 1e-12)
    if rate == 0.01:
        assert score(w, s, 0.5)["recall_at_fpr_1pct"][0] == pytest.approx(best)
        assert ranked_metrics(ones, y, far, s)["recall_at_fpr_1pct"][0] == pytest.approx(best)


@settings(max_examples=40, deadline=None)
@given(scored(), st.integers(0, 2**32 - 1))
def test_areas_of_draws_are_those_of_the_older_bootstrap(given_: tuple[ScoredWindows, np.ndarray], seed: int) -> None:
    w, s = given_
    weights = np.random.default_rng(seed).integers(0, 3, (5, len(s))).astype(np.float32)
    want = weighted_metrics(weights, w.y, s, 0.5)
    have = ranked_metrics(weights.T.astype(np.uint16), w.y == 1, w.far(), s)
    for name in ("roc_auc", "pr_auc"):
        np.testing.assert_allclose(have[name], want[name], rtol=1e-6)


def test_two_of_three_loses_a_single_frame_and_its_alarm_comes_late() -> None:
    y = np.zeros(60, int)
    y[10] = y[30:36] = 1  # a single window, and a run
    w = ScoredWindows(
        np.zeros(60, int), np.arange(60), np.arange(60) * 0.5, np.full(60, 0.5), y, np.where(y, "dos", "benign")
    )
    over = y == 1
    rule = AlarmRule(2, 3)
    assert delays(w, rule.sounds(w.recording, over)).tolist() == [np.inf, 1.0]
    assert delays(w, over).tolist() == [0.5, 0.5]
    out = score(w, over.astype(float), 0.5, rule)
    assert out["events_missed"] == (1.0, 2) and out["events_missed_1_of_1"] == (0.0, 2)
    assert out["event_delay"][0] is None, "half of the events are missed: their delays are infinite"
    assert out["alarm_events_far_per_hour"][0] == 0
    for k, n in ((0, 1), (3, 2)):
        with pytest.raises(KdgatError, match="k of n"):
            AlarmRule(k, n)


def test_an_alarm_ends_with_its_recording() -> None:
    recording, over = np.array([0, 0, 1, 1]), np.array([False, True, True, True])
    assert rising(recording, over).tolist() == [False, True, True, False]
    assert AlarmRule(2, 2).sounds(recording, over).tolist() == [False, False, False, True]


@settings(max_examples=150, deadline=None)
@given(scored(), st.sampled_from([(1, 1), (2, 3), (3, 5)]), st.sampled_from([0.0, 200.0, 1000.0]))
def test_events_are_found_at_the_lowest_threshold_that_costs_no_more(
    given_: tuple[ScoredWindows, np.ndarray], k_of_n: tuple[int, int], an_hour: float
) -> None:
    w, s = given_
    rule, far = AlarmRule(*k_of_n), w.far()
    level = levels(w.recording, s, rule)
    found = None
    for t in sorted(set(level[level > -np.inf]) or {np.inf}, reverse=True):  # at t the alarm sounds over t
        sounds = rule.sounds(w.recording, s > t)
        if (rising(w.recording, sounds) & far).sum() > an_hour * w.duration[far].sum() / 3600:
            break
        found = np.isfinite(delays(w, sounds))
    if w.y.any():
        assert found_at_cost(w, s, rule, an_hour) == pytest.approx(np.mean(found))
    else:
        assert np.isnan(found_at_cost(w, s, rule, an_hour))


def test_an_alarm_that_never_ends_finds_nothing() -> None:
    y = np.array([0, 0, 1, 0, 0])
    w = ScoredWindows(
        np.zeros(5, int), np.arange(5), np.arange(5) * 2.0, np.full(5, 2.0), y, np.where(y, "dos", "benign")
    )
    for rule in (SINGLE, AlarmRule(2, 3)):
        assert found_at_cost(w, np.full(5, 0.5), rule, 3600.0) == 0
    assert found_at_cost(w, y.astype(float), SINGLE, 0.0) == 1
    for scores, an_hour in ((np.full(5, np.nan), 5.0), (y, np.nan), (y, -1.0)):
        with pytest.raises(KdgatError, match="scores that are numbers, at 0 alarms an hour or more"):
            found_at_cost(w, scores, SINGLE, an_hour)


@pytest.mark.parametrize("regime", ["traffic", "seeds"])
def test_intervals_hold_the_truth_as_often_as_they_say(regime: str) -> None:
    """150 repetitions tell .95 from .87 and from 1.00; `python -m tools.coverage` draws 2,000."""
    assert 0.9 <= coverage.coverage(regime, 5, 150, 100, "stratified-blocks-t") <= 0.99


def test_an_estimate_of_seeds_alone_is_the_t_interval() -> None:
    values = np.array([0.8, 0.9, 0.85, 0.7, 0.95])
    interval = estimate(values, [])
    assert interval is not None
    want = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert interval.ends() == pytest.approx(want)
    assert estimate(values[:1], []) is None
    assert interval.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_the_upper_bound_lies_over_what_any_seed_did() -> None:
    for counts in ([0, 0, 0], [2, 0, 40], [5, 5, 5, 5, 30]):
        low, high = rate_ends(counts, 2.0)
        assert low <= min(counts) / 2 and high > max(counts) / 2
    # without a variance between seeds they are Garwood's limits
    low, high = rate_ends([7, 7], 1.0)
    assert (low, high) == pytest.approx((stats.chi2.ppf(0.025, 14) / 2, stats.chi2.ppf(0.975, 16) / 2), rel=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_step_by_step(p: list[float]) -> None:
    adjusted = holm(np.array(p))
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for step, k in enumerate(np.argsort(p, kind="stable")):
            if p[k] * (len(p) - step) > level:
                break
            rejected.add(int(k))
        assert set(np.flatnonzero(adjusted <= level).tolist()) == rejected


def _scenario(scenario: str, seed: int, shift: float, offset: int = 0) -> Scored:
    w = coverage.recording()
    rng = np.random.default_rng([seed, offset])
    base = np.where(w.y == 1, 0.8, 0.2) + rng.normal(0, 0.15, len(w))
    other = base + np.where(w.y == 1, -shift, 0)
    scores = {"gat-student": base, "m-baseline": other, "copy-baseline": base}
    return Scored(
        "d", scenario, "zero-shot", seed, (f"{scenario}/a",), w, scores, dict.fromkeys(scores, 0.5), dict.fromkeys(scores, "r")
    )  # fmt: skip


def test_differences_are_paired_and_corrected() -> None:
    seeds = [_scenario("t", seed, 0.3) for seed in range(4)]
    rows = corrected(differences(seeds, 60))
    by = {(r["model"], r["metric"]): r for r in rows}
    far = by["m-baseline", "f1"]
    assert far["verdict"] == "less" and far["ci_high"] < 0 and far["comparisons"] == 2
    assert far["p"] <= far["p_holm"] <= 2 * far["p"] + 1e-12
    same = by["copy-baseline", "f1"]
    assert same["difference"] == 0 and same["verdict"] == "indistinguishable"
    assert verdict(0.01, -0.1, 0.12, 0.8) == "not resolved by this data"


def test_scenarios_are_pooled_for_what_needs_many_windows() -> None:
    parts = [_scenario("a", 0, 0.1), _scenario("b", 0, 0.1, 1), _scenario("a", 1, 0.1)]
    (whole,) = pooled(parts)
    assert whole.scenario == POOLED and whole.captures == ("a/a", "b/a") and len(whole.windows) == 1720
    assert set(whole.windows.recording) == {0, 1}
    metrics, confusion = metric_rows(whole)
    assert not confusion and {r["metric"] for r in metrics} == set(POOLED_METRICS)
