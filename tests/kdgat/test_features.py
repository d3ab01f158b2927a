"""Profiles and the scaler."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from kdgat.captures.frames import Frames
from kdgat.config import FrameColumn
from kdgat.errors import KdgatError
from kdgat.graphs.features import FEATURES
from kdgat.graphs.profile import Profile
from kdgat.graphs.scaling import Scaler


def bus(seconds: float = 12.0, flood: bool = False):
    """ID 1 every 10 ms with a counter in byte 0 and 7 in byte 1; ID 2 every 100 ms, constant; ID 3 once."""
    rows = [(k * 0.01, 1, 2, [k % 256, 7]) for k in range(int(seconds * 100))]
    rows += [(k * 0.1 + 1e-3, 2, 1, [5]) for k in range(int(seconds * 10))]
    rows += [(3.0005, 3, 0, [])]
    if flood:
        rows += [(5 + k * 0.001 + 2e-4, 0, 8, [0] * 8) for k in range(500)]
    rows.sort()
    payload = np.zeros((len(rows), 8), np.uint8)
    for i, (_, _, dlc, data) in enumerate(rows):
        payload[i, :dlc] = data
    t, ids, dlc, _ = zip(*rows, strict=True)
    return Frames(
        1e9 + np.array(t), np.array(ids, np.uint32), np.array(dlc, np.uint8), payload, np.zeros(len(t), np.uint8)
    ).to_table()


def test_profile_of_a_schedule() -> None:
    p = Profile.fit(bus(), 10.0)
    assert p.id.tolist() == [1, 2, 3] and p.n_frames == 1000 + 100 + 1
    assert p.period == pytest.approx([0.01, 0.1, 0.0], abs=1e-6)
    assert p.rate == pytest.approx([100, 10, 0.1], rel=2e-3)
    assert p.share == pytest.approx(np.array([1000, 100, 1]) / 1101)
    assert p.change_rate.tolist() == [1.0, 0.0, 0.0] and p.dlc.tolist() == [2, 1, 0]
    assert p.constant.tolist() == [[0, 255] + [0] * 6, [255] + [0] * 7, [0] * 8]
    assert p.value[:2, :2].tolist() == [[0, 7], [5, 0]]
    assert p.least == pytest.approx([0.01, 0.1, 0.0], abs=1e-6)
    assert p.flipped[:, 0].tolist() == [255, 0, 0] and not p.flipped[:, 1:].any()
    assert p.low[:, :3].tolist() == [[0, 7, 0], [5, 0, 0], [0, 0, 0]]
    assert p.high[:, :3].tolist() == [[255, 7, 255], [5, 255, 255], [255, 255, 255]]


def test_flooding_id_does_not_enter_a_profile() -> None:
    assert Profile.fit(bus(flood=True), 10.0).id.tolist() == [1, 2, 3]


def test_profile_of_nothing() -> None:
    p = Profile.fit(bus().slice(0, 0))
    assert p.n_frames == 0 and p.id.shape == (0,) and p.constant.shape == (0, 8)


def test_scaler() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(5, 3, 1000), np.full(1000, 7.0), np.full(1000, 1e6)], axis=1).astype(np.float32)
    scaler = Scaler.fit(x)
    y = scaler(x)
    assert y.dtype == np.float32 and abs(y[:, 0].mean()) < 1e-4 and y[:, 0].std() == pytest.approx(1, abs=1e-4)
    assert (y[:, 1:] == 0).all() and scaler.scale[1:].tolist() == [1, 1]
    assert scaler(np.array([[1e9, -1e9, 1e6]], np.float32)).tolist() == [[10, -10, 0]]
    again = Scaler.from_dict(scaler.to_dict())
    assert np.array_equal(again.mean, scaler.mean) and np.array_equal(again.scale, scaler.scale)
    with pytest.raises(KdgatError):
        Scaler.fit(x[:0])


def test_published_set_has_the_published_sizes() -> None:
    assert {name: (len(n), len(e)) for name, (n, e) in FEATURES.items()} == {
        "published": (35, 11),
        "relative": (23, 10),
        "profile": (33, 10),
        "memory": (75, 10),
    }
    frame = [name.removesuffix("_worst") for name in FEATURES["memory"][0] if name.endswith("_worst")]
    assert frame == list(get_args(FrameColumn)), "what a configuration may hide"
    for nodes, edges in FEATURES.values():
        assert len(set(nodes)) == len(nodes) and len(set(edges)) == len(edges)
