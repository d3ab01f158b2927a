"""Train the models of one (dataset, seed): what the flow's steps call.

Each stage does the same four things with each of its models: fit it, calibrate its score, choose its operating points on
the validation windows, and package it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from kdgat.captures.reader import OnBadRows
from kdgat.config import Config, GATConfig, VGAEConfig, override
from kdgat.dataset.prepare import Prepared
from kdgat.dataset.traffic import of_training
from kdgat.evaluation.metrics import f1_score
from kdgat.evaluation.thresholds import OperatingPoint, by_protocol
from kdgat.experiment.detect import Calibration, Detector, Moments, standardised
from kdgat.experiment.operating_points import (
    as_json,
    benign_operating_points,
    confusion,
    fitted_operating_points,
    operating_points,
)
from kdgat.experiment.scoring import classifier_scores
from kdgat.experiment.stages import Baseline, BaselineStage, Either, FusionMethod, FusionStage, GATStage, VGAEStage
from kdgat.experiment.task import Recorder, Tables, Task
from kdgat.graphs.store import GraphStore
from kdgat.models import baselines, fusion, registry, rules
from kdgat.models.checkpoint import Checkpoint
from kdgat.models.dqn import QNetwork, train_dqn
from kdgat.models.gat import GAT
from kdgat.models.names import DISTILLATION_ROLES, ModelName
from kdgat.models.vgae import VGAE
from kdgat.records import ALONE_MODEL, HEADLINE_MODEL
from kdgat.training.batches import Batches
from kdgat.training.callbacks import Curriculum
from kdgat.training.fit import fit
from kdgat.training.modules import GATModule, VGAEModule
from kdgat.training.predict import SCORING_BATCH, predict_gat, predict_vgae
from kdgat.training.session import Rows, Session

#: the rule that is combined with the headline model
RULE = "rule-profile-baseline"


def seed_of(task: Task, *what: str) -> int:
    """Derive the seed of one training from the task's seed and names, and seed torch with it."""
    seed = (task.seed * 1_000_003 + zlib.crc32(" ".join(what).encode())) % 2**31
    torch.manual_seed(seed)
    return seed


def train_vgae(task: Task, prepared: Prepared, roles: Sequence[str] = DISTILLATION_ROLES) -> VGAEStage:
    """Train the VGAE teacher, then the student that also learns the teacher's latents; both on benign windows only.

    Args:
        task: where this runs.
        prepared: the stores.
        roles: the teacher, and the student unless nobody asks for it.
    """
    tables, checkpoints, validation_rows = Tables(), {}, []
    latents, difficulty = None, np.empty(0)
    if task.config.models == "alone":
        return VGAEStage(tables=tables, checkpoints={}, difficulty=difficulty)
    train, validation = prepared.store("train"), prepared.store("validation")
    for role in roles:
        name = ModelName("vgae", role)
        recorder = Recorder(tables, task, "vgae", str(name), prepared.meta["data_hash"])
        config = task.config.vgae_teacher if role == "teacher" else task.config.vgae_student
        model, history, seconds = fit_vgae(
            task.config, prepared, config, seed_of(task, name.family, role), recorder.session, latents
        )
        recorder.spent(seconds)
        calibration, scores = _calibrated(model, prepared)
        benign = np.asarray(validation.y) == 0
        points = benign_operating_points(task.config, validation, scores[benign])
        checkpoints[str(name)] = Checkpoint.of(
            "vgae",
            model,
            config=config.model_dump(),
            node_features=len(train.node_features),
            edge_features=len(train.edge_features),
            **calibration.meta(),
            points=as_json(points),
        )
        validation_rows += confusion(str(name), np.asarray(validation.y), scores, points, validation.has_profile)
        recorder.trained(model, history, "validation_loss")
        if role == "teacher":
            errors, _, latent = predict_vgae(model, Batches(train, prepared.scalers, SCORING_BATCH))
            difficulty, latents = calibration.error(errors), torch.from_numpy(latent)
    return VGAEStage(tables=tables, validation=validation_rows, checkpoints=checkpoints, difficulty=difficulty)


