"""Training on small stores: what may be seen, what is distilled, what is left behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from small import CONFIG, benign_rows, small
from torch.nn import functional as F

from kdgat import records
from kdgat.captures.frames import Frames
from kdgat.catalog import datasets
from kdgat.config import override
from kdgat.dataset.prepare import Prepared, prepare
from kdgat.dataset.protocols import scored_store
from kdgat.dataset.traffic import of_training
from kdgat.errors import KdgatError
from kdgat.evaluation.thresholds import false_positive_rate
from kdgat.experiment import kept, published
from kdgat.experiment.detect import Detector
from kdgat.experiment.evaluate import evaluate
from kdgat.experiment.join import over_seeds
from kdgat.experiment.kept import baseline_weights
from kdgat.experiment.operating_points import (
    check_false_alarm_rate,
    far_from_attacks,
    fitted_operating_points,
    operating_points,
)
from kdgat.experiment.readings import log_reading, readings
from kdgat.experiment.scoring import Models
from kdgat.experiment.task import Task
from kdgat.experiment.train import fit_gat, train_baselines, train_fusion, train_gat, train_vgae
from kdgat.graphs.scaling import Scalers
from kdgat.graphs.store import GraphStore
from kdgat.models.export import to_onnx, vgae_to_onnx, weights
from kdgat.models.fusion_input import FusionInput
from kdgat.models.gat import GAT
from kdgat.models.vgae import VGAE
from kdgat.synthetic import bus
from kdgat.training.batches import Batches
from kdgat.training.callbacks import Curriculum
from kdgat.training.fit import fit
from kdgat.training.modules import GATModule
from kdgat.training.predict import SCORING_BATCH, predict_gat, predict_vgae
from kdgat.training.session import Session

#: `adapted` takes the zero-shot point and moves it
PROTOCOLS = set(records.PROTOCOLS) - {"adapted"}


@pytest.fixture(scope="module")
def trained(prepared: Prepared):
    config = CONFIG.model_copy(update={"student_alone": True})
    task = Task("Flow/1", "Flow/1/step/2", "synthetic", "synthetic", 0, config)
    vgae = train_vgae(task, prepared)
    gat = train_gat(task, prepared, vgae.difficulty)
    fusion = train_fusion(task, prepared, vgae.checkpoints | gat.checkpoints)
    return task, vgae, gat, fusion


def test_a_store_is_built_once_and_found_again(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDGAT_WORK", str(prepared.folder.parents[1]))
    assert small().folder == prepared.folder


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
    frames = datasets.Capture.frames
    monkeypatch.setattr(datasets.Capture, "frames", lambda self, *a: read.append(self.split) or frames(self, *a))
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
    task, vgae, gat, fusion = trained
    for stage, models in ((vgae, "vgae"), (gat, "gat"), (fusion, "fusion-dqn")):
        tables = records.load(stage.records())
        runs = {r["model"]: r for r in tables["runs"].to_pylist()}
        alone = {"gat-alone-student"} if models == "gat" else set()
        assert set(runs) == {f"{models}-teacher", f"{models}-student"} | alone
        for name, run in runs.items():
            counted = [p["count"] for p in tables["parameters"].to_pylist() if p["model"] == name]
            model = stage.checkpoints[name].model()
            assert run["parameters"] == sum(counted) == sum(p.numel() for p in model.parameters())
            assert run["data_kind"] == "synthetic" and run["config_hash"] == task.config.hash()
    assert {r["metric"] for r in records.load(gat.records())["curves"].to_pylist()} >= {"train_loss", "validation_loss"}


def test_training_is_reproducible(trained, prepared: Prepared) -> None:
    task, vgae, *_ = trained
    again = train_vgae(task, prepared)
    for name, checkpoint in vgae.checkpoints.items():
        assert checkpoint.weights == again.checkpoints[name].weights


@pytest.mark.parametrize("epochs", [1, 2, 5, 6])
def test_few_steps_train_at_the_full_rate(prepared: Prepared, epochs: int) -> None:
    """Two batches: 2, 4, 10 and 12 steps; a schedule of ten would divide by zero, and one of two leave the rate at nothing."""
    torch.manual_seed(5)
    store = prepared.store("train")
    model = GAT(
        CONFIG.gat_student, len(store.node_features), len(store.edge_features), torch.tensor(prepared.vocabulary)
    )
    before = {k: v.clone() for k, v in model.named_parameters()}
    some = Batches(store, prepared.scalers, 4, np.arange(8), seed=3)
    module = GATModule(model, CONFIG.training, CONFIG.distillation)
    fit(module, some, some, Session("t"), epochs=epochs)
    # AdamW moves a weight by about the learning rate a step
    assert any((v - before[k]).abs().max() > 0.5 * CONFIG.training.learning_rate for k, v in model.named_parameters())


def test_patience_ends_training_and_keeps_the_best_epoch(prepared: Prepared, tmp_path: Path) -> None:
    config = override(CONFIG, {"training.epochs": 8, "training.patience": 1, "training.learning_rate": 0.05})
    state = tmp_path / "state"

    def run() -> tuple[GAT, list]:
        model, history, _ = fit_gat(config, prepared, config.gat_student, 0, Session("x", state=state))
        return model, [value for _, metric, value in history if metric == "validation_loss"]

    model, losses = run()
    best = int(np.argmin(losses))
    assert len(losses) == best + 2 < 8, "it ends an epoch after the best one"
    batches = Batches(prepared.store("validation"), prepared.scalers, SCORING_BATCH)
    with torch.no_grad():
        sums = [(float(F.cross_entropy(model(b), b.y, reduction="sum")), b.size) for b in batches]
    assert sum(a for a, _ in sums) / sum(n for _, n in sums) == pytest.approx(losses[best], rel=1e-4)
    again, same = run()  # what had ended is not trained on when it is asked for again
    assert same == losses
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))


def test_without_layers_the_features_are_pooled(prepared: Prepared) -> None:
    config = override(CONFIG, {"gat_student.layers": 0, "training.epochs": 1})
    model, _, _ = fit_gat(config, prepared, config.gat_student, 0, Session("x"))
    (batch, *_) = Batches(prepared.store("validation"), prepared.scalers, SCORING_BATCH)
    other = replace(batch, edge_index=batch.edge_index.flip(0), edge_attr=batch.edge_attr + 1)
    assert torch.equal(model(batch), model(other)), "no edge enters"


def test_operating_points_come_from_validation_by_protocol(trained, prepared: Prepared) -> None:
    _, vgae, gat, _ = trained
    validation = prepared.store("validation")
    detector = Detector(vgae.checkpoints["vgae-student"], gat.checkpoints["gat-student"], prepared.scalers)
    data = detector.score(validation)[0]
    points = operating_points(CONFIG, prepared, data.p_attack)
    saved = gat.checkpoints["gat-student"].meta["points"]
    assert {p: v[0] for p, v in saved.items()} == {p: pytest.approx(v.threshold) for p, v in points.items()}
    assert set(points) == PROTOCOLS
    counted = {r["protocol"]: r for r in gat.validation if r["model"] == "gat-student"}
    calibrated = validation.has_profile
    alarm = points["calibrated"].alarms(data.p_attack[calibrated])
    assert counted["calibrated"]["fp"] == int((alarm & (data.y[calibrated] == 0)).sum())
    assert sum(r[c] for r in counted.values() for c in ("tp", "fn", "fp", "tn")) == len(validation)
    assert {r["model"] for r in vgae.validation} == {"vgae-teacher", "vgae-student"}
    assert 0 < validation.has_profile.mean() < 1
    assert np.all((data.anomaly >= 0) & (data.anomaly < 1))


def test_a_false_alarm_rate_is_kept_or_refused_before_training(trained, prepared: Prepared) -> None:
    _, vgae, gat, _ = trained
    validation = prepared.store("validation")
    scores = (
        Detector(vgae.checkpoints["vgae-student"], gat.checkpoints["gat-student"], prepared.scalers)
        .score(validation)[0]
        .p_attack
    )
    config = CONFIG.model_copy(update={"false_alarm_rate": 0.1})
    check_false_alarm_rate(config, prepared)
    for protocol, point in operating_points(config, prepared, scores).items():
        like = validation.has_profile == (protocol != "zero-shot")
        benign = scores[like & (np.asarray(validation.y) == 0)]
        assert point.alarms(benign).mean() <= 0.1
    with pytest.raises(KdgatError, match=r"a false-positive rate of 1e-06 needs 3000000 benign windows .* minutes"):
        check_false_alarm_rate(CONFIG.model_copy(update={"false_alarm_rate": 1e-6}), prepared)


def test_what_knows_captures_alone_has_the_least_rate_that_they_resolve(prepared: Prepared) -> None:
    """Of a rule that no virtual vehicle can be scored with, a rate that the whole validation resolves may ask too much."""
    validation = prepared.store("validation")
    config = CONFIG.model_copy(update={"false_alarm_rate": 1e-6})
    scores, known = np.random.default_rng(0).random(len(validation)), prepared.real
    for protocol, point in fitted_operating_points(config, prepared, scores, known).items():
        like = known & (validation.has_profile == (protocol != "zero-shot")) & far_from_attacks(validation)
        assert point.alarms(scores[like]).sum() <= 3 < like.sum()
        assert point.source.endswith(f"false-positive rate {3 / like.sum():g}")
    with pytest.raises(KdgatError, match="needs 3000000 benign windows"):
        fitted_operating_points(config, prepared, scores, np.ones(len(validation), bool))
    for n in (3, 47, 94, 173, 241):  # of which 3/(3/n) is a little over n: the windows suffice all the same
        assert false_positive_rate(np.arange(n), 3 / n, 1.0).alarms(np.arange(n)).sum() <= 3


def traffic(pattern: list[tuple[float, int]]) -> datasets.Capture:
    """A capture of stretches of (seconds, attacked or not) at 500 frames/s; an attack sends every second frame."""
    label = np.concatenate([np.tile([0, on], int(seconds * 250)) for seconds, on in pattern]).astype(np.uint8)
    n = len(label)
    frames = Frames.of(np.arange(n) / 500, np.where(label, 5, 100 + np.arange(n) % 7), 8, np.zeros((n, 8)), label)
    return datasets.Capture("d", "c", "v", "dos", "test_01", None, "", "synthetic", "", frames.to_table())


UNCAPPED = CONFIG.model_copy(update={"windows": CONFIG.windows.model_copy(update={"max_windows": None})})


@pytest.mark.parametrize(
    ("protocol", "profiled"),
    [
        ("zero-shot", []),
        ("calibrated", [(0.0, 10.0)]),
        ("contaminated", [(7.0, 17.0)]),  # the attack begins at 12 s
        ("poisoned", [(12.0, 16.0), (20.0, 24.0), (28.0, 30.0)]),  # 10 s of attack, joined
    ],
)
def test_no_window_is_scored_that_the_profile_was_taken_from(
    protocol: str, profiled: list[tuple[float, float]]
) -> None:
    capture = traffic([(12, 0), (4, 1), (4, 0), (4, 1), (4, 0), (14, 1)])
    store = scored_store(capture, capture.frames(), UNCAPPED, protocol)
    assert store is not None and store.has_profile.all() == bool(profiled) == store.has_profile.any()
    begin, end = np.asarray(store.t0), np.asarray(store.t0) + np.asarray(store.duration)
    step = 0.2  # s, a window at 500 frames/s
    scored = sum(end - begin + 0.002)
    for low, high in profiled:
        assert not ((end > low + 0.01) & (begin < high - 0.01)).any(), (low, high)
    # what borders on a profile loses a window at most
    lost = 42.0 - sum(high - low for low, high in profiled) - scored
    assert 0 <= lost + 0.01 < step * (2 * len(profiled) + 1)


def test_an_attack_too_short_to_be_poisoned_with_and_found_has_no_poisoned_form() -> None:
    capture = traffic([(12, 0), (4, 1), (4, 0)])
    assert scored_store(capture, capture.frames(), UNCAPPED, "poisoned") is None
    benign = traffic([(30, 0)])
    for protocol in ("contaminated", "poisoned"):
        assert scored_store(benign, benign.frames(), UNCAPPED, protocol) is None


def test_a_poisoned_profile_knows_the_forged_id_and_a_contaminated_one_forgets_it() -> None:
    quiet = UNCAPPED.model_copy(update={"windows": UNCAPPED.windows.model_copy(update={"profile_from": "quiet"})})
    # injected every 20 ms: slow enough not to be refused for its speed
    slow = traffic([(12, 0), (30, 1)])
    table = slow.frames()
    keep = (table["label"].to_numpy() == 0) | (np.arange(table.num_rows) % 20 == 1)
    table = table.filter(pa.array(keep))
    unknown = {}
    for protocol in ("contaminated", "poisoned"):
        store = scored_store(slow, table, quiet, protocol)
        assert store is not None
        forged = np.asarray(store.id_code) == 5
        unknown[protocol] = np.asarray(store.x)[forged, store.node_features.index("unknown")].mean()
    assert unknown == {"contaminated": 1.0, "poisoned": 0.0}


def test_baselines_see_the_same_windows_and_come_back_from_a_release(trained, prepared: Prepared) -> None:
    _, vgae, gat, fusion = trained
    task = Task("Flow/1", "Flow/1/step/3", "synthetic", "synthetic", 0, CONFIG)
    checkpoints = vgae.checkpoints | gat.checkpoints | fusion.checkpoints
    stage = train_baselines(task, prepared, checkpoints)
    validation = prepared.store("validation")
    y, real = np.asarray(validation.y), prepared.real
    traffic = of_training("synthetic", None, CONFIG, 0)
    untrained = {
        "rule-online-baseline",
        "rule-profile-baseline",
        "binning-baseline",
        "always-baseline",
        "never-baseline",
    }
    assert set(stage.detectors) == {"gbm-baseline", "interarrival-baseline", "frequency-baseline"} | untrained
    models = Models(checkpoints, fusion.methods, stage.detectors, stage.runs, stage.combined)
    files = baseline_weights("synthetic", 0, models)
    sample = validation.select(np.flatnonzero(real))
    scores = {}
    for name, baseline in stage.detectors.items():
        scores[name] = baseline.model.score(sample, traffic)
        assert ((scores[name] >= 0) & (scores[name] <= 1)).all() and set(baseline.points) == PROTOCOLS
        if baseline.model.threshold is None:
            assert scores[name][y[real] == 1].mean() > scores[name][y[real] == 0].mean() + 0.02, name
        stem = f"synthetic/{name}-s0"
        again = kept.baseline(name, CONFIG, files[f"{stem}.json"], files.get(f"{stem}.safetensors", b""))
        assert np.abs(again.model.score(sample, traffic) - scores[name]).max() <= 1e-6
        assert again.points == baseline.points
    combination = stage.combined["rule-or-gat-student"]
    assert kept.either("rule-or-gat-student", files["synthetic/rule-or-gat-student-s0.json"]) == combination
    assert set(combination.thresholds) == {"gat-student", "rule-profile-baseline"}
    scores["gat-student"] = np.random.default_rng(0).random(len(sample))
    either = np.any([scores[m] >= t for m, t in combination.thresholds.items()], axis=0)
    assert np.array_equal(combination.score(scores) >= 0.5, either)
    with pytest.raises(KdgatError, match="trees"):
        kept.baseline("gbm-baseline", CONFIG, files["synthetic/gbm-baseline-s0.json"], b"")
    assert records.load(stage.records())["runs"].num_rows == len(stage.detectors)


def test_the_traffic_of_validation_windows_is_found_again(prepared: Prepared) -> None:
    """Rules score its frames: those that a window was cut from, of captures and of virtual vehicles."""
    validation, traffic = prepared.store("validation"), of_training("synthetic", None, CONFIG, 0)
    for number, name in enumerate(validation.capture_names):
        for i in np.flatnonzero(np.asarray(validation.capture) == number)[:5]:
            seen, start = traffic(name), int(validation.start[i])
            window = seen.frames.slice(start, validation.size)
            assert set(window["id"].to_pylist()) == set(validation.batch([i]).id_code.tolist()), name
            assert int(window["label"].to_numpy().sum()) == validation.injected[i]
            assert seen.profile is not None or not validation.has_profile[i]
    y, t0 = np.asarray(validation.y) == 1, np.asarray(validation.t0)
    end = t0 + np.asarray(validation.duration)
    of = np.asarray(validation.capture) * 2 + validation.has_profile
    near = (of == of[:, None]) & y & (t0 - end[:, None] <= 1) & (t0[:, None] - end <= 1)
    assert np.array_equal(far_from_attacks(validation), ~y & ~near.any(1))


def test_a_student_without_a_teacher_and_a_half_and_half_mean_stand_beside(trained, prepared: Prepared) -> None:
    _, _, gat, fusion = trained
    alone, distilled = (gat.checkpoints[f"gat-{kind}"].model().state_dict() for kind in ("alone-student", "student"))
    assert any(not torch.equal(alone[name], distilled[name]) for name in alone)
    fitted = {
        row["name"]: json.loads(row["value"])
        for row in records.load(fusion.records())["hyperparameters"].to_pylist()
        if row["name"].startswith("fitted.")
    }
    assert fitted["fitted.fusion-half-student.alpha"] == 0.5
    assert fitted["fitted.fusion-mean-student.alpha"] == fusion.methods["fusion-mean-student"].score.alpha
    data = FusionInput(np.zeros((2, 15), np.float32), np.array([0.2, 0.4]), np.array([0.6, 0.0]), np.zeros(2, int))
    assert fusion.methods["fusion-half-student"].score(data) == pytest.approx([0.4, 0.2])


def test_a_student_alone_and_the_published_recipe_are_trained_and_scored(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "SETTINGS", published.SETTINGS | {"training.epochs": 2, "training.patience": 1})
    config = override(CONFIG, {"models": "alone", "windows.max_windows": 60})
    task = Task("Flow/1", "Flow/1/step/2", "synthetic", "synthetic", 0, config)
    vgae = train_vgae(task, prepared)
    gat, recipe = train_gat(task, prepared, vgae.difficulty), published.train_published(task, None)
    assert not vgae.checkpoints and set(gat.checkpoints) == {"gat-alone-student"}
    checkpoints = gat.checkpoints | recipe.checkpoints
    assert not train_fusion(task, prepared, checkpoints).checkpoints
    baselines = train_baselines(task, prepared, checkpoints)
    assert set(baselines.combined) == {"rule-or-gat-alone-student"}
    models = Models(checkpoints, {}, baselines.detectors, gat.runs | recipe.runs | baselines.runs, baselines.combined)
    stage = evaluate(task, prepared, models, None, details=True)
    assert all(list(s.captures) == sorted(s.captures) for s in stage.scored)  # as a release lists them
    scored = {s.protocol: s for s in stage.scored if s.scenario == "test_01"}
    assert {"gat-alone-student", "published-student", "rule-or-gat-alone-student"} <= set(scored["zero-shot"].scores)
    assert "gat-student" not in scored["zero-shot"].scores
    runs = {row["model"]: row["run"] for row in stage.metrics}
    assert runs["rule-or-gat-alone-student"] == runs["gat-alone-student"] != runs["published-student"]
    # the recipe knows no profile: windows that two protocols score have the same scores
    first, second = scored["zero-shot"], scored["profiled"]
    assert np.array_equal(first.scores["published-student"], second.scores["published-student"])
    files = weights("synthetic", 0, checkpoints, prepared)
    assert set(files) == {f"synthetic/gat-alone-student-s0.{end}" for end in ("json", "safetensors")}
    apart = over_seeds([([s], stage.metrics) for s in stage.scored], 20, (1, 1))["differences"].to_pylist()
    assert {row["other"] for row in apart} == {"gat-alone-student", "rule-or-gat-alone-student"}


def test_a_log_of_readings_survives_half_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    task = Task("Flow/1", "Flow/1/evaluate/9", "synthetic", "synthetic", 0, CONFIG)
    first, *_ = (c for c in bus.captures() if c.split != "train")
    log_reading(task, "test_01", first)
    (log,) = tmp_path.glob("*.jsonl")
    whole = log.read_text()
    log.write_text(whole + whole[: len(whole) // 2])  # a process that was killed while it wrote
    assert len(readings({"synthetic"})) == 1
    log_reading(replace(task, path="Flow/1/evaluate/10"), "test_01", first)
    assert [r["reader"] for r in readings({"synthetic"})] == ["Flow/1/evaluate/9", "Flow/1/evaluate/10"]
    records.table("readings", readings({"synthetic"}))


def test_onnx_equals_torch_for_any_window(trained, prepared: Prepared) -> None:
    import onnxruntime

    _, vgae, gat, _ = trained
    models = gat.checkpoints["gat-student"].model(), vgae.checkpoints["vgae-student"].model()
    assert isinstance(models[0], GAT) and isinstance(models[1], VGAE)
    sessions = [onnxruntime.InferenceSession(data) for data in (to_onnx(models[0]), vgae_to_onnx(models[1]))]
    validation: GraphStore = prepared.store("validation")
    for i in (0, 7, len(validation) - 1):
        b = Batches(validation, prepared.scalers, 1).batch(np.array([i]))
        with torch.no_grad():
            embedding, out = models[0].embed(b), models[1](b)
            outputs = [torch.softmax(models[0](b), 1)[:, 1], embedding], [out.parts, out.stats]
        for session, expected in zip(sessions, outputs, strict=True):
            inputs = {k.name: getattr(b, k.name).numpy() for k in session.get_inputs()}
            for output, value in zip(session.run(None, inputs), expected, strict=True):
                assert np.abs(output - value.numpy()).max() < 1e-5 * max(1, float(value.abs().max()))


def test_rows_set_aside_are_counted_in_the_dataset_table(tmp_path: Path) -> None:
    from kdgat.catalog.contents import Training
    from kdgat.dataset.sources import dataset_row

    path = tmp_path / "capture.csv"
    good = "".join(f"{k / 1000:.6f},12A,00FF,0\n" for k in range(250))
    path.write_text("timestamp,arbitration_id,data_field,attack\n" + good + "0.3,12A,00ZZ,0\n")
    capture = datasets.Capture("d", "c", "v", "benign", "train", path, "0" * 64, "real", "")
    row = dataset_row(capture, capture.frames("quarantine"), CONFIG, Training({}, frozenset()))
    assert row["quarantined"] == 1 and row["frames"] == 250 and row["windows"] == 2
    records.table("datasets", [row])


def test_no_windows_to_score_are_a_line_that_says_so(prepared: Prepared) -> None:
    store = prepared.store("validation")
    columns = len(store.node_features), len(store.edge_features)
    none = Batches(store, prepared.scalers, SCORING_BATCH, np.empty(0, np.int64))
    with pytest.raises(KdgatError, match="no windows to score"):
        predict_gat(GAT(CONFIG.gat_student, *columns, torch.tensor(prepared.vocabulary)), none)
    with pytest.raises(KdgatError, match="no windows to score"):
        predict_vgae(VGAE(CONFIG.vgae_student, *columns), none)
