"""The stages of one (dataset, seed): what the flow's steps call. Each trains or scores, and leaves records.

A stage returns plain data (bytes, arrays, JSON-able dicts), so that it can be an immutable artifact of any flow.
"""

from __future__ import annotations

import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdgat.checkpoint import Checkpoint
from kdgat.config import Config, GATConfig
from kdgat.dataset import Prepared
from kdgat.evaluation.metrics import f1_score
from kdgat.evaluation.thresholds import BenignCDF, OperatingPoint, best_f1, by_protocol, false_positive_rate
from kdgat.graphs import GraphStore
from kdgat.models import fusion
from kdgat.models.baselines import GradientBoosting, RateBaseline
from kdgat.models.gat import GAT
from kdgat.models.layers import count_parameters
from kdgat.models.vgae import VGAE
from kdgat.recording import Recorder, Stage, Task
from kdgat.training import (
    Batches,
    Curriculum,
    GATModule,
    VGAEModule,
    attack_probability,
    fit,
    predict_gat,
    predict_vgae,
)

ROLES = ("teacher", "student")
SCORING_BATCH = 512


def seed_of(task: Task, *what: str) -> int:
    """A seed for one training, from the task's seed and names."""
    seed = (task.seed * 1_000_003 + zlib.crc32(" ".join(what).encode())) % 2**31
    torch.manual_seed(seed)
    return seed


def train_vgae(task: Task, prepared: Prepared) -> Stage:
    """VGAE teacher, then the student that also learns the teacher's latents; both on benign windows only."""
    stage = Stage()
    config = task.config
    train, validation = prepared.store("train"), prepared.store("validation")
    benign = [np.flatnonzero(np.asarray(s.y) == 0) for s in (train, validation)]
    latents = None
    for role in ROLES:
        recorder = Recorder(stage, task, "vgae", f"vgae-{role}", prepared.meta["data_hash"])
        seed = seed_of(task, "vgae", role)
        wanted = config.vgae_teacher if role == "teacher" else config.vgae_student
        sizes = len(train.node_features), len(train.edge_features)
        model = VGAE(wanted, *sizes)
        module = VGAEModule(model, config.training, wanted.beta, latents, config.distillation.weight)
        curves, seconds = fit(
            module,
            Batches(train, prepared.scalers, config.training.batch_size, benign[0], seed),
            Batches(validation, prepared.scalers, SCORING_BATCH, benign[1]),
            name=f"{task.dataset} seed {task.seed} vgae-{role}",
            epochs=config.training.epochs,
            logger=recorder.tracker.logger,
            state=task.state(f"vgae-{role}"),
        )
        recorder.spent(seconds)
        parts, _, _ = predict_vgae(model, Batches(validation, prepared.scalers, SCORING_BATCH, benign[1]))
        centre, spread = parts.mean(0), np.maximum(parts.std(0), 1e-6)
        cdf = BenignCDF.fit(((parts - centre) / spread).mean(1))
        calibrated, durations = cdf(((parts - centre) / spread).mean(1)), np.asarray(validation.duration)[benign[1]]
        points = by_protocol(
            # no attacks to choose a threshold with: 1 % of benign windows, or the least that this many windows resolve
            lambda m, s=calibrated, d=durations: false_positive_rate(  # type: ignore[misc]
                s[m], config.false_alarm_rate or max(0.01, 3 / m.sum()), float(d[m].sum())
            ),
            validation.has_profile[benign[1]],
        )
        y = np.asarray(validation.y)
        scores = np.empty(len(y))
        scores[benign[1]] = calibrated
        if y.any():
            attacked = Batches(validation, prepared.scalers, SCORING_BATCH, np.flatnonzero(y))
            scores[y == 1] = cdf(((predict_vgae(model, attacked)[0] - centre) / spread).mean(1))
        stage.validation += counts(f"vgae-{role}", y, scores, points, validation.has_profile)
        recorder.count(model)
        recorder.done(count_parameters(model), curves, ("validation_loss", last(curves, "validation_loss")))
        stage.checkpoints[f"vgae-{role}"] = Checkpoint.of(
            "vgae",
            model,
            config=wanted.model_dump(),
            node_features=sizes[0],
            edge_features=sizes[1],
            centre=centre.tolist(),
            spread=spread.tolist(),
            cdf=[cdf.sorted.tolist(), cdf.scale],
            points=plain(points),
        )
        if role == "teacher":
            everything = Batches(train, prepared.scalers, SCORING_BATCH)
            errors, _, latent = predict_vgae(model, everything)
            stage.extra["difficulty"] = ((errors - centre) / spread).mean(1)
            latents = torch.from_numpy(latent)
    return stage


