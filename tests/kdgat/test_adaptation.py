"""The protocols `adapted`, robust up to its contract and reported as broken beyond, and `profiled`, never from the same frames."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdgat.captures.frames import Frames
from kdgat.catalog.datasets import Capture
from kdgat.config import Adaptation, Config
from kdgat.dataset import profiles
from kdgat.dataset.protocols import view
from kdgat.evaluation.adaptation import broken, margins
from kdgat.evaluation.scored import ScoredWindows
from kdgat.evaluation.thresholds import logit

SETTINGS = Adaptation()


def windows(y: np.ndarray, seconds: float = 0.05, recording: np.ndarray | None = None) -> ScoredWindows:
    n = len(y)
    recording = np.zeros(n, int) if recording is None else recording
    window = np.arange(n) - np.searchsorted(recording, recording)
    return ScoredWindows(recording, window, window * seconds, np.full(n, seconds), y * 3, np.where(y, "dos", "benign"))


def drawn(y: np.ndarray, benign: float, seed: int = 0) -> np.ndarray:
    """Scores of a car on which benign windows have the logit `benign`, attacked ones 14 more."""
    logits = benign + 14 * y + np.random.default_rng(seed).normal(0, 0.8, len(y))
    return 1 / (1 + np.exp(-logits))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=150), st.integers(0, 149), st.sampled_from([0.05, 0.4]))
def test_it_equals_a_slow_reference_and_what_comes_later_changes_nothing(
    scores: list[float], cut: int, seconds: float
) -> None:
    s = np.array(scores)
    w = windows(np.zeros(len(s), int), seconds)
    have = margins(w, s, 0.6, SETTINGS)
    values = logit(s)
    for i in range(len(s)):
        before = np.sort(values[:i][w.t0[:i] >= w.t0[i] - SETTINGS.seconds])
        theta = float(logit(0.6))
        if len(before) and before[0] < before[-1] and w.t0[i] >= SETTINGS.least_seconds:
            q, p = (before[int(share * (len(before) - 1))] for share in (SETTINGS.quantile, SETTINGS.low))
            theta = q + SETTINGS.multiple * max(q - p, SETTINGS.floor)
        assert have[i] == pytest.approx(values[i] - theta)
    cut = min(cut, len(s) - 1)
    changed = s.copy()
    changed[cut:] = 1 - changed[cut:]
    assert np.array_equal(margins(w, changed, 0.6, SETTINGS)[:cut], have[:cut])


@pytest.mark.parametrize("benign", [-6.0, -1.0, 3.0])
def test_one_setting_serves_cars_with_low_scores_and_with_high_ones(benign: float) -> None:
    """With half of any ten seconds attacked from the first second on, attacks are found and benign windows stay quiet."""
    y = (np.arange(1200) // 50) % 2  # 2.5 s of each
    y[:20] = 0
    w = windows(y)
    assert broken(w, SETTINGS.seconds) == []
    alarm = margins(w, drawn(y, benign), 0.5, SETTINGS) >= 0
    late = w.t0 >= SETTINGS.least_seconds
    assert alarm[late & (y == 1)].mean() > 0.95 and alarm[late & (y == 0)].mean() < 0.01


def test_beyond_its_contract_it_is_reported_as_broken_and_is() -> None:
    y = np.zeros(1200, int)
    y[100:700] = 1  # 30 s of attack without a pause
    w = windows(y)
    assert broken(w, SETTINGS.seconds) == [0]
    alarm = margins(w, drawn(y, -6.0), 0.5, SETTINGS) >= 0
    assert alarm[110:190].mean() > 0.9 and alarm[400:700].mean() < 0.5
    # a recording beside it is judged by itself
    two = windows(np.concatenate([np.zeros(1200, int), y]), recording=np.repeat([0, 1], 1200))
    assert broken(two, SETTINGS.seconds) == [1]
    # the first second is nobody's promise
    early = np.zeros(400, int)
    early[:10] = 1
    assert broken(windows(early), SETTINGS.seconds) == []


def _recording(seed: int, forged: int = 0, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0, 20, 4000)) + shift
    ids = rng.choice([0x100, 0x101, 0x1F0], len(t)).astype(np.uint32)
    frames = Frames.of(t, ids, 8, rng.integers(0, 256, (len(t), 8)), 0)
    false = Frames.of(rng.uniform(0, 20, forged), 0x101, 8, np.full((forged, 8), 7), 1)
    both = Frames.concat([frames, false])
    return both.take(np.argsort(both.timestamp, kind="stable")).to_table()


def _capture(name: str, split: str, attack: str, table: pa.Table, vehicle: str = "car") -> Capture:
    return Capture("synthetic", name, vehicle, attack, split, None, name, "synthetic", "", table)


def test_a_profile_never_comes_from_the_same_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    trip, other = _capture("a", "train", "benign", _recording(1)), _capture("b", "train", "benign", _recording(2))
    forged = _capture("c", "test_01", "dos", _recording(1, forged=20, shift=0.5))
    fresh = _capture("d", "test_01", "dos", _recording(3, forged=20))
    alone = _capture("e", "test_02", "dos", _recording(4), vehicle="another car")
    captures = [trip, other, forged, fresh, alone]
    monkeypatch.setattr(profiles, "captures", lambda *_, **__: captures)
    source = profiles.Profiles(Config(), None)
    whole = {c.name: profiles.of_recording(c.frames(), Config()) for c in (trip, other)}
    same = lambda a, b: np.array_equal(a.period, b.period)  # noqa: E731
    profile = source.of(forged, forged.frames())
    assert profile is not None and same(profile, whole["b"]) and not same(profile, whole["a"])
    profile = source.of(fresh, fresh.frames())
    assert profile is not None and same(profile, whole["a"]), "the first attack-free one"
    assert source.of(alone, alone.frames()) is None
    captures[:2] = []
    profile = source.of(fresh, fresh.frames())
    assert profile is not None and profile.seconds == 10, "the first seconds of another test recording"
    store = view(fresh, fresh.frames(), Config(), "profiled", known=profile)
    assert store is not None and len(store.store) == 40 and store.store.has_profile.all()
    assert view(fresh, fresh.frames(), Config(), "profiled") is None


@pytest.mark.parametrize("protocol", ["calibrated", "contaminated", "poisoned"])
def test_no_window_before_its_profile_is_scored_where_that_is_asked(protocol: str) -> None:
    rng = np.random.default_rng(0)
    t = np.arange(0, 60, 0.005)
    ids, payload = rng.choice([0x100, 0x101], len(t)), rng.integers(0, 256, (len(t), 8))
    frames = Frames.of(t, ids, 8, payload, 0)
    labels = (((t > 20) & (t < 26)) | ((t > 40) & (t < 46))).astype(np.uint8)
    table = Frames(frames.timestamp, frames.id, frames.dlc, frames.payload, labels).to_table()
    windows = Config().windows
    causal = Config(windows=windows.model_copy(update={"causal": True, "profile_seconds": 4.0}))
    plain = Config(windows=windows.model_copy(update={"profile_seconds": 4.0}))
    capture = _capture("c", "test_01", "dos", table)
    all_of, after = (view(capture, table, config, protocol) for config in (plain, causal))
    assert all_of is not None and after is not None
    # the profile ends 2 s into the first attack; poisoned, with the first frame of the second, which makes up 4 s
    end = {"calibrated": 4.0, "contaminated": 22.0, "poisoned": 40.0}[protocol]
    assert np.asarray(after.store.t0).min() >= end - 0.01
    later = np.asarray(all_of.store.t0)[np.asarray(all_of.store.t0) >= end - 0.01]
    assert np.array_equal(np.asarray(after.store.t0), later)
    assert (len(later) < len(all_of.store)) == (protocol != "calibrated")