def fit_vgae(
    config: Config,
    prepared: Prepared,
    architecture: VGAEConfig,
    seed: int,
    session: Session,
    latents: torch.Tensor | None,
) -> tuple[VGAE, Rows, float]:
    """Fit one VGAE on the benign windows of the training store.

    Args:
        config: optimisation and distillation.
        prepared: the stores.
        architecture: the model's widths.
        seed: of the order of the windows; that of the weights is torch's.
        session: as in `fit`.
        latents: f32[B, L], the teacher's graph latents to distil from; None: no distillation.

    Returns:
        The model, its history, and the seconds it took.
    """
    train, validation = prepared.store("train"), prepared.store("validation")
    benign, unseen = (np.flatnonzero(np.asarray(store.y) == 0) for store in (train, validation))
    model = VGAE(architecture, len(train.node_features), len(train.edge_features))
    history, seconds = fit(
        VGAEModule(model, config.training, architecture.beta, latents, config.distillation.weight),
        Batches(train, prepared.scalers, config.training.batch_size, benign, seed),
        Batches(validation, prepared.scalers, SCORING_BATCH, unseen),
        session=session,
        epochs=config.training.epochs,
        patience=config.training.patience,
    )
    return model, history, seconds


def _calibrated(model: VGAE, prepared: Prepared) -> tuple[Calibration, np.ndarray]:
    """Calibrate a VGAE on the benign validation windows, and score all validation windows, f64[B]."""
    validation = prepared.store("validation")
    y = np.asarray(validation.y)

    def errors(index: np.ndarray) -> np.ndarray:
        return predict_vgae(model, Batches(validation, prepared.scalers, SCORING_BATCH, index))[0]

    parts = errors(np.flatnonzero(y == 0))
    calibration = Calibration.fit(parts)
    scores = np.empty(len(y))
    scores[y == 0] = calibration.anomaly(parts)
    if y.any():
        scores[y == 1] = calibration.anomaly(errors(np.flatnonzero(y)))
    return calibration, scores


def train_gat(
    task: Task, prepared: Prepared, difficulty: np.ndarray, roles: Sequence[str] = DISTILLATION_ROLES
) -> GATStage:
    """Train the GAT teacher, then the student distilled from its logits; hard benign windows enter late.

    With `student_alone` also that student without a teacher, or it alone.

    Args:
        task: where this runs.
        prepared: the stores.
        difficulty: f64[B], what the curriculum sorts the training windows by.
        roles: as in `train_vgae`.
    """
    tables, checkpoints, validation_rows = Tables(), {}, []
    train, validation = prepared.store("train"), prepared.store("validation")
    logits = np.empty((0, 2), np.float32)
    names = [ModelName("gat", role) for role in roles] if task.config.models == "all" else []
    lonely = task.config.models == "alone" or (task.config.student_alone and "student" in roles)
    for name in [*names, *([ModelName.parse(ALONE_MODEL)] if lonely else [])]:
        alone = str(name) == ALONE_MODEL
        recorder = Recorder(tables, task, "gat", str(name), prepared.meta["data_hash"], [] if alone else None)
        config = task.config.gat_teacher if name.role == "teacher" else task.config.gat_student
        # the student alone begins as the distilled one does; no teacher sorts its windows either
        plan = override(task.config, {"training.curriculum": "none"}) if alone else task.config
        model, history, seconds = fit_gat(
            plan, prepared, config, seed_of(task, "gat", name.role), recorder.session, difficulty,
            None if alone or not len(logits) else torch.from_numpy(logits),
        )  # fmt: skip
        recorder.spent(seconds)
        scores = gat_scores(model, prepared, validation)  # a probability already: nothing to calibrate
        points = operating_points(task.config, prepared, scores)
        checkpoints[str(name)] = Checkpoint.of(
            "gat",
            model,
            config=config.model_dump(),
            node_features=len(train.node_features),
            edge_features=len(train.edge_features),
            vocabulary=prepared.vocabulary,
            points=as_json(points),
        )
        validation_rows += confusion(str(name), np.asarray(validation.y), scores, points, validation.has_profile)
        recorder.trained(model, history, "validation_loss")
        if name.role == "teacher":
            logits = predict_gat(model, Batches(train, prepared.scalers, SCORING_BATCH))[0]
    return GATStage(tables=tables, validation=validation_rows, checkpoints=checkpoints, logits=logits)