def train_gat(task: Task, prepared: Prepared, difficulty: np.ndarray) -> Stage:
    """GAT teacher, then the student distilled from its logits; hard benign windows (`difficulty`, f64[B]) enter late.

    Returns:
        `extra["logits"]`: the teacher's, f32[B, 2] by position in the training store.
    """
    stage = Stage()
    logits = None
    for role in ROLES:
        wanted = task.config.gat_teacher if role == "teacher" else task.config.gat_student
        recorder = Recorder(stage, task, "gat", f"gat-{role}", prepared.meta["data_hash"])
        model, curves, seconds = fit_gat(
            task.config, prepared, wanted, seed_of(task, "gat", role), difficulty, logits,
            name=f"{task.dataset} seed {task.seed} gat-{role}", logger=recorder.tracker.logger,
            state=task.state(f"gat-{role}"),
        )  # fmt: skip
        recorder.spent(seconds)
        validation = prepared.store("validation")
        scores = gat_scores(model, prepared, validation)
        points = operating_points(task.config, prepared, scores)
        stage.validation += counts(f"gat-{role}", np.asarray(validation.y), scores, points, validation.has_profile)
        recorder.count(model)
        recorder.done(count_parameters(model), curves, ("validation_loss", last(curves, "validation_loss")))
        stage.checkpoints[f"gat-{role}"] = Checkpoint.of(
            "gat",
            model,
            config=wanted.model_dump(),
            node_features=len(prepared.store("train").node_features),
            edge_features=len(prepared.store("train").edge_features),
            vocabulary=prepared.vocabulary,
            points=plain(points),
        )
        if role == "teacher":
            everything = Batches(prepared.store("train"), prepared.scalers, SCORING_BATCH)
            stage.extra["logits"] = predict_gat(model, everything)[0]
            logits = torch.from_numpy(stage.extra["logits"])
    return stage


def fit_gat(
    config: Config,
    prepared: Prepared,
    wanted: GATConfig,
    seed: int,
    difficulty: np.ndarray | None,
    teacher: torch.Tensor | None,
    *,
    name: str,
    logger: Any = False,
    state: Path | None = None,
) -> tuple[GAT, list[tuple[int, str, float]], float]:
    """One GAT on the training store: the model, its curves, and the seconds it took.

    Args:
        config: optimisation, curriculum and distillation.
        prepared: the stores.
        wanted: the model's widths and options.
        seed: of weights, order and dropout.
        difficulty: f64[B], what the curriculum `vgae` sorts benign windows by; the others need none.
        teacher: f32[B, 2], logits to distil from; None trains on labels alone.
        name, logger, state: as in `fit`.
    """
    torch.manual_seed(seed)
    train = prepared.store("train")
    vocabulary = torch.tensor(prepared.vocabulary, dtype=torch.long)
    model = GAT(wanted, len(train.node_features), len(train.edge_features), vocabulary)
    batches = Batches(train, prepared.scalers, config.training.batch_size, seed=seed)
    curriculum = None
    if config.training.curriculum != "none":
        order = {"vgae": difficulty, "sampled": None}.get(config.training.curriculum)
        if config.training.curriculum == "random":
            order = np.random.default_rng(seed).permutation(len(train)).astype(np.float64)
        curriculum = Curriculum(batches, order, np.asarray(train.y), config.training.curriculum_tau)
    curves, seconds = fit(
        GATModule(model, config.training, config.distillation, teacher),
        batches,
        Batches(prepared.store("validation"), prepared.scalers, SCORING_BATCH),
        name=name,
        epochs=config.training.epochs,
        logger=logger,
        curriculum=curriculum,
        state=state,
    )
    return model, curves, seconds


def gat_scores(model: GAT, prepared: Prepared, store: GraphStore) -> np.ndarray:
    """P(attack) of every window of a store, f64[B]."""
    return attack_probability(predict_gat(model, Batches(store, prepared.scalers, SCORING_BATCH))[0])


