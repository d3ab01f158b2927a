"""What is remembered of identifiers: equal to a slow reference, causal, bounded, and forgotten where it must be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference_memory as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from kdgat.captures.frames import Frames
from kdgat.catalog import datasets
from kdgat.dataset.prepare import without_profile
from kdgat.graphs import splits
from kdgat.graphs.features import FEATURES
from kdgat.graphs.kernels.state import COLUMNS, State
from kdgat.graphs.profile import Profile
from kdgat.graphs.store import ARRAYS, GraphStore

OWN = len(FEATURES["relative"][0])
NAMES = FEATURES["memory"][0]


def frames_of(rows: list[tuple[float, int, bytes]]) -> Frames:
    """Frames of (time, identifier, data), in the order of time."""
    rows = sorted(rows, key=lambda row: row[0])
    t, ids, data = zip(*rows, strict=True)
    payload = np.frombuffer(b"".join(d.ljust(8, b"\0") for d in data), np.uint8).reshape(-1, 8)
    dlc = np.array([len(d) for d in data], np.uint8)
    return Frames(np.array(t), np.array(ids, np.uint32), dlc, payload, np.zeros(len(t), np.uint8))


def schedule(seconds: float, periods: dict[int, float], begin: float = 0.0) -> list[tuple[float, int, bytes]]:
    """Each identifier at its period, a counter in its first byte."""
    return [
        (begin + i * 1e-5 + k * period, i, bytes([k % 16, i % 256]))
        for i, period in periods.items()
        for k in range(int(seconds / period))
    ]


def columns(frames: Frames, profile: Profile | None = None) -> dict[str, np.ndarray]:
    """Columns of each frame by name."""
    out = np.empty((len(frames), COLUMNS), np.float32)
    State(profile).advance(frames, 0, len(frames), np.arange(len(frames)), out)
    names = [name.removesuffix("_worst") for name in NAMES if name.endswith("_worst")]
    return dict(zip(names, out.T, strict=True))


def store_of(frames: Frames, starts: np.ndarray, size: int, profile=None, resets=None) -> GraphStore:
    table = frames.to_table()
    return GraphStore.build(
        [("c", "dos", table, starts)], size, "memory", [profile], resets=None if resets is None else [resets]
    )


def check(frames: Frames, starts: np.ndarray, size: int, profile=None, resets: tuple[int, ...] = (0,)) -> None:
    """Every window of the engine is that of the reference, beside the columns of `relative`."""
    store = store_of(frames, starts, size, profile, np.array(resets))
    plain = GraphStore.build([("c", "dos", frames.to_table(), starts)], size, "relative")
    assert np.array_equal(store.x[:, :OWN], plain.x) and np.array_equal(store.edge_attr, plain.edge_attr)
    want = reference.window_columns(frames, starts, size, profile, resets)
    assert len(store.x) == len(want)
    for b in range(len(starts)):
        one = store.batch([b])
        for row, identifier in zip(one.x, one.id_code, strict=True):
            np.testing.assert_allclose(row[OWN:], want[b, int(identifier)], rtol=2e-5, atol=2e-5)


@st.composite
def traffic(draw) -> tuple[Frames, int, int]:
    """Frames with whatever a recorder may leave, sent often enough for counters, ranges and gaps to be learned."""
    n = draw(st.integers(20, 160))
    size = draw(st.integers(2, 20))
    stride = draw(st.integers(1, 25))
    pool = draw(st.lists(st.integers(0, 0x1FFFFFFF), min_size=1, max_size=4, unique=True))
    choices = st.sampled_from([0.0, 2.4e-4, 1e-3, 0.01, 0.01, 0.01, 0.3, -7.9e-3, 2.5, -1.5])
    steps = draw(st.lists(choices, min_size=n, max_size=n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dlc = rng.choice(draw(st.lists(st.integers(0, 8), min_size=1, max_size=2)), n).astype(np.uint8)
    ids = rng.choice(np.array(pool, np.uint32), n)
    payload = rng.integers(0, draw(st.sampled_from([1, 2, 256])), (n, 8))
    if draw(st.booleans()):
        payload[:, 0] = np.arange(n) * draw(st.sampled_from([1, 3, 17]))  # counters, where there is one identifier
    payload = (payload % 256 * (np.arange(8) < dlc[:, None])).astype(np.uint8)
    return Frames(1e9 + np.cumsum(steps), ids, dlc, payload, np.zeros(n, np.uint8)), size, stride


@settings(max_examples=60, deadline=None)
@given(traffic(), st.booleans(), st.integers(0, 19))
def test_engine_equals_reference_on_generated_traffic(traffic, profiled: bool, reset: int) -> None:
    frames, size, stride = traffic
    starts = splits.starts(len(frames), size, stride)
    profile = Profile.fit(frames.take(np.arange(30) % len(frames)).to_table(), 1.0) if profiled else None
    check(frames, starts, size, profile, (0, reset) if reset else (0,))


def test_engine_equals_reference_on_real_captures(captures_root: Path) -> None:
    for capture in datasets.captures("hcrl-sa", captures_root):
        if capture.split != "train" or capture.duplicate_of or capture.attack == "benign":
            continue
        frames = Frames.from_table(capture.frames())
        attacked = int(np.flatnonzero(frames.label)[0])
        frames = frames.slice(attacked - 3000, attacked + 1000)
        check(frames, splits.starts(len(frames), 100, 100), 100, Profile.fit(frames.to_table(), 0.5))


@settings(max_examples=40, deadline=None)
@given(traffic(), st.data())
def test_frames_to_come_change_no_bit(traffic, data) -> None:
    frames, size, stride = traffic
    starts = splits.starts(len(frames), size, stride)
    if not len(starts):
        return
    window = data.draw(st.integers(0, len(starts) - 1))
    cut = int(starts[window]) + size
    noise = np.random.default_rng(1).integers(0, 256, frames.payload.shape).astype(np.uint8)
    after = np.arange(len(frames)) >= cut
    changed = replace(
        frames,
        timestamp=frames.timestamp + np.where(after, 5.0, 0.0),
        id=np.where(after, frames.id ^ 1, frames.id).astype(np.uint32),
        payload=np.where(after[:, None] & (np.arange(8) < frames.dlc[:, None]), noise, frames.payload),
    )
    a, b = (store_of(f, starts, size).batch(np.arange(window + 1)) for f in (frames, changed))
    assert a.x.tobytes() == b.x.tobytes() and a.edge_attr.tobytes() == b.edge_attr.tobytes()


@settings(max_examples=40, deadline=None)
@given(traffic(), st.integers(1, 120))
def test_frames_of_another_part_change_no_bit(traffic, boundary: int) -> None:
    frames, size, _ = traffic
    boundary = min(boundary, len(frames) - size)
    starts = splits.starts(len(frames), size, size, boundary)
    resets = np.array([0, boundary])
    noise = np.random.default_rng(1).integers(0, 256, frames.payload.shape).astype(np.uint8)
    before = np.arange(len(frames)) < boundary
    changed = replace(
        frames,
        timestamp=frames.timestamp - np.where(before, 0.5, 0.0),
        payload=np.where(before[:, None] & (np.arange(8) < frames.dlc[:, None]), noise, frames.payload),
    )
    a, b = (store_of(f, starts, size, resets=resets) for f in (frames, changed))
    assert a.x.tobytes() == b.x.tobytes()


def test_blocks_and_growing_tables_change_nothing() -> None:
    rng = np.random.default_rng(0)
    n = 5000
    frames = Frames(
        np.cumsum(rng.exponential(1e-3, n)), rng.integers(0, 1000, n).astype(np.uint32),
        np.full(n, 8, np.uint8), rng.integers(0, 4, (n, 8)).astype(np.uint8), np.zeros(n, np.uint8),
    )  # fmt: skip
    whole = np.stack(list(columns(frames).values()))
    state, out = State(), np.empty((n, COLUMNS), np.float32)
    for begin in range(0, n, 77):
        state.advance(frames, begin, min(n, begin + 77), np.arange(n), out)
    assert np.array_equal(whole, out.T)


def test_one_forged_frame_stands_out_wherever_it_falls() -> None:
    """Just after, in the middle and just before the genuine frame: one of the two gaps, or the sum of both, is short."""
    for place in (0.01, 0.5, 0.98):
        frames = frames_of([*schedule(20, {1: 0.1, 2: 0.02}), (15.0 + 0.1 * place + 1e-5, 1, bytes([3, 1]))])
        got = columns(frames)
        of_id = (frames.id == 1) & (frames.timestamp > 14.9) & (frames.timestamp < 15.3)
        calm = (frames.id == 1) & (frames.timestamp > 5) & (frames.timestamp < 14.9)
        worst = np.maximum(got["short"], got["short_pair"])
        assert worst[of_id].max() > 0.9 and abs(worst[calm]).max() < 0.05
        assert got["broken_counters"][of_id].max() >= 1 and not got["broken_counters"][calm].any()


def test_a_payload_that_leaves_what_it_was_stands_out() -> None:
    rows = [(0.01 * k, 1, bytes([100 + k % 8, 7])) for k in range(2000)]
    rows[1500] = (15.0, 1, bytes([250, 8]))
    got = columns(frames_of(rows))
    assert got["out_of_range"][1500] > 0.5 and got["new_bits"][1500] >= 1 and got["jump"][1500] > 4
    assert got["out_of_range"][900:1500].max() < 0.01 and not got["new_bits"][900:1500].any()


def test_slow_poisoning_is_bounded() -> None:
    """Frames at half the gap, one after the other: the running gap moves by at most a 64th of an octave each."""
    calm = [(0.1 * k, 1, b"\1") for k in range(200)]
    forged = [(20 + 0.05 * k, 1, b"\1") for k in range(32)]
    short = columns(frames_of([*calm, *forged]))["short"]
    assert short[-1] >= 1 - 33 / 64


def test_a_flood_of_an_identifier_is_bounded_by_its_seconds() -> None:
    """A thousand frames in a second move the running gap by no more than an eighth of an octave, and its range by little."""
    calm = [(0.1 * k, 1, bytes([10 + k % 3])) for k in range(200)]
    flood = [(20 + 1e-3 * k, 1, bytes([200])) for k in range(1000)]
    got = columns(frames_of([*calm, *flood]))
    assert got["short"][-1] > got["short"][201] - 1 / 8 - 1e-3 > 6
    assert got["jitter"][-1] < got["jitter"][199] + 1 / 8


def test_extremes_recover_after_an_attack() -> None:
    calm = [(0.1 * k, 1, bytes([10])) for k in range(200)]
    burst = [(20 + 1e-3 * k, 1, bytes([200])) for k in range(20)]
    after = [(21 + 0.1 * k, 1, bytes([10])) for k in range(4000)]
    again = [(420.901, 1, bytes([200]))]
    got = columns(frames_of([*calm, *burst, *after, *again]))
    assert got["short_of_least"][201] > 5 and got["short_of_least"][-1] > 3
    assert got["out_of_range"][200] > 0.7 and got["out_of_range"][-1] > 0.5
    assert got["new_bits"][200] > 1 and got["new_bits"][-1] > 1


@pytest.mark.parametrize("step", [-5.0, 3.0], ids=["two recordings joined", "the bus slept"])
def test_a_step_back_or_a_pause_of_seconds_is_no_attack(step: float) -> None:
    first = schedule(10, {1: 0.1, 2: 0.02})
    frames = Frames.concat([frames_of(first), frames_of(schedule(10, {1: 0.1, 2: 0.02}, 10 + step))])
    got = columns(frames)
    second = np.arange(len(frames)) >= len(first)
    assert abs(got["short"][second]).max() < 0.05 and got["long"][second].max() < 0.05
    assert not got["broken_counters"][second].any() and not got["overdue"][second].any()
    assert got["age"][len(first)] == 0


def test_an_identifier_that_falls_silent_is_overdue_and_then_gone() -> None:
    rows = [row for row in schedule(20, {1: 0.1, 2: 0.02, 3: 0.05}) if row[1] != 1 or row[0] < 10]
    frames = frames_of(rows)
    overdue = columns(frames)["overdue"]
    t = frames.timestamp
    assert not overdue[t < 10].any() and (overdue[(t > 10.6) & (t < 12.9)] > 0.3).all() and not overdue[t > 14].any()


def test_an_identifier_that_the_profile_lacks_is_not_strange_for_ever() -> None:
    profile = Profile.fit(frames_of(schedule(10, {1: 0.1, 2: 0.02})).to_table(), 10.0)
    frames = frames_of(schedule(60, {1: 0.1, 2: 0.02, 3: 0.05}))
    strange = columns(frames, profile)["profile_strange"]
    of_id = frames.id == 3
    assert strange[of_id][1] > 7 and strange[of_id][-1] < 0.2 and not strange[~of_id].any()


def test_a_slow_identifier_that_the_profile_lacks_is_less_strange_than_a_fast_one() -> None:
    profile = Profile.fit(frames_of(schedule(10, {1: 0.1})).to_table(), 10.0)
    frames = frames_of(schedule(30, {1: 0.1, 2: 0.01, 3: 5.0}))
    strange = columns(frames, profile)["profile_strange"]
    assert strange[frames.id == 2][1] > 9 and strange[frames.id == 3][1] < 1.2


@pytest.mark.parametrize("features", ["memory", "profile"])
def test_windows_without_a_profile_are_those_with_it_but_for_its_columns(features: str) -> None:
    """So `prepare` carries the state through a recording once for both."""
    rng = np.random.default_rng(4)
    own = schedule(20.0, {0x10 + k: 0.01 * (1 + k) for k in range(12)})
    rows = [*own, *schedule(2.0, {0x99: 0.004}, 12.0)]
    frames = frames_of([(t + rng.uniform(0, 5e-4), i, data) for t, i, data in rows])
    profile = Profile.fit(frames_of(own).to_table(), 5.0)
    windows = ("c", "dos", frames.to_table(), splits.starts(len(frames), 50, 50))
    resets = [np.array([0, 1000])]
    with_it, without = (GraphStore.build([windows], 50, features, [p], resets=resets) for p in (profile, None))
    assert not np.array_equal(with_it.x, without.x)
    for name in ARRAYS:
        assert getattr(without_profile(with_it), name).tobytes() == getattr(without, name).tobytes(), name
