"""Score the windows of a test capture with all models of one dataset and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import pyarrow as pa

from kdgat.catalog.datasets import Capture
from kdgat.config import Config
from kdgat.dataset.traffic import Traffic
from kdgat.evaluation import adaptation
from kdgat.evaluation.scored import ScoredWindows
from kdgat.evaluation.summary import Scored
from kdgat.evaluation.thresholds import OperatingPoint
from kdgat.experiment.detect import Detector, Moments, standardised
from kdgat.experiment.stages import Baseline, Either, FusionMethod
from kdgat.experiment.task import Task
from kdgat.graphs.store import GraphStore
from kdgat.models import fusion, registry
from kdgat.models.checkpoint import Checkpoint
from kdgat.models.dqn import QNetwork
from kdgat.models.fusion_input import DECISION, FusionInput
from kdgat.records import HEADLINE_MODEL
from kdgat.training.batches import Batches
from kdgat.training.predict import SCORING_BATCH, attack_probability, predict_gat

#: the student that learns from labels alone, where it was trained
ALONE = "gat-alone-student"


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
        beside = HEADLINE_MODEL if model in self.combined else "fusion-dqn-student"
        return self.runs.get(model, self.runs[beside])

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
    """What the student saw of n windows.

    Attributes:
        data: scores and the DQN's state.
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
        student: what the student saw.
    """

    capture: Capture
    frames: pa.Table
    store: GraphStore
    scores: dict[str, np.ndarray]
    student: StudentView


def f32(values: np.ndarray) -> np.ndarray:
    """Round to what a release holds, so that every metric can be recomputed from it exactly."""
    return np.asarray(values, np.float32).astype(np.float64)


def score_capture(
    capture: Capture, traffic: Traffic, store: GraphStore, detectors: dict[str, Detector], models: Models
) -> ScoredCapture:
    """Score the windows of one capture with all models.

    Args:
        capture, traffic, store: what is scored.
        detectors: by role, teacher and student.
        models: what scores.
    """
    scores: dict[str, np.ndarray] = {}
    views = {}
    for role, detector in detectors.items():
        data, parts, embedding = detector.score(store)
        scores[f"vgae-{role}"], scores[f"gat-{role}"] = data.anomaly, data.p_attack
        checkpoint = models.checkpoints[f"fusion-dqn-{role}"]
        moments = Moments.from_meta(checkpoint.meta)
        data = standardised(data, moments.mean, moments.std)
        network = checkpoint.model()
        assert isinstance(network, QNetwork)
        alpha = network.choose(data.state)
        scores[f"fusion-dqn-{role}"] = data.fused(alpha)
        scores |= {name: m.score(data) for name, m in models.fusions.items() if m.name.role == role}
        views[role] = StudentView(data, parts, embedding, alpha)
    if ALONE in models.checkpoints:
        batches = Batches(store, detectors["student"].scalers, SCORING_BATCH)
        logits, _ = predict_gat(models.checkpoints[ALONE].model(), batches)  # type: ignore[arg-type]
        scores[ALONE] = attack_probability(logits)
    student = views["student"]
    scores["fusion-oracle-student"] = fusion.oracle(student.data)
    scores |= {name: baseline.model.score(store, lambda _: traffic) for name, baseline in models.baselines.items()}
    scores |= {name: either.score(scores) for name, either in models.combined.items()}
    return ScoredCapture(capture, traffic.frames, store, {name: f32(s) for name, s in scores.items()}, student)


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
    scores = {m: np.concatenate([c.scores[m] for c in captures]) for m in captures[0].scores}
    return Scored(
        dataset=task.dataset,
        scenario=scenario,
        protocol=protocol,
        seed=task.seed,
        captures=tuple(c.capture.name for c in captures),
        windows=scored_windows([c.store for c in captures], task.config),
        scores=scores,
        thresholds={m: models.point(m, protocol).threshold for m in scores},
        runs={m: models.run(m) for m in scores},
    )


def adapted(scored: Scored, config: Config) -> Scored:
    """Score the windows of a zero-shot scenario again by their margins over an operating point that follows the stream.

    Recordings in which more of the windows are attacked than the protocol bears are named.
    """
    margins = {
        m: f32(adaptation.margins(scored.windows, s, scored.thresholds[m], config.adaptation))
        for m, s in scored.scores.items()
    }
    for number in adaptation.broken(scored.windows, config.adaptation.seconds):
        print(
            f"{scored.dataset} seed {scored.seed}: {scored.captures[number]}, over half of some "
            f"{config.adaptation.seconds:g} s of windows is attacked: the protocol `adapted` promises nothing",
            flush=True,
        )
    return replace(
        scored, protocol="adapted", scores=margins, thresholds=dict.fromkeys(margins, adaptation.POINT.threshold)
    )