def operating_points(config: Config, prepared: Prepared, scores: np.ndarray) -> dict[str, OperatingPoint]:
    """Operating points by protocol, chosen by the configuration's rule from scores f64[B] of the validation windows.

    Raises:
        KdgatError: the validation traffic is too short for the false-alarm rate that is asked for.
    """
    validation = prepared.store("validation")
    if config.operating_point == "half" and config.false_alarm_rate is None:
        at_half = OperatingPoint(0.5, "none, fixed at 0.5")
        return by_protocol(lambda _: at_half, validation.has_profile)
    return by_protocol(partial(_fitted, config, validation, scores, "validation"), validation.has_profile)


def _fitted(
    config: Config, validation: GraphStore, scores: np.ndarray, source: str, mask: np.ndarray
) -> OperatingPoint:
    """The point that validation windows bool[B] give: at the false-alarm rate asked for, else of the best F1."""
    y = np.asarray(validation.y).astype(np.int64)
    if config.false_alarm_rate is None:
        return best_f1(y[mask], scores[mask], f"{source}, best F1")
    benign = mask & (y == 0)
    seconds = float(np.asarray(validation.duration)[benign].sum())
    return false_positive_rate(scores[benign], config.false_alarm_rate, seconds, f"{source}, benign windows")


def check_false_alarm_rate(config: Config, prepared: Prepared) -> None:
    """Refuse a false-alarm rate that the validation traffic cannot resolve, before anything is trained.

    Raises:
        KdgatError: it is too short; says the minutes needed.
    """
    if config.false_alarm_rate is not None:
        operating_points(config, prepared, np.zeros(len(prepared.store("validation"))))


def counts(
    model: str, y: np.ndarray, scores: np.ndarray, points: dict[str, OperatingPoint], profiled: np.ndarray
) -> list[dict[str, Any]]:
    """Confusion on the validation windows y i64[n], scores f64[n] that each operating point was fitted on."""
    made = []
    for protocol, seen in (("zero-shot", ~profiled), ("calibrated", profiled)):
        if protocol in points and seen.any():
            alarm, attacked = points[protocol].alarms(scores[seen]), y[seen] == 1
            found = {"tp": alarm & attacked, "fn": ~alarm & attacked, "fp": alarm & ~attacked, "tn": ~alarm & ~attacked}
            made.append({"model": model, "protocol": protocol} | {name: int(v.sum()) for name, v in found.items()})
    return made


def plain(points: dict[str, OperatingPoint]) -> dict[str, list[Any]]:
    """Operating points for JSON: protocol → [threshold, source]."""
    return {protocol: [p.threshold, p.source] for protocol, p in points.items()}


def last(curves: list[tuple[int, str, float]], name: str) -> float | None:
    """The newest value of a metric; None if it was never logged."""
    return next((value for _, n, value in reversed(curves) if n == name), None)


class Detector:
    """A VGAE and a GAT of one role, scoring a store into what the fusion and the evaluation need."""

    def __init__(self, vgae: Checkpoint, gat: Checkpoint, prepared: Prepared) -> None:
        self.vgae, self.gat, self.scalers = vgae, gat, prepared.scalers
        self.cdf = BenignCDF(np.asarray(vgae.meta["cdf"][0]), vgae.meta["cdf"][1])
        self.models = vgae.model(), gat.model()

    def score(self, store: Any) -> tuple[fusion.FusionInput, np.ndarray, np.ndarray]:
        """Fusion input (state not yet standardised), VGAE errors by part f32[n, 3], GAT embeddings f32[n, D]."""
        torch.set_num_threads(1)
        batches = Batches(store, self.scalers, SCORING_BATCH)
        parts, stats, _ = predict_vgae(self.models[0], batches)  # type: ignore[arg-type]
        logits, embedding = predict_gat(self.models[1], batches)  # type: ignore[arg-type]
        error = (parts - np.asarray(self.vgae.meta["centre"])) / np.asarray(self.vgae.meta["spread"])
        anomaly = self.cdf(error.mean(1))
        p = attack_probability(logits)
        state = fusion.state(error, stats, anomaly, p, embedding)
        return fusion.FusionInput(state, anomaly, p, np.asarray(store.y).astype(np.int64)), parts, embedding


