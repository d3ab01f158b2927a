"""What the stages of one (dataset, seed) leave: plain picklable objects, so that each can be an artifact of any flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from kdgat.evaluation.thresholds import OperatingPoint, logit
from kdgat.experiment.task import Tables
from kdgat.models.baselines import BaselineModel
from kdgat.models.checkpoint import Checkpoint
from kdgat.models.fusion_input import FusionInput
from kdgat.models.names import ModelName

if TYPE_CHECKING:
    from kdgat.evaluation.summary import Scored

Input = TypeVar("Input")


@dataclass(frozen=True)
class Scorer(Generic[Input]):
    """A fitted model that is kept as it is and not as a checkpoint.

    Attributes:
        name: of the model.
        score: n windows → f64[n].
        points: protocol → operating point.
    """

    name: ModelName
    score: Callable[[Input], np.ndarray]
    points: dict[str, OperatingPoint]


#: fuses what both detectors say of n windows
FusionMethod = Scorer[FusionInput]


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline.

    Attributes:
        name: of the model.
        model: what scores the windows of a store.
        points: protocol → operating point.
    """

    name: ModelName
    model: BaselineModel
    points: dict[str, OperatingPoint]


@dataclass(frozen=True)
class Either:
    """Alarms where any of several models would: the largest of their margins over their zero-shot points.

    Attributes:
        thresholds: model → that point.
        points: protocol → operating point of the whole, chosen as that of any model.
    """

    thresholds: dict[str, float]
    points: dict[str, OperatingPoint]

    def score(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """f64[n] in (0, 1) from the models' scores f64[n]; at or over one half where one of them alarms."""
        margins = [logit(scores[m]) - logit(threshold) for m, threshold in self.thresholds.items()]
        joint: np.ndarray = 1 / (1 + np.exp(-np.max(margins, axis=0)))
        return joint


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What every stage leaves.

    Attributes:
        tables: rows of the record tables.
        validation: how each model does on the validation windows: model, protocol, tp, fn, fp, tn.
    """

    tables: Tables
    validation: list[dict[str, Any]] = field(default_factory=list)

    def records(self, *others: Stage) -> dict[str, bytes]:
        """Serialise the tables, followed by the rows of `others`: table → bytes."""
        return self.tables.dump(*(stage.tables for stage in others))

    @property
    def runs(self) -> dict[str, str]:
        """Model → run that trained it."""
        return {row["model"]: row["run"] for part in self.tables.parts.get("runs", []) for row in part.to_pylist()}


@dataclass(frozen=True, kw_only=True)
class VGAEStage(Stage):
    """Teacher and student of the autoencoder.

    Attributes:
        checkpoints: by model name.
        difficulty: f64[B], the teacher's standardised error by position in the training store.
    """

    checkpoints: dict[str, Checkpoint]
    difficulty: np.ndarray


@dataclass(frozen=True, kw_only=True)
class GATStage(Stage):
    """Teacher and student of the classifier.

    Attributes:
        checkpoints: by model name.
        logits: f32[B, 2], the teacher's by position in the training store.
    """

    checkpoints: dict[str, Checkpoint]
    logits: np.ndarray


@dataclass(frozen=True, kw_only=True)
class FusionStage(Stage):
    """Teacher and student of the DQN, and the fusion methods that stand beside them.

    Attributes:
        checkpoints: of the DQN, by model name.
        methods: the others, by model name.
    """

    checkpoints: dict[str, Checkpoint]
    methods: dict[str, FusionMethod]


@dataclass(frozen=True, kw_only=True)
class BaselineStage(Stage):
    """The baselines on the same windows.

    Attributes:
        detectors: by model name.
        combined: likewise, what joins models by OR.
    """

    detectors: dict[str, Baseline]
    combined: dict[str, Either] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EvaluationStage(Stage):
    """Every model on the test folders.

    Attributes:
        scored: one per scenario and protocol, what the join summarises.
        metrics: rows of the table `metrics`.
    """

    scored: list[Scored]
    metrics: list[dict[str, Any]]
