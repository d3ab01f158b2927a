"""Timing rules against a slow reference, and what they are for: forged frames that a window does not show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_timing import early as slowly
from sklearn.ensemble import HistGradientBoostingClassifier

from kdgat.captures.frames import Frames
from kdgat.config import Config
from kdgat.dataset.protocols import Traffic
from kdgat.errors import KdgatError
from kdgat.graphs.profile import Profile
from kdgat.graphs.splits import starts
from kdgat.graphs.store import GraphStore
from kdgat.models import rules
from kdgat.models.baselines import boosting, boosting_memory
from kdgat.models.kernels import timing
from kdgat.models.trees import Trees


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.001, 0.01, 0.5, -0.004])), min_size=1, max_size=120),
    st.dictionaries(st.integers(0, 3), st.sampled_from([0.002, 0.02])),
    st.booleans(),
)
def test_the_kernel_equals_the_reference(
    rows: list[tuple[int, float]], least: dict[int, float], profiled: bool
) -> None:
    ids, t = [r[0] for r in rows], np.cumsum([r[1] for r in rows])
    least = least if profiled else {}
    period = {k: 1.5 * v for k, v in least.items()}
    length = 0.2 if profiled else 0.0
    names, code = np.unique(ids, return_inverse=True)
    periods = np.array([[table.get(int(k), 0.0) for k in names] for table in (least, period)])
    out = np.empty((len(t), 2))
    timing.early(t, code.astype(np.int64), periods[0], periods[1], length, 5, 3, 4, out)
    want = slowly(t.tolist(), ids, least, period, length, 5, 3, 4)
    assert out == pytest.approx(np.array(want), rel=1e-9, abs=1e-9)


def _traffic(seconds: float = 30.0, forged: tuple[float, ...] = ()) -> Frames:
    """Twenty identifiers every 40 ms to 0.8 s, with jitter, and forged frames of one of them."""
    rng = np.random.default_rng(3)
    parts = []
    for k in range(20):
        period = 0.04 * (1 + k)
        t = np.arange(rng.uniform(0, period), seconds, period)
        parts.append(Frames.of(t + rng.uniform(0, 0.003, len(t)), 0x100 + k, 8, np.zeros((len(t), 8)), 0))
    parts.append(Frames.of(np.array(forged), 0x100 + 9, 8, np.zeros((len(forged), 8)), 1))
    frames = Frames.concat(parts)
    return frames.take(np.argsort(frames.timestamp, kind="stable"))


def _scores(rule: rules.TimingRule, frames: Frames, profile: Profile | None) -> tuple[np.ndarray, np.ndarray]:
    table = frames.to_table()
    store = GraphStore.build([("c", "spoof", table, starts(len(frames), 20, 20))], 20, "relative")
    return rule.score(store, lambda _: Traffic(table, profile)), np.asarray(store.y)


def test_a_single_forged_frame_is_found_and_what_comes_later_changes_nothing() -> None:
    quiet, attacked = _traffic(), _traffic(forged=(20.05, 24.03))
    profile = Profile.fit(quiet.to_table(), 10.0)
    config = Config()
    for make, known in ((rules.rule_online, None), (rules.rule_profile, profile)):
        scores, y = _scores(make(config, 0), attacked, known)
        assert scores[y == 1].min() > scores[:-1][(y[:-1] == 0) & (y[1:] == 0) & (np.roll(y, 1)[:-1] == 0)].max()
        before = _scores(make(config, 0), quiet, known)[0]
        same = np.flatnonzero(y)[0]
        assert np.array_equal(scores[:same], before[:same])


def test_an_identifier_that_the_profile_lacks_is_strange_for_a_time() -> None:
    quiet = _traffic(seconds=120.0)
    late = quiet.take((quiet.id != 0x104) | (quiet.timestamp > 20))
    profile = Profile.fit(late.to_table(), 10.0)
    scores = rules.frame_scores(late.to_table(), profile)[:, 0]
    joined = late.id == 0x104
    assert scores[joined][0] > 0.7 and scores[joined][1:20].min() > 0.7
    assert scores[joined & (late.timestamp > 110)].max() < 0.7
    assert np.isneginf(rules.frame_scores(late.to_table(), None)[joined][0, 0])


def test_the_floor_alarms_in_all_windows_or_none() -> None:
    frames = _traffic(3.0)
    store = GraphStore.build([("c", "benign", frames.to_table(), starts(len(frames), 20, 20))], 20, "relative")
    traffic = lambda _: Traffic(frames.to_table(), None)  # noqa: E731
    assert set(rules.always(Config(), 0).score(store, traffic)) == {1.0}
    assert set(rules.never(Config(), 0).score(store, traffic)) == {0.0}


def test_rules_together_score_as_each_does_alone_and_fetch_each_recording_once() -> None:
    frames = {name: _traffic(30.0, forged) for name, forged in (("a", (20.05,)), ("b", (11.0, 24.03)))}
    profile_by_name = {name: Profile.fit(f.to_table(), 10.0) for name, f in frames.items()}
    windows = [(name, "spoof", f.to_table(), starts(len(f), 20, 20)) for name, f in frames.items()]
    store = GraphStore.concat(
        [
            GraphStore.build(windows, 20, "memory", profiles)
            for profiles in ([None, None], list(profile_by_name.values()))
        ]
    )
    fetched = []

    def traffic(name: str) -> Traffic:
        fetched.append(name)
        return Traffic(frames[name].to_table(), profile_by_name[name])

    by_name = {m.__name__: m(Config(), 0) for m in (rules.rule_online, rules.rule_profile, rules.binning, rules.always)}
    together = rules.scores(by_name, store, traffic)
    assert fetched == ["a", "b"]
    for name, model in by_name.items():
        assert np.array_equal(together[name], model.score(store, traffic)), name
    half = len(store) // 2
    of_rule = together["rule_profile"]
    assert not np.array_equal(of_rule[:half], of_rule[half:])
    assert np.array_equal(together["rule_online"][:half], together["rule_online"][half:])


@pytest.mark.parametrize("seed", [0, 1])
def test_trees_score_as_scikit_learn_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(900, 7)).astype(np.float32)
    x[:, 3] = np.round(x[:, 3])  # ties with thresholds
    y = (x[:, 0] * x[:, 3] + 0.3 * rng.normal(size=900) > 0).astype(int)
    model = HistGradientBoostingClassifier(max_iter=20, random_state=seed).fit(x, y)
    fresh = np.concatenate([x, rng.normal(size=(500, 7)).astype(np.float32)])
    trees = Trees.load(Trees.of(model).arrays())
    assert np.abs(trees.probability(fresh) - model.predict_proba(fresh)[:, 1]).max() < 1e-12


def test_trees_that_would_never_end_are_refused() -> None:
    leaf = np.array([0, 1, 2], np.int32)
    good = {
        "root": np.array([0], np.int32), "feature": np.zeros(3, np.int32), "threshold": np.zeros(3),
        "left": np.array([1, 1, 2], np.int32), "right": np.array([2, 1, 2], np.int32),
        "value": np.array([0.0, -1.0, 1.0]), "base": np.zeros(1),
    }  # fmt: skip
    assert Trees.load(good).probability(np.array([[-1.0], [1.0]])) == pytest.approx([0.268941, 0.731059], abs=1e-6)
    bad = (
        {"left": np.array([1, 0, 2], np.int32)},
        {"left": leaf + 1},
        {"value": np.zeros(2)},
        {"threshold": np.zeros(3, np.float32)},
        {"root": np.array([7], np.int32)},
    )
    for change in bad:
        with pytest.raises(KdgatError, match="trees"):
            Trees.load(good | change)
    with pytest.raises(KdgatError, match="no array"):
        Trees.load({})


def keyhole(seed: int) -> GraphStore:
    """A bus on which an identifier is sent in every sixth window or so, and one forged frame in every other window."""
    rng = np.random.default_rng(seed)
    ids = rng.choice(0x700, 600, replace=False).astype(np.uint32)
    times = np.concatenate(
        [0.66 * np.arange(40) + phase + rng.normal(0, 1e-3, 40) for phase in rng.uniform(0, 0.66, 600)]
    )
    forged = np.arange(3.0, 26.0, 0.22) + rng.uniform(0, 0.1, 105)
    frames = Frames(
        np.concatenate([times, forged]),
        np.concatenate([np.repeat(ids, 40), rng.choice(ids, len(forged))]),
        np.full(len(times) + len(forged), 8, np.uint8),
        np.zeros((len(times) + len(forged), 8), np.uint8),
        np.repeat([0, 1], [len(times), len(forged)]).astype(np.uint8),
    )
    table = frames.take(np.argsort(frames.timestamp, kind="stable")).to_table()
    return GraphStore.build([("c", "spoofing", table, starts(table.num_rows, 100, 100))], 100, "memory")


def test_what_a_window_hides_boosting_on_memory_finds() -> None:
    train, test = keyhole(0), keyhole(1)
    y = np.asarray(test.y) == 1
    ranks = {}
    for build in (boosting, boosting_memory):
        model = build(Config(), 0).fit(train, {})
        scores = model.score(test, None)
        again = build(Config(), 0).load(model.arrays()).score(test, None)
        assert np.abs(again - scores).max() < 1e-6
        ranks[build] = np.mean(scores[y][:, None] > scores[~y]) + np.mean(scores[y][:, None] == scores[~y]) / 2
    assert ranks[boosting_memory] > 0.95 > 0.8 > ranks[boosting]