def fit_gat(
    config: Config,
    prepared: Prepared,
    architecture: GATConfig,
    seed: int,
    session: Session,
    difficulty: np.ndarray | None = None,
    teacher: torch.Tensor | None = None,
) -> tuple[GAT, Rows, float]:
    """Fit one GAT on the training store.

    Args:
        config: optimisation, curriculum and distillation.
        prepared: the stores.
        architecture: the model's widths and options.
        seed: of weights, order and dropout.
        session: as in `fit`.
        difficulty: f64[B], what the curriculum `vgae` sorts benign windows by; the others need none.
        teacher: f32[B, 2], logits to distil from; None trains on labels alone.

    Returns:
        The model, its history, and the seconds it took.
    """
    torch.manual_seed(seed)
    train = prepared.store("train")
    vocabulary = torch.tensor(prepared.vocabulary, dtype=torch.long)
    model = GAT(architecture, len(train.node_features), len(train.edge_features), vocabulary)
    batches = Batches(train, prepared.scalers, config.training.batch_size, seed=seed)
    curriculum = None
    if config.training.curriculum != "none":
        order = {"vgae": difficulty, "sampled": None}.get(config.training.curriculum)
        if config.training.curriculum == "random":
            order = np.random.default_rng(seed).permutation(len(train)).astype(np.float64)
        curriculum = Curriculum(batches, order, np.asarray(train.y), config.training.curriculum_tau)
    history, seconds = fit(
        GATModule(model, config.training, config.distillation, teacher),
        batches,
        Batches(prepared.store("validation"), prepared.scalers, SCORING_BATCH),
        session=session,
        epochs=config.training.epochs,
        patience=config.training.patience,
        curriculum=curriculum,
    )
    return model, history, seconds


def gat_scores(model: GAT, prepared: Prepared, store: GraphStore) -> np.ndarray:
    """P(attack) of every window of a store, f64[B]."""
    return classifier_scores(model, prepared.scalers, store)


def train_fusion(task: Task, prepared: Prepared, checkpoints: dict[str, Checkpoint]) -> FusionStage:
    """Train DQN teacher and student on the held-out fusion split, and the methods that stand beside them.

    Args:
        task: where this runs.
        prepared: the stores.
        checkpoints: VGAE and GAT of both roles, by model name.
    """
    tables, networks, validation_rows = Tables(), {}, []
    methods: dict[str, FusionMethod] = {}
    if task.config.models == "alone":
        return FusionStage(tables=tables, checkpoints={}, methods=methods)
    held_out, validation = prepared.store("fusion"), prepared.store("validation")
    teacher: tuple[QNetwork, np.ndarray] | None = None
    for role in DISTILLATION_ROLES:
        name = ModelName("fusion-dqn", role)
        detector = Detector(checkpoints[f"vgae-{role}"], checkpoints[f"gat-{role}"], prepared.scalers)
        data, unseen = detector.score(held_out)[0], detector.score(validation)[0]
        moments = Moments.of(data.state)
        data, unseen = (standardised(d, moments.mean, moments.std) for d in (data, unseen))
        recorder = Recorder(tables, task, "fusion", str(name), prepared.meta["data_hash"])
        config = task.config.fusion if role == "teacher" else task.config.fusion_student
        network, losses = train_dqn(config, data, seed_of(task, "dqn", role), teacher, task.config.distillation.weight)
        scores = unseen.fused(network.choose(unseen.state))  # both scores are calibrated already
        points = operating_points(task.config, prepared, scores)
        networks[str(name)] = Checkpoint.of(
            "q", network, hidden=config.hidden, **moments.meta(), points=as_json(points)
        )
        validation_rows += confusion(str(name), unseen.y, scores, points, validation.has_profile)
        recorder.tracker.log("train_loss", losses)
        recorder.trained(network, [(i, "train_loss", value) for i, value in enumerate(losses)], "train_loss")
        for method, score in fusion.alternatives(data, network, config, task.seed).items():
            other = ModelName(f"fusion-{method}", role)
            methods[str(other)] = FusionMethod(other, score, operating_points(task.config, prepared, score(unseen)))
            if isinstance(score, fusion.Mean):  # kept by seed: a fitted weight of 1 is the classifier itself
                alpha = {"run": task.run(str(name)), "name": f"fitted.{other}.alpha", "value": json.dumps(score.alpha)}
                tables.add("hyperparameters", [alpha])
                print(f"{task.dataset} seed {task.seed} {other}: α = {score.alpha:g}", flush=True)
        if role == "teacher":
            teacher = (network, data.state)
    return FusionStage(tables=tables, validation=validation_rows, checkpoints=networks, methods=methods)


