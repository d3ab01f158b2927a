"""Splits share no frame, for any size and stride, and on the real captures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdgat.captures.frames import Frames
from kdgat.catalog import datasets
from kdgat.config import Windows
from kdgat.graphs import splits


def covered(starts: np.ndarray, size: int) -> set[int]:
    return {f for s in starts.tolist() for f in range(s, s + size)}


@settings(max_examples=300, deadline=None)
@given(
    n=st.integers(0, 6000),
    size=st.integers(2, 120),
    stride=st.integers(1, 150),
    blocks=st.integers(3, 30),
    seed=st.integers(0, 5),
    fractions=st.sampled_from([(0.7, 0.1, 0.2), (0.98, 0.01, 0.01), (0.1, 0.1, 0.8)]),
)
def test_parts_lie_a_window_apart(n: int, size: int, stride: int, blocks: int, seed: int, fractions) -> None:
    parts = splits.split(n, Windows(size=size, stride=stride, blocks=blocks, fractions=fractions), seed, "c")
    assert tuple(parts) == splits.PARTS
    owner = np.full(n, -1)
    for number, starts in enumerate(parts.values()):
        assert starts.dtype == np.int64 and (np.diff(starts) > 0).all()
        for s in starts:
            assert s >= 0 and s + size <= n
            assert np.isin(owner[s : s + size], (-1, number)).all()
            owner[s : s + size] = number
    used = np.flatnonzero(owner >= 0)
    change = np.flatnonzero(np.diff(owner[used]) != 0)
    assert (used[change + 1] - used[change] > size).all(), "less than a window between two parts"
    # every part has windows, unless the capture is too short for a block each or a stride passes over them
    assert stride > size or n < 12 * size or all(map(len, parts.values()))


def test_split_is_seeded_differs_by_capture_and_keeps_the_proportions() -> None:
    config = Windows()
    one = splits.split(200_000, config, 1, "a")
    assert all(np.array_equal(one[p], splits.split(200_000, config, 1, "a")[p]) for p in splits.PARTS)
    assert any(not np.array_equal(one[p], splits.split(200_000, config, 2, "a")[p]) for p in splits.PARTS)
    assert any(not np.array_equal(one[p], splits.split(200_000, config, 1, "b")[p]) for p in splits.PARTS)
    shares = np.array([len(one[p]) for p in splits.PARTS]) / sum(map(len, one.values()))
    assert np.allclose(shares, config.fractions, atol=0.01)


def test_short_capture_goes_to_train_whole() -> None:
    parts = splits.split(900, Windows(), 0)
    assert parts["train"].tolist() == list(range(0, 900, 100)) and not len(parts["fusion"])


@pytest.mark.parametrize("stride", [100, 10])
def test_no_frame_and_no_duplicate_crosses_parts_of_real_captures(stride: int, captures_root: Path) -> None:
    """No frame index is in two parts, and no capture (by content) stands in train and test or twice in train."""
    captures = datasets.captures("hcrl-sa", captures_root)
    originals = [c for c in captures if not c.duplicate_of]
    assert len(originals) == 11 and len({c.sha256 for c in originals}) == 11
    assert [c.name for c in captures if c.duplicate_of] == [
        "train_02_with_attacks/attack-free-kia.csv",
        "train_02_with_attacks/attack-free-sonata.csv",
    ]
    contents = []
    for capture in originals:
        frames = Frames.from_table(capture.frames())
        contents.append(hash(frames.payload.tobytes() + frames.timestamp.tobytes() + frames.id.tobytes()))
        if capture.split == "train":
            n = len(frames)
            parts = splits.split(n, Windows(stride=stride), 0, capture.name)
            sets = [covered(parts[p], 100) for p in splits.PARTS]
            assert all(sets) and sum(map(len, sets)) == len(set.union(*sets))
            times = {p: {frames.timestamp[s] for s in parts[p].tolist()} for p in splits.PARTS}
            assert not times["train"] & times["validation"] and not times["train"] & times["fusion"]
    assert len(set(contents)) == 11


def test_sample_takes_each_stratum_in_its_proportion() -> None:
    strata = np.repeat([0, 1, 2], [9000, 900, 100])
    sample = splits.sample(strata, 1000, 3)
    assert len(sample) == 1000 == len(set(sample.tolist())) and (np.diff(sample) > 0).all()
    assert np.abs(np.bincount(strata[sample]) - [900, 90, 10]).max() <= 1
    assert sample[:900].max() > 8900, "not the first ones"
    assert splits.sample(strata, 20_000, 3).tolist() == list(range(10_000))
    assert not np.array_equal(sample, splits.sample(strata, 1000, 4))
