"""Training on small stores: what may be seen, what is distilled, what is left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small import CONFIG, benign_rows, small

from kdgat import catalog, records
from kdgat.dataset import Prepared, Scalers, prepare, scored_store
from kdgat.export import INPUTS, to_onnx
from kdgat.graphs import GraphStore
from kdgat.models.gat import GAT
from kdgat.stages import (
    Detector,
    Task,
    has_profile,
    operating_points,
    train_baseline,
    train_fusion,
    train_gat,
    train_vgae,
)
from kdgat.training import Batches, Curriculum

pytestmark = pytest.mark.xdist_group("training")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDGAT_WORK", str(tmp_path_factory.mktemp("work")))
        made = small()
        assert small().folder == made.folder  # found again, not built again
        return made


@pytest.fixture(scope="module")
def trained(prepared: Prepared):
    task = Task("Flow/1", "Flow/1/step/2", "synthetic", "synthetic", 0, CONFIG)
    vgae = train_vgae(task, prepared)
    gat = train_gat(task, prepared, vgae.extra["difficulty"])
    fusion = train_fusion(task, prepared, vgae.checkpoints | gat.checkpoints)
    return task, vgae, gat, fusion


def test_parts_share_no_frame_and_validation_vehicles_are_others(prepared: Prepared) -> None:
    seen: dict[str, dict[str, str]] = {}
    for part in ("train", "fusion", "validation"):
        store = prepared.store(part)
        for capture, start in zip(np.asarray(store.capture), np.asarray(store.start), strict=True):
            name = store.capture_names[int(capture)]
            frames = seen.setdefault(name, {})
            for k in (int(start), int(start) + CONFIG.windows.size - 1):
                assert frames.setdefault(str(k), part) == part, f"{name} frame {k} is in two parts"
    virtual = {name: set(parts.values()) for name, parts in seen.items() if name.startswith("virtual-")}
    assert virtual and all(len(parts) == 1 for parts in virtual.values())


def test_scalers_see_benign_training_windows_only(prepared: Prepared) -> None:
    train = prepared.store("train")
    rows = train.batch(benign_rows(prepared))
    assert np.allclose(prepared.scalers.nodes.mean, rows.x.mean(0), atol=1e-4)
    everything = train.batch(np.arange(len(train)))
    assert not np.allclose(prepared.scalers.nodes.mean, everything.x.mean(0), atol=1e-4)
    again = Scalers.from_dict(prepared.scalers.to_dict())
    assert np.array_equal(again.edges.scale, prepared.scalers.edges.scale)


def test_preparing_reads_no_test_capture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    read = []
    frames = catalog.Capture.frames
    monkeypatch.setattr(catalog.Capture, "frames", lambda self, *a: read.append(self.split) or frames(self, *a))
    prepare("synthetic", None, CONFIG, 1)
    assert set(read) == {"train"}


def test_curriculum_admits_hard_windows_late_and_attacks_always(prepared: Prepared) -> None:
    store = prepared.store("train")
    batches = Batches(store, prepared.scalers, 32, seed=0)
    y = np.asarray(store.y)
    difficulty = np.arange(len(store), dtype=float)
    curriculum = Curriculum(batches, difficulty, y, tau=1.0)
    benign = np.flatnonzero(y == 0)
    for epoch, share in ((0, 1 - np.exp(-1)), (2, 1 - np.exp(-3))):
        curriculum.admit(epoch)
        admitted = np.intersect1d(batches.index, benign)
        assert len(admitted) == int(np.ceil(share * len(benign)))
        assert admitted.max() == benign[len(admitted) - 1]  # the easiest
        assert np.isin(np.flatnonzero(y == 1), batches.index).all()


def test_batches_have_a_new_order_each_epoch_and_the_same_each_time(prepared: Prepared) -> None:
    batches = Batches(prepared.store("train"), prepared.scalers, 50, seed=3)
    first = [b.index.tolist() for b in batches]
    assert first == [b.index.tolist() for b in batches]
    batches.epoch = 1
    assert first != [b.index.tolist() for b in batches]
    assert sorted(i for b in first for i in b) == list(range(len(prepared.store("train"))))


def test_stages_leave_valid_records_and_reloadable_models(trained) -> None:
    _, vgae, gat, fusion = trained
    for stage, models in ((vgae, "vgae"), (gat, "gat"), (fusion, "fusion-dqn")):
        tables = records.load(stage.records())
        runs = {r["model"]: r for r in tables["runs"].to_pylist()}
        assert set(runs) == {f"{models}-teacher", f"{models}-student"}
        for name, run in runs.items():
            counted = [p["count"] for p in tables["parameters"].to_pylist() if p["model"] == name]
            model = stage.checkpoints[name].model()
            assert run["parameters"] == sum(counted) == sum(p.numel() for p in model.parameters())
            assert run["data_kind"] == "synthetic" and run["config_hash"] == CONFIG.hash()
    assert {r["metric"] for r in records.load(gat.records())["curves"].to_pylist()} >= {"train_loss", "validation_loss"}


def test_training_is_reproducible(trained, prepared: Prepared) -> None:
    task, vgae, *_ = trained
    again = train_vgae(task, prepared)
    for name, checkpoint in vgae.checkpoints.items():
        assert checkpoint.weights == again.checkpoints[name].weights


def test_operating_points_come_from_validation_by_protocol(trained, prepared: Prepared) -> None:
    _, vgae, gat, _ = trained
    validation = prepared.store("validation")
    detector = Detector(vgae.checkpoints["vgae-student"], gat.checkpoints["gat-student"], prepared)
    data = detector.score(validation)[0]
    points = operating_points(CONFIG, prepared, data.p_attack)
    saved = gat.checkpoints["gat-student"].meta["points"]
    assert {p: v[0] for p, v in saved.items()} == {p: pytest.approx(v.threshold) for p, v in points.items()}
    assert set(points) == set(records.PROTOCOLS)
    assert 0 < has_profile(validation).mean() < 1
    assert np.all((data.anomaly >= 0) & (data.anomaly < 1))


def test_profile_windows_are_not_scored(prepared: Prepared) -> None:
    capture = next(c for c in catalog.captures("synthetic") if c.split == "test_02")
    frames = capture.frames()
    t = frames["timestamp"].to_numpy()
    seconds = CONFIG.windows.profile_seconds
    everything, calibrated, contaminated = (scored_store(capture, frames, CONFIG, p) for p in records.PROTOCOLS)
    assert everything is not None and calibrated is not None and contaminated is not None
    assert np.asarray(calibrated.t0).min() >= seconds
    first = t[np.flatnonzero(frames["label"].to_numpy())[0]] - t[0]
    t0 = np.asarray(contaminated.t0)
    inside = (t0 > first - seconds / 2) & (t0 < first + seconds / 2)
    assert not inside.any() and len(contaminated) < len(everything)


def test_baseline_sees_the_same_windows(prepared: Prepared) -> None:
    task = Task("Flow/1", "Flow/1/step/3", "synthetic", "synthetic", 0, CONFIG)
    stage, model, points = train_baseline(task, prepared)
    scores = model.score(prepared.store("validation"))
    y = np.asarray(prepared.store("validation").y)
    assert scores[y == 1].mean() > scores[y == 0].mean() + 0.3
    assert records.load(stage.records())["runs"].num_rows == 1 and set(points) == set(records.PROTOCOLS)


def test_onnx_equals_torch_for_any_window(trained, prepared: Prepared) -> None:
    import onnxruntime

    _, _, gat, _ = trained
    model = gat.checkpoints["gat-student"].model()
    assert isinstance(model, GAT)
    session = onnxruntime.InferenceSession(to_onnx(model))
    validation: GraphStore = prepared.store("validation")
    for i in (0, 7, len(validation) - 1):
        b = Batches(validation, prepared.scalers, 1).batch(np.array([i]))
        given = {k: getattr(b, k).numpy() for k in INPUTS}
        with torch.no_grad():
            wanted = torch.softmax(model(b), 1)[:, 1].numpy()
        assert np.abs(session.run(None, given)[0] - wanted).max() < 1e-5


def test_rows_set_aside_are_counted_in_the_dataset_table(tmp_path: Path) -> None:
    from kdgat.dataset import dataset_row

    path = tmp_path / "capture.csv"
    good = "".join(f"{k / 1000:.6f},12A,00FF,0\n" for k in range(250))
    path.write_text("timestamp,arbitration_id,data_field,attack\n" + good + "0.3,12A,00ZZ,0\n")
    capture = catalog.Capture("d", "c", "v", "benign", "train", path, "0" * 64, "real", "")
    row = dataset_row(capture, capture.frames("quarantine"), CONFIG)
    assert row["quarantined"] == 1 and row["frames"] == 250 and row["windows"] == 2
    records.table("datasets", [row])
