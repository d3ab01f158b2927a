"""Score the windows of a test capture with all models of one dataset and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import pyarrow as pa

from kdgat import terminal
from kdgat.catalog.datasets import Capture
from kdgat.config import Config, FeatureSet
from kdgat.dataset.traffic import Traffic
from kdgat.evaluation import adaptation
from kdgat.evaluation.scored import ScoredWindows, joined
from kdgat.evaluation.summary import Scored
from kdgat.evaluation.thresholds import OperatingPoint
from kdgat.experiment.detect import Detector, Fusion
from kdgat.experiment.stages import Baseline, Either, FusionMethod
from kdgat.experiment.task import Task
from kdgat.graphs.scaling import Scalers
from kdgat.graphs.store import GraphStore
from kdgat.models import fusion, registry, rules
from kdgat.models.checkpoint import Checkpoint
from kdgat.models.fusion_input import DECISION, FusionInput
from kdgat.models.gat import GAT
from kdgat.records import ALONE_MODEL
from kdgat.training.batches import Batches
from kdgat.training.predict import SCORING_BATCH, attack_probability, predict_gat

#: the published recipe (`kdgat.experiment.published`), and its features
PUBLISHED = "published-student"
PUBLISHED_FEATURES: FeatureSet = "published"


@dataclass(frozen=True)
class Models:
    """Everything that is evaluated together: all trained for one dataset and seed.

    Attributes:
        checkpoints: by model name.
        fusions: further fusion methods, by model name.
        baselines: by model name.
        runs: model → run that trained it.
        combined: what joins models by OR, by model name.
    """

    checkpoints: dict[str, Checkpoint]
    fusions: dict[str, FusionMethod]
    baselines: dict[str, Baseline]
    runs: dict[str, str]
    combined: dict[str, Either] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of all models that have operating points."""
        return [*self.checkpoints, *self.fusions, *self.baselines, *self.combined]

    def run(self, model: str) -> str:
        """Look up the run that trained a model; what was fitted beside others belongs to the run of one of them."""
        if model in self.runs:
            return self.runs[model]
        return self.runs[model.removeprefix("rule-or-") if model in self.combined else "fusion-dqn-student"]

    def point(self, model: str, protocol: str) -> OperatingPoint:
        """Look up the operating point of a model under a protocol, its threshold rounded as a release holds it."""
        if protocol == "adapted":
            return adaptation.POINT
        if model in registry.bounds():
            return OperatingPoint(DECISION, "none, a bound")
        if model in self.checkpoints:
            point = OperatingPoint(*self.checkpoints[model].meta["points"][protocol])
        else:
            point = (self.fusions | self.baselines | self.combined)[model].points[protocol]
        return OperatingPoint(float(np.float32(point.threshold)), point.source)


@dataclass(frozen=True)
class StudentView:
    """What the student (or the teacher) saw of n windows.

    Attributes:
        data: scores and the DQN's state, standardised.
        parts: f32[n, 3], VGAE errors.
        embedding: f32[n, D], the GAT's.
        alpha: f64[n], weights that the DQN chose.
    """

    data: FusionInput
    parts: np.ndarray
    embedding: np.ndarray
    alpha: np.ndarray


@dataclass(frozen=True)
class ScoredCapture:
    """One test capture under one protocol.

    Attributes:
        capture, frames: what was scored.
        store: its n windows.
        scores: model → f64[n].
        student: what the student saw; None where none with a teacher was trained.
    """

    capture: Capture
    frames: pa.Table
    store: GraphStore
    scores: dict[str, np.ndarray]
    student: StudentView | None


def f32(values: np.ndarray) -> np.ndarray:
    """Round to what a release holds, so that every metric can be recomputed from it exactly."""
    return np.asarray(values, np.float32).astype(np.float64)


def of_networks(
    role: str, detector: Detector, dqn: Fusion, store: GraphStore
) -> tuple[dict[str, np.ndarray], StudentView]:
    """Score the windows of a store with the networks of a role: model → f64[n], and what they saw."""
    data, parts, embedding = detector.score(store)
    data, alpha = dqn.choose(data)
    scores = {f"vgae-{role}": data.anomaly, f"gat-{role}": data.p_attack, f"fusion-dqn-{role}": data.fused(alpha)}
    return scores, StudentView(data, parts, embedding, alpha)


def of_others(
    scores: Mapping[str, np.ndarray],
    traffic: Traffic,
    store: GraphStore,
    baselines: Mapping[str, Baseline],
    combined: Mapping[str, Either],
) -> dict[str, np.ndarray]:
    """Score the windows with what is no network, and with what joins it with the models that gave `scores`: model → f64[n]."""
    baseline_scores = rules.scores({name: b.model for name, b in baselines.items()}, store, lambda _: traffic)
    return baseline_scores | {name: either.score({**scores, **baseline_scores}) for name, either in combined.items()}