def standardised(data: fusion.FusionInput, centre: np.ndarray, spread: np.ndarray) -> fusion.FusionInput:
    """`data` with the state (s − centre)/spread, clipped to ±10; centre and spread f64[15], of the fusion split."""
    state = np.clip((data.state - centre) / spread, -10, 10).astype(np.float32)
    return fusion.FusionInput(state, data.anomaly, data.p_attack, data.y)


def train_fusion(task: Task, prepared: Prepared, checkpoints: dict[str, Checkpoint]) -> Stage:
    """DQN teacher and student on the held-out fusion split, and the weighted average; thresholds on validation."""
    stage = Stage()
    config = task.config
    held_out, validation = prepared.store("fusion"), prepared.store("validation")
    teacher: tuple[fusion.QNetwork, np.ndarray] | None = None
    for role in ROLES:
        detector = Detector(checkpoints[f"vgae-{role}"], checkpoints[f"gat-{role}"], prepared)
        data, valid = detector.score(held_out)[0], detector.score(validation)[0]
        centre, spread = data.state.mean(0), np.maximum(data.state.std(0), 1e-6)
        data, valid = standardised(data, centre, spread), standardised(valid, centre, spread)
        recorder = Recorder(stage, task, "fusion", f"fusion-dqn-{role}", prepared.meta["data_hash"])
        wanted = config.fusion if role == "teacher" else config.fusion_student
        network, losses = fusion.train_dqn(
            wanted, data, seed_of(task, "dqn", role), teacher, config.distillation.weight
        )
        scores = valid.fused(network.choose(valid.state))
        points = operating_points(config, prepared, scores)
        stage.validation += counts(f"fusion-dqn-{role}", valid.y, scores, points, validation.has_profile)
        recorder.count(network)
        curves = [(i, "train_loss", value) for i, value in enumerate(losses)]
        recorder.tracker.log("train_loss", losses)
        recorder.done(count_parameters(network), curves, ("train_loss", losses[-1] if losses else None))
        common = {"centre": centre.tolist(), "spread": spread.tolist()}
        stage.checkpoints[f"fusion-dqn-{role}"] = Checkpoint.of(
            "q", network, hidden=wanted.hidden, **common, points=plain(points)
        )
        for name, method in fusion.alternatives(data, network, wanted, task.seed).items():
            stage.extra[f"fusion-{name}-{role}"] = {
                "score": method,
                "points": operating_points(config, prepared, method(valid)),
            }
        if role == "teacher":
            teacher = (network, data.state)
    return stage


def train_baselines(task: Task, prepared: Prepared) -> Stage:
    """Gradient boosting on pooled features of the same windows, and the two comparisons of rates.

    Returns:
        `extra["baselines"]`: model → its `score` (a function of a store) and operating `points` by protocol.
    """
    stage = Stage(extra={"baselines": {}})
    train, validation = prepared.store("train"), prepared.store("validation")
    vehicles = {row["capture"]: row["vehicle"] for row in prepared.meta["datasets"]}
    y = np.asarray(validation.y).astype(np.int64)
    wanted: dict[str, Any] = {"gbm": lambda: GradientBoosting(seed_of(task, "gbm")).fit(train)}
    if task.config.features != "published":
        for kind in ("interarrival", "frequency"):
            wanted[kind] = lambda kind=kind: RateBaseline(kind).fit(train, vehicles)
    for name, make in wanted.items():
        recorder = Recorder(stage, task, "baseline", f"{name}-baseline", prepared.meta["data_hash"])
        model = make()
        scores = model.score(validation)
        if name == "gbm":
            points = operating_points(task.config, prepared, scores)
        else:  # nobody's rates are known for a virtual vehicle
            on_captures = partial(_fitted, task.config, validation, scores, "validation captures")
            points = by_protocol(lambda mask, fit=on_captures: fit(mask & prepared.real), validation.has_profile)  # type: ignore[misc]
        alarm = points["zero-shot"].alarms(scores)
        seen = prepared.real if name != "gbm" else np.ones(len(y), bool)
        stage.validation += counts(f"{name}-baseline", y[seen], scores[seen], points, validation.has_profile[seen])
        recorder.done(model.size, [], ("validation_f1", f1_score(y[seen], alarm[seen])))
        stage.extra["baselines"][f"{name}-baseline"] = {"score": model.score, "points": points}
    return stage
