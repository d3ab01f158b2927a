"""Ablations: one factor at a time, effects paired by window and seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import CONFIG

from kdgat import records
from kdgat.config import override
from kdgat.dataset.prepare import prepare
from kdgat.errors import KdgatError
from kdgat.evaluation.scored import ScoredWindows
from kdgat.experiment.ablation import VARIANTS, Outcome, Reference, effects, run, summarise, train_reference, trainings
from kdgat.experiment.task import Task
from kdgat.graphs.features import OF_PAYLOAD
from kdgat.graphs.scaling import UNSEEN, Scalers
from kdgat.models.baselines import boosting_memory, of_memory
from kdgat.presets import preset

KEY = ("test_01", "zero-shot")


def outcomes(flip: int) -> list[Outcome]:
    """All trainings over three seeds: perfect, but the student without edge features misses `flip` windows more."""
    n = 400
    attacked = np.arange(n) % 4 == 0
    attack = np.where(attacked, "dos", "benign")
    time = np.arange(n) * 0.05
    windows = ScoredWindows(np.zeros(n, int), np.arange(n), time, np.full(n, 0.05), attacked.astype(int), attack)
    results = []
    for v in trainings():
        for seed in range(3):
            alarms = attacked.astype(np.float64)
            alarms[np.flatnonzero(attacked)[seed :: len(range(100)) // 10][:3]] = 0  # every student misses a few
            if v.factor == "edge features":
                alarms[np.flatnonzero(attacked)[: 2 * flip : 2]] = 0
            results.append(Outcome(v, "d", seed, 10, {KEY: windows}, {KEY: alarms}, {"zero-shot": 0.5}))
    return results


def test_every_factor_has_one_reference_and_changes_itself_alone() -> None:
    for factor in {v.factor for v in VARIANTS}:
        levels = [v for v in VARIANTS if v.factor == factor]
        (reference,) = [v for v in levels if v.reference]
        for v in levels:
            changed = [path for path, value in v.settings.items() if reference.settings.get(path) != value]
            changes = len(changed) + (v.teaching != reference.teaching)
            assert changes == (v is not reference) or (factor, v.level) == ("threshold", "one half")
        override(CONFIG, reference.settings)
    assert len({v.trained_as for v in trainings()}) == len(trainings()) < len(VARIANTS)
    with pytest.raises(KdgatError, match="no factor for the features 'memory' is called 'edges'"):
        trainings("edges")
    assert {v.factor for v in trainings()} - {v.factor for v in trainings(features="profile")} == {
        "time since the start",
        "payload columns of boosting",
    }
    assert set(OF_PAYLOAD) == set(preset("paper").windows.hidden), "boosting without what the networks do not see"


def test_effects_are_paired_and_carry_the_sign_of_what_changed() -> None:
    def effect(flip: int) -> dict:
        rows = effects(outcomes(flip), 200)
        assert {r["metric"] for r in rows} == {"f1"}, "recall at a rate needs benign windows far from attacks"
        assert {r["difference"] for r in rows if r["reference"]} == {0.0}
        assert all((r["p_holm"] is None) == r["reference"] for r in rows)
        (row,) = [r for r in rows if (r["factor"], r["level"]) == ("edge features", "unused")]
        return row

    worse = effect(40)
    assert worse["difference"] < -0.1 and worse["difference_high"] < 0 and worse["p_holm"] < 0.05
    same = effect(0)
    # the same windows are missed on both sides of every draw: no noise is left
    assert same["difference"] == same["difference_low"] == same["difference_high"] == 0 and same["p_holm"] == 1
    assert same["ci_low"] < same["mean"] < same["ci_high"]


def test_a_variant_is_trained_scored_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    task = Task("AblationFlow/1", "AblationFlow/1/variant/2", "synthetic", "synthetic", 0, CONFIG)
    reference = train_reference(task, None)
    results = []
    for variant in trainings("edge features"):
        stage, outcome = run(task, variant, reference, None)
        (row,) = records.load(stage.records())["runs"].to_pylist()
        assert row["model"] == variant.model and row["stage"] == "ablation"
        results.append(outcome)
    assert results[0].parameters > results[1].parameters  # edge features cost weights
    tables = records.load(summarise(results, 50))
    assert {r["level"] for r in tables["ablations"].to_pylist()} == {"used", "unused"}
    assert tables["readings"].num_rows > 0
    # captures alone do not resolve every rate: the variant without virtual cars gets the least that they do
    rare = replace(task, config=override(CONFIG, {"false_alarm_rate": 1e-4}))
    (none,) = [v for v in trainings("virtual cars") if v.level == "none"]
    assert run(rare, none, reference, None)[1].scores


def test_boosting_is_trained_with_and_without_payload_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    task = Task(
        "AblationFlow/1",
        "AblationFlow/1/variant/2",
        "synthetic",
        "synthetic",
        0,
        override(CONFIG, {"features": "memory"}),
    )
    prepared = prepare("synthetic", None, task.config, 0)
    reference = Reference(prepared, np.zeros(0), np.zeros((0, 2), np.float32))  # it learns from labels alone
    seen, hidden = (run(task, v, reference, None) for v in trainings("payload columns of boosting"))
    rows = [records.load(stage.records())["runs"].to_pylist() for stage, _ in (seen, hidden)]
    assert [r["model"] for (r,) in rows] == [
        f"gbm-memory-baseline (payload columns of boosting: {level})" for level in ("seen", "hidden")
    ]
    released = boosting_memory(task.config, 0)
    assert seen[1].scores.keys() == hidden[1].scores.keys()
    assert any((seen[1].scores[k] != hidden[1].scores[k]).any() for k in seen[1].scores)
    store = prepared.store("validation")
    names = store.node_features
    pooled, less = released.pool(store), of_memory(store, OF_PAYLOAD)
    kept = [k for k, name in enumerate(names) if name.rpartition("_")[0] not in OF_PAYLOAD]
    assert len(kept) == len(names) - 2 * len(OF_PAYLOAD)
    np.testing.assert_array_equal(less, np.hstack([pooled[:, [k + n * len(names) for k in kept]] for n in range(3)]))


def test_hidden_columns_are_zero_and_the_others_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    (hidden,) = [v.settings["windows.hidden"] for v in trainings("time since the start") if v.level == "hidden"]
    config = override(CONFIG, {"features": "memory"})
    seen = prepare("synthetic", None, config, 0)
    blind = prepare("synthetic", None, override(config, {"windows.hidden": hidden}), 0)
    assert blind.folder == seen.folder, "the store is the same"
    store = seen.store("validation")
    columns = [k for k, name in enumerate(store.node_features) if name.rpartition("_")[0] in hidden]
    assert len(columns) == 2 * len(hidden)
    assert (seen.scalers.nodes(store.x)[:, columns] != 0).any(), "the columns say something where they are seen"
    scaled = blind.scalers.nodes(store.x)
    assert (np.abs(scaled[:, columns]) < 1e-28).all()
    others = np.delete(np.arange(scaled.shape[1]), columns)
    np.testing.assert_array_equal(scaled[:, others], seen.scalers.nodes(store.x)[:, others])
    # a release keeps them hidden, and sets without columns of frames have nothing to hide
    written = Scalers.from_dict(json.loads(json.dumps(blind.scalers.to_dict())))
    np.testing.assert_array_equal(written.nodes(store.x), scaled)
    published = prepare("synthetic", None, override(config, {"windows.hidden": hidden, "features": "published"}), 0)
    assert (published.scalers.nodes.scale < UNSEEN).all()
    for wrong, reason in (
        (("colour",), "windows.hidden.0: Input should be 'short'"),
        (("age", "age"), "'age' is named twice"),
    ):
        with pytest.raises(KdgatError, match=reason):
            override(config, {"windows.hidden": wrong})


def test_the_flow_runs_to_its_table(repo: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(repo / "flows/ablation_flow.py"), "run", "--preset", "smoke", "--seeds", "0"]
    done = subprocess.run(
        [*command, "--datasets", "synthetic", "--factors", "edge features"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "freeze it with --run AblationFlow/" in done.stdout + done.stderr