def score_capture(
    capture: Capture,
    traffic: Traffic,
    store: GraphStore,
    detectors: dict[str, Detector],
    models: Models,
    scalers: Scalers,
) -> ScoredCapture:
    """Score the windows of one capture with all models.

    Args:
        capture, traffic, store: what is scored.
        detectors: by role, teacher and student, where they were trained.
        models: what scores.
        scalers: of the training windows.
    """
    scores: dict[str, np.ndarray] = {}
    views = {}
    for role, detector in detectors.items():
        network_scores, views[role] = of_networks(
            role, detector, Fusion.of(models.checkpoints[f"fusion-dqn-{role}"]), store
        )
        data = views[role].data
        scores |= network_scores | {name: m.score(data) for name, m in models.fusions.items() if m.name.role == role}
    if ALONE_MODEL in models.checkpoints:
        scores[ALONE_MODEL] = classifier_scores(models.checkpoints[ALONE_MODEL].model(), scalers, store)  # type: ignore[arg-type]
    if PUBLISHED in models.checkpoints:
        scores[PUBLISHED] = published_scores(models.checkpoints[PUBLISHED], capture.name, traffic, store)
    student = views.get("student")
    if student is not None:
        scores["fusion-oracle-student"] = fusion.oracle(student.data)
    scores |= of_others(scores, traffic, store, models.baselines, models.combined)
    return ScoredCapture(capture, traffic.frames, store, {name: f32(s) for name, s in scores.items()}, student)


def classifier_scores(model: GAT, scalers: Scalers, store: GraphStore) -> np.ndarray:
    """P(attack) of the windows of a store, f64[B], by a GAT and the scalers that it was trained with."""
    return attack_probability(predict_gat(model, Batches(store, scalers, SCORING_BATCH))[0])


def published_scores(checkpoint: Checkpoint, name: str, traffic: Traffic, store: GraphStore) -> np.ndarray:
    """P(attack) of the windows of a store, f64[B], from graphs of its own features over the same frames.

    Args:
        checkpoint: as `train_published` leaves it.
        name: of the capture.
        traffic: the frames that the windows were cut from.
        store: the windows, with whatever features.
    """
    own = GraphStore.build(
        [(name, "", traffic.frames, np.asarray(store.start))], store.size, PUBLISHED_FEATURES, [None]
    )
    model = checkpoint.model()
    assert isinstance(model, GAT)
    return classifier_scores(model, Scalers.from_dict(checkpoint.meta["scalers"]), own)


def scored_windows(stores: Sequence[GraphStore], config: Config) -> ScoredWindows:
    """Join the windows of the recordings of a scenario, one store each, one after the other."""
    columns: dict[str, list[np.ndarray]] = {f.name: [] for f in fields(ScoredWindows)}
    for number, store in enumerate(stores):
        columns["recording"].append(np.full(len(store), number))
        columns["window"].append(np.asarray(store.start) // config.windows.stride)
        columns["t0"].append(f32(store.t0))
        columns["duration"].append(f32(store.duration))
        columns["injected"].append(np.asarray(store.injected).astype(np.int64))
        columns["attack"].append(np.array(store.attack_names)[np.asarray(store.attack)])
    return ScoredWindows(**{k: np.concatenate(v) for k, v in columns.items()})


def scored_of(task: Task, scenario: str, protocol: str, captures: Sequence[ScoredCapture], models: Models) -> Scored:
    """Join windows and scores of all captures of a scenario, one after the other."""
    parts = [(c.capture.name, scored_windows([c.store], task.config), c.scores) for c in captures]
    return joined_scores(
        parts,
        dataset=task.dataset,
        scenario=scenario,
        protocol=protocol,
        seed=task.seed,
        threshold=lambda m: models.point(m, protocol).threshold,
        run=models.run,
    )


def joined_scores(
    parts: Sequence[tuple[str, ScoredWindows, Mapping[str, np.ndarray]]],
    *,
    dataset: str,
    scenario: str,
    protocol: str,
    seed: int,
    threshold: Callable[[str], float],
    run: Callable[[str], str],
) -> Scored:
    """Join captures, one after the other.

    Args:
        parts: of each capture its name, windows and scores by model.
        dataset, scenario, protocol, seed: as in `Scored`.
        threshold, run: of a model, by its name.
    """
    scores = {m: np.concatenate([s[m] for _, _, s in parts]) for m in parts[0][2]}
    return Scored(
        dataset=dataset,
        scenario=scenario,
        protocol=protocol,
        seed=seed,
        captures=tuple(name for name, _, _ in parts),
        windows=joined([w for _, w, _ in parts]),
        scores=scores,
        thresholds={m: threshold(m) for m in scores},
        runs={m: run(m) for m in scores},
    )


def adapted(scored: Scored, config: Config) -> Scored:
    """Score the windows of a zero-shot scenario again by their margins over an operating point that follows the stream."""
    margins = {
        m: f32(adaptation.margins(scored.windows, s, scored.thresholds[m], config.adaptation))
        for m, s in scored.scores.items()
    }
    return replace(
        scored, protocol="adapted", scores=margins, thresholds=dict.fromkeys(margins, adaptation.POINT.threshold)
    )


def tell_broken(scored: Scored, config: Config) -> None:
    """Name recordings, on stderr, in which more of the windows are attacked than the protocol `adapted` bears."""
    for number in adaptation.broken(scored.windows, config.adaptation.seconds):
        terminal.note(
            f"{scored.dataset}: within {config.adaptation.seconds:g} s of {scored.captures[number]} over half of the windows "
            "are attacked, more than the protocol `adapted` can follow"
        )
