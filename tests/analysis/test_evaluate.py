"""The current release scored again from its weights and the real captures."""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from analysis.checks import released, scores
from analysis.releases.release import Release
from kdgat.provenance import sha256

long = pytest.mark.skipif(not os.environ.get("KDGAT_SOAK"), reason="minutes long: make soak")


@pytest.fixture
def current(monkeypatch):
    for name in ("KDGAT_RELEASE", "KDGAT_FROZEN"):
        monkeypatch.delenv(name, raising=False)
    release = Release.open()
    if "hcrl-sa" not in release.manifest["datasets"]:
        pytest.skip("the current release holds no hcrl-sa")
    return release


@pytest.mark.parametrize("dataset", ["universal-without-impala", pytest.param("hcrl-sa", marks=long)])
def test_the_weights_give_the_frozen_scores(current, captures_root, dataset):
    second = captures_root.parent / "data-2"
    if not second.is_dir() or dataset not in current.manifest["datasets"]:
        pytest.skip("captures of the cars left out are not here, or the release has none of them")
    fresh = scores.rescore(current, dataset, 0, Path(f"{captures_root}{os.pathsep}{second}"))
    assert {"gbm-memory-baseline", "rule-online-baseline", released.classifier(current, dataset)} <= set(
        fresh.column_names
    )
    assert scores.differences(current, fresh, dataset, 0) == []


@long
def test_changed_weights_under_a_fitting_manifest_are_caught(current, captures_root, tmp_path):
    folder = tmp_path / current.name
    shutil.copytree(current.path, folder)
    file = "weights/hcrl-sa/gat-student-s0.safetensors"
    data = bytearray((folder / file).read_bytes())
    # the last tensor (float32), a little larger: shapes and counts stay as they were
    (header,) = struct.unpack("<Q", data[:8])
    begin, end = max(e["data_offsets"] for n, e in json.loads(data[8 : 8 + header]).items() if n != "__metadata__")
    values = np.frombuffer(data[8 + header + begin : 8 + header + end], np.float32) * 1.05
    data[8 + header + begin : 8 + header + end] = values.astype(np.float32).tobytes()
    (folder / file).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["weights"][file]["sha256"] = sha256(bytes(data))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    changed = Release(folder)
    changed.check_hashes()
    fresh = scores.rescore(changed, "hcrl-sa", 0, captures_root)
    assert any(p.startswith("gat-student: ") for p in scores.differences(changed, fresh, "hcrl-sa", 0))