def train_baselines(
    task: Task,
    prepared: Prepared,
    checkpoints: Mapping[str, Checkpoint] | None = None,
    root: Path | None = None,
    on_bad_rows: OnBadRows = "raise",
) -> BaselineStage:
    """Train every baseline of the registry that the features allow, on the same windows as the networks.

    Args:
        task: where this runs.
        prepared: the stores.
        checkpoints: the networks, by model name; a rule is combined with each student of the GAT that is among them.
        root: folder of captures, whose frames the rules score again.
        on_bad_rows: as in `kdgat.captures.read`.
    """
    tables, validation_rows = Tables(), []
    detectors: dict[str, Baseline] = {}
    train, validation = prepared.store("train"), prepared.store("validation")
    vehicles = {row["capture"]: row["vehicle"] for row in prepared.meta["datasets"]}
    traffic = of_training(task.dataset, root, task.config, task.seed, on_bad_rows)
    y = np.asarray(validation.y).astype(np.int64)
    models: dict[str, baselines.BaselineModel] = {
        entry.name: model
        for entry in registry.of_role("baseline")
        if (model := entry.make()(task.config, seed_of(task, entry.family))).fits(train)
    }
    # what learns nothing looks at all windows, and together: virtual vehicles are drawn again but once
    untrained = {name: model for name, model in models.items() if isinstance(model, baselines.Untrained)}
    scores = rules.scores(untrained, validation, traffic)
    for entry in (entry for entry in registry.of_role("baseline") if entry.name in models):
        recorder = Recorder(tables, task, "baseline", entry.name, prepared.meta["data_hash"])
        print(f"{task.dataset} seed {task.seed}: {entry.name}", flush=True)
        model = models[entry.name].fit(train, vehicles)
        known = np.ones(len(y), bool) if model.scores_virtual_vehicles else prepared.real
        if entry.name not in scores:
            scores[entry.name] = np.zeros(len(y))
            scores[entry.name][known] = model.score(validation.select(np.flatnonzero(known)), traffic)
        points = _points_of(task.config, prepared, model, scores[entry.name], known)
        validation_rows += confusion(
            entry.name, y[known], scores[entry.name][known], points, validation.has_profile[known]
        )
        alarms = points["zero-shot"].alarms(scores[entry.name])
        recorder.done(model.size, [], ("validation_f1", f1_score(y[known], alarms[known])))
        detectors[entry.name] = Baseline(ModelName(entry.family, entry.role), model, points)
    combined = {}
    for name in (HEADLINE_MODEL, ALONE_MODEL):
        if (student := (checkpoints or {}).get(name)) is not None:
            scores[name] = gat_scores(student.model(), prepared, validation)  # type: ignore[arg-type]
            known_to_student = float(student.meta["points"]["zero-shot"][0])
            thresholds = {name: known_to_student, RULE: detectors[RULE].points["zero-shot"].threshold}
            points = operating_points(task.config, prepared, Either(thresholds, {}).score(scores))
            combined[f"rule-or-{name}"] = Either(thresholds, points)
    return BaselineStage(tables=tables, validation=validation_rows, detectors=detectors, combined=combined)


def _points_of(
    config: Config, prepared: Prepared, model: baselines.BaselineModel, scores: np.ndarray, known: np.ndarray
) -> dict[str, OperatingPoint]:
    """Choose a baseline's operating points on the validation windows bool[B] that are `known` to it, by its scores f64[B]."""
    if model.threshold is not None:
        fixed = OperatingPoint(model.threshold, "none, it has no choice")
        return by_protocol(lambda _: fixed, prepared.store("validation").has_profile)
    if model.calibrated:
        return operating_points(config, prepared, scores)
    return fitted_operating_points(config, prepared, scores, known)
