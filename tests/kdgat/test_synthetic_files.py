"""Synthetic traffic as files, its likeness to real traffic, and how hard its hard attacks are."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from kdgat import captures
from kdgat.captures.frames import Frames
from kdgat.catalog import datasets
from kdgat.config import Config
from kdgat.dataset.protocols import scored_store
from kdgat.errors import CaptureError, KdgatError
from kdgat.graphs.splits import starts
from kdgat.graphs.store import GraphStore
from kdgat.models.baselines import pooled
from kdgat.synthetic import commands
from kdgat.synthetic.attacks import inject
from kdgat.synthetic.bus import BUS_RANGES
from kdgat.synthetic.fidelity import ASPECTS, report, uncovered, window_statistics
from kdgat.synthetic.vehicle import Vehicle
from kdgat.synthetic.virtual import RANGES, TRAINING_RANGES
from kdgat.synthetic.write import FORMATS, write


def vehicle(seed: int, seconds: float) -> Frames:
    rng = np.random.default_rng(seed)
    return Vehicle.draw(BUS_RANGES, rng).drive(seconds, rng)


@pytest.mark.parametrize("format", FORMATS)
def test_every_reader_reads_what_is_written(format: str, tmp_path: Path) -> None:
    frames = inject(vehicle(0, 1.0), "fuzzing", [(0.3, 0.6)], 1e-3, np.random.default_rng(0))
    write(frames, tmp_path / "capture", format)
    back = Frames.from_table(captures.read(tmp_path / "capture"))
    assert np.allclose(back.timestamp - back.timestamp[0], frames.timestamp - frames.timestamp[0], atol=2e-6)
    assert np.array_equal(back.id, frames.id) and np.array_equal(back.dlc, frames.dlc)
    assert np.array_equal(back.payload, frames.payload)
    assert np.array_equal(back.label, frames.label if FORMATS[format][1] else np.zeros(len(frames)))


def test_an_attack_without_labels_leaves_its_interval(tmp_path: Path) -> None:
    path = tmp_path / "quiet.csv"
    done = subprocess.run(
        [sys.executable, "-m", "kdgat.synthetic", "write", str(path), "--attack", "suppress", "--seconds", "6"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert '"intervals_s": [[2.0, 4.0]]' in (tmp_path / "quiet.csv.intervals.json").read_text()
    assert not Frames.from_table(captures.read(path)).label.any()


def _capture(path: Path, attack: str) -> datasets.Capture:
    return datasets.Capture("own", path.name, "own", attack, "test_03", path, "", "synthetic", "")


def test_suppression_is_judged_against_its_intervals(tmp_path: Path) -> None:
    path = tmp_path / "quiet.csv"
    rng = np.random.default_rng(3)
    frames = inject(vehicle(3, 6.0), "suppress", [(2.0, 4.0)], 1e-3, rng)
    write(frames, path, "labelled-csv")
    side = tmp_path / "quiet.csv.intervals.json"
    capture = _capture(path, "suppress")
    assert not Frames.from_table(capture.frames()).label.any()
    side.write_text('{"attack": "suppress", "intervals_s": [[2.0, 4.0]]}')
    labelled = Frames.from_table(capture.frames())
    inside = (labelled.timestamp - labelled.timestamp[0] >= 2.0) & (labelled.timestamp - labelled.timestamp[0] < 4.0)
    assert inside.any() and np.array_equal(labelled.label, inside)
    store = scored_store(capture, capture.frames(), Config(), "zero-shot")
    begin, end = store.t0, store.t0 + np.asarray(store.duration)
    touched = (end >= 2.0) & (begin < 4.0)
    assert np.asarray(store.y).any() and not np.asarray(store.y)[~touched].any()


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"intervals_s": [[4, 2]]}', '{"intervals_s": [[0, 1e999]]}', "{", '{"intervals_s": 1}']
)
def test_intervals_that_are_none_say_so_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "quiet.csv"
    write(vehicle(3, 1.0), path, "labelled-csv")
    (tmp_path / "quiet.csv.intervals.json").write_text(text)
    with pytest.raises(CaptureError, match=r"quiet.csv.intervals.json.*interval") as caught:
        _capture(path, "suppress").frames()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (lambda p: commands.write_capture(p, "candump", "dos", 0.001, 5.0, 0), "is a folder, not a file"),
        (lambda p: commands.write_capture(Path(), "candump", "dos", 0.001, 5.0, 0), "is a folder, not a file"),
        (lambda p: commands.write_capture(p / "c", "candump", "dos", -1e-3, 5.0, 0), "apart by .* got -0.001 s"),
        (lambda p: commands.write_capture(p / "c", "candump", "dos", 1e-3, 5.0, -1), "a seed is 0 or more, got -1"),
        (lambda p: commands.evaders(-1e-3, 5.0, 1, 0), "apart by .* got -0.001 s"),
        (lambda p: commands.evaders(1e-3, 5.0, 0, 0), "vehicles are 1 or more, got 0"),
        (lambda p: commands.fidelity("hcrl-sa", p, 0, 0), "vehicles are 1 or more, got 0"),
        (lambda p: commands.coverage("wide", "hcrl-sa", p, -1, 0), "vehicles are 1 or more, got -1"),
        (lambda p: commands.coverage("wide", "synthetic", p, 1, 0), "dataset synthetic has no files of its own"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, command, reason: str) -> None:
    with pytest.raises(KdgatError, match=reason):
        command(tmp_path)
    assert not list(tmp_path.iterdir())


def test_synthetic_traffic_is_like_real_traffic(captures_root: Path) -> None:
    """Bounds that a generator without schedules, priorities or constant bytes would miss by far."""
    real = [Frames.from_table(c.frames()) for c in datasets.captures("hcrl-sa", captures_root) if c.attack == "benign"]
    rows = {name: distance for name, distance, _, _ in report(real, [vehicle(s, 20.0) for s in range(12)])}
    assert set(rows) == set(ASPECTS)
    assert rows["period of an ID"] < 0.5 and rows["byte entropy of an ID"] < 0.5 and rows["bus inter-arrival"] < 0.6
    noise = np.random.default_rng(0)
    flat = Frames.of(
        np.sort(noise.uniform(0, 20, 20_000)), noise.integers(0, 40, 20_000), 8, noise.integers(0, 256, (20_000, 8)), 0
    )
    worse = {name: distance for name, distance, _, _ in report(real, [flat])}
    assert sum(rows.values()) < 0.75 * sum(worse.values())


@pytest.mark.parametrize("kind", ["masquerade_timed", "spoofing_slow"])
def test_hard_attacks_are_hard(kind: str) -> None:
    """Gradient boosting on pooled features of one car must not reach AUC .99 on another."""
    stores = []
    for seed in range(6):
        frames = vehicle(seed, 24.0)
        begins = np.arange(2.0, 23.0, 4.0)
        frames = inject(frames, kind, [(b, b + 2.0) for b in begins], 1e-3, np.random.default_rng(seed))
        table = frames.to_table()
        stores.append(GraphStore.build([("c", kind, table, starts(table.num_rows, 100, 100))], 100, "relative"))
    train, test = GraphStore.concat(stores[:4]), GraphStore.concat(stores[4:])
    model = HistGradientBoostingClassifier(random_state=0).fit(pooled(train), np.asarray(train.y))
    auc = roc_auc_score(np.asarray(test.y), model.predict_proba(pooled(test))[:, 1])
    assert auc < 0.99, f"{kind}: AUC {auc:.3f}"


def _successions(frames: Frames) -> float:
    """Share of frames that follow one of the same ID."""
    return float((np.diff(frames.id.astype(np.int64)) == 0).mean())


def test_bursts_are_what_the_training_cars_lack(captures_root: Path) -> None:
    """What the choice of the preset `paper` rests on: without bursts in virtual vehicles a succession means an attack."""
    benign = [c for c in datasets.captures("hcrl-sa", captures_root) if c.split == "train" and c.attack == "benign"]
    assert benign and all(_successions(Frames.from_table(c.frames())) == 0 for c in benign)

    def drives(bursts: tuple[float, float]) -> list[Frames]:
        ranges = replace(TRAINING_RANGES, bursts=bursts)
        rngs = [np.random.default_rng(s) for s in range(12)]
        return [Vehicle.draw(ranges, rng).drive(4.0, rng) for rng in rngs]

    plain, bursting = drives((0.0, 0.0)), drives((0.1, 0.2))
    assert np.mean([_successions(f) for f in plain]) < 0.1 * np.mean([_successions(f) for f in bursting])
    # bursts move frames, they add none
    counts = np.array([[len(a), len(b)] for a, b in zip(plain, bursting, strict=True)])
    assert np.all(abs(counts[:, 0] / counts[:, 1] - 1) < 0.03)


def test_no_training_car_stands_apart_from_the_lifelike_vehicles(captures_root: Path) -> None:
    """What tells real windows from virtual ones is a short cut: what is learned from virtual ones then stays with them."""
    cars = [
        c
        for c in datasets.captures("hcrl-sa", captures_root)
        if c.split == "train" and c.attack == "benign" and not c.duplicate_of
    ]

    statistics = [window_statistics(Frames.from_table(c.frames().slice(0, 20_000))) for c in cars]

    def apart(ranges: str) -> int:
        rngs = [np.random.default_rng([0, n]) for n in range(60)]
        vehicles = [window_statistics(Vehicle.draw(RANGES[ranges], rng).drive(1.5, rng)) for rng in rngs]
        return sum(len(uncovered(real, vehicles)) for real in statistics)

    assert len(cars) == 2
    assert apart("lifelike") <= 4 < 12 <= apart("wide")
