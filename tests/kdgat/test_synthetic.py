"""The synthetic bus and virtual vehicles: what they promise of schedules, labels and randomness."""

from __future__ import annotations

import numpy as np
import pytest

from kdgat.captures.frames import Frames
from kdgat.synthetic import bus, virtual
from kdgat.synthetic.attacks import ATTACKS, UNLABELLED, inject
from kdgat.synthetic.vehicle import Vehicle
from kdgat.synthetic.wire import queue


@pytest.fixture(scope="module")
def traffic() -> Frames:
    rng = np.random.default_rng(0)
    return Vehicle.draw(virtual.TRAINING_RANGES, rng).drive(6.0, rng)


def test_captures_are_seeded_and_marked_synthetic() -> None:
    one, two = bus.captures(seconds=22.0), bus.captures(seconds=22.0)
    assert [c.sha256 for c in one] == [c.sha256 for c in two]
    assert {c.data_kind for c in one} == {"synthetic"} and len({c.sha256 for c in one}) == len(one)
    assert {c.vehicle for c in one} == {"alpha", "beta"}
    assert {c.attack for c in one} == {"benign", "dos", "fuzzing", "spoofing", "replay"}
    train = [c for c in one if c.split == "train"]
    assert {c.vehicle for c in train} == {"alpha"} and {c.attack for c in train} == {"benign", "dos", "fuzzing"}
    for c in one:
        label = c.frames()["label"].to_numpy()
        assert bool(label.any()) == (c.attack != "benign")


def test_gaps_follow_a_schedule_and_not_a_walk() -> None:
    """A fixed schedule with independent delays has gaps with lag-1 autocorrelation near −0.5, as real buses show."""
    rng = np.random.default_rng(1)
    frames = Vehicle.draw(bus.BUS_RANGES, rng).drive(40.0, rng)
    correlations = []
    for code, count in zip(*np.unique(frames.id, return_counts=True), strict=True):
        if count > 300:
            gaps = np.diff(frames.timestamp[frames.id == code])
            correlations.append(np.corrcoef(gaps[:-1], gaps[1:])[0, 1])
    assert -0.65 < np.median(correlations) < -0.3


def test_frames_do_not_overlap_on_the_wire(traffic: Frames) -> None:
    length = (47 + 8 * traffic.dlc.astype(float)) * 1.8e-6  # at the shortest bit time vehicles are drawn with
    assert np.all(np.diff(traffic.timestamp) >= length[:-1] - 1e-12)
    due = Frames.of(np.array([0.0, 0.0, 1.0]), np.array([2, 1, 3]), 8, np.zeros((3, 8)), 0)
    assert queue(due, 2e-6).timestamp == pytest.approx([0, 111 * 2e-6, 1.0])


def test_padding_is_zero(traffic: Frames) -> None:
    beyond = np.arange(8) >= traffic.dlc[:, None]
    assert beyond.any() and not traffic.payload[beyond].any()


@pytest.mark.parametrize("kind", sorted(ATTACKS))
def test_an_attack_stays_in_its_interval_and_labels_what_it_injects(traffic: Frames, kind: str) -> None:
    begin, end = 2.0, 3.5
    out = inject(traffic, kind, [(begin, end)], 1e-3, np.random.default_rng(2))
    assert np.all(np.diff(out.timestamp) >= 0)
    times = out.timestamp[out.label == 1]
    if kind in UNLABELLED:
        assert not len(times) and len(out) < len(traffic)
        return
    assert len(times) and times.min() >= begin - 1e-3 and times.max() < end + 0.5  # a flood's queue drains after it
    before = out.take(out.timestamp < begin - 0.01)
    assert np.array_equal(before.id, traffic.take(traffic.timestamp < begin - 0.01).id)
    same = inject(traffic, kind, [(begin, end)], 1e-3, np.random.default_rng(2))
    assert np.array_equal(out.timestamp, same.timestamp) and np.array_equal(out.payload, same.payload)


def test_masquerade_silences_its_victim(traffic: Frames) -> None:
    out = inject(traffic, "masquerade_timed", [(2.0, 3.5)], 1e-3, np.random.default_rng(3))
    assert len(out) == len(traffic) and np.array_equal(out.timestamp, traffic.timestamp)
    victim = out.id[out.label == 1]
    assert len(np.unique(victim)) == 1
    inside = (traffic.id == victim[0]) & (traffic.timestamp >= 2.0) & (traffic.timestamp < 3.5)
    assert np.array_equal(out.label == 1, inside)


def test_virtual_vehicles_are_attacked_after_their_profile_only(traffic: Frames) -> None:
    for number in range(12):
        drive = virtual.drive(number, 4.0, 6.0, [traffic], np.random.default_rng(number))
        assert not drive.profile.label.any() and 0.02 < drive.frames.label.mean() < 0.9
        assert drive.profile.timestamp.max() < 6.0 <= drive.frames.timestamp.min()
        assert drive.attack in virtual.TRAINING_ATTACKS


def test_vehicles_cut_from_captures_have_other_ids_and_no_injected_frames(traffic: Frames) -> None:
    attacked = inject(traffic, "fuzzing", [(1.0, 5.0)], 1e-3, np.random.default_rng(0))
    cut = virtual.from_captures([attacked], 3.0, np.random.default_rng(5))
    assert not cut.label.any() and len(cut)
    assert len(np.unique(cut.id)) <= len(np.unique(traffic.id))
    assert not np.array_equal(np.unique(cut.id), np.unique(traffic.id))
    assert not cut.payload[np.arange(8) >= cut.dlc[:, None]].any()
