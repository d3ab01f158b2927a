"""What the live page shares with Python is what Python makes today."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from kdgat.synthetic.bus import BUS_RANGES
from tools import live_vectors


def test_the_page_draws_vehicles_from_the_same_ranges():
    assert json.loads(live_vectors.RANGES.read_text()) == json.loads(json.dumps(asdict(BUS_RANGES)))


def test_the_shared_windows_hold_todays_features():
    committed = json.loads(live_vectors.VECTORS.read_text())
    for old, new in zip(committed["captures"], live_vectors.vectors()["captures"], strict=True):
        assert {k: v for k, v in old.items() if k != "windows"} == {k: v for k, v in new.items() if k != "windows"}
        for a, b in zip(old["windows"], new["windows"], strict=True):
            for name in ("start", "ids", "source", "target", "injected"):
                assert a[name] == b[name]
            for name in ("x", "memory", "edges", "rule"):
                np.testing.assert_allclose(a[name], b[name], atol=1e-6)


def test_the_shared_windows_hold_the_awkward_cases():
    captures = {capture["name"]: capture for capture in json.loads(live_vectors.VECTORS.read_text())["captures"]}
    odd = captures["odd"]
    assert min(np.diff(odd["t"])) < 0
    assert 0 in odd["dlc"]
    assert any(len(window["ids"]) == 1 for window in odd["windows"])
    attacked = [window["injected"] for name in ("fuzzing", "spoofing") for window in captures[name]["windows"]]
    assert min(attacked) == 0 < max(attacked)
    width = len(odd["windows"][0]["x"]) / len(odd["windows"][0]["ids"])
    assert width == pytest.approx(33)
