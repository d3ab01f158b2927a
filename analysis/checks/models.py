"""The models of a release, ready to score any capture: students, fusion, baselines and combinations of one seed. Needs the `train` extra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.checks import released
from analysis.releases.release import Release
from kdgat.config import Config
from kdgat.evaluation import adaptation
from kdgat.evaluation.thresholds import OperatingPoint, logit
from kdgat.models import registry
from kdgat.records import ALONE_MODEL, HEADLINE_MODEL

if TYPE_CHECKING:
    from kdgat.dataset.protocols import View
    from kdgat.experiment.detect import Detector, Fusion
    from kdgat.experiment.stages import Baseline, Either
    from kdgat.graphs.scaling import Scalers
    from kdgat.models.gat import GAT

#: the mean logit of the headline model's seeds, which is a model of its own
ENSEMBLE = "gat-ensemble-student"


@dataclass(frozen=True)
class Frozen:
    """Models of one dataset and seed.

    Attributes:
        seed, config: that they were trained with.
        networks: the detector of the students of VGAE and GAT and the DQN that joins them; None where no student has a teacher.
        alone: the student without a teacher, and its scalers; None where its weights are not kept.
        baselines, combined: by model name; what joins models of which one is not kept is left out.
        points: model → protocol → operating point.
    """

    seed: int
    config: Config
    networks: tuple[Detector, Fusion] | None
    alone: tuple[GAT, Scalers] | None
    baselines: Mapping[str, Baseline]
    combined: Mapping[str, Either]
    points: Mapping[str, Mapping[str, OperatingPoint]]

    @staticmethod
    def of(release: Release, dataset: str, seed: int) -> Frozen:
        """Read them; raises `KdgatError` where the release's files do not describe them."""
        from kdgat.experiment import kept
        from kdgat.experiment.detect import Detector, Fusion

        config = released.configuration(release, dataset, seed)
        kept_students = [m for m in (*released.STUDENTS, ALONE_MODEL) if release.holds_weights(dataset, m)]
        students = {model: released.student(release, dataset, seed, model) for model in kept_students}
        checkpoints = {model: checkpoint for model, (checkpoint, _) in students.items()}
        files = release.manifest["weights"]
        baselines, combined = {}, {}
        for name, entry in registry.models().items():
            stem = f"weights/{dataset}/{name}-s{seed}"
            if f"{stem}.json" not in files or name in checkpoints:
                continue
            description = release.weight(f"{stem}.json")
            if entry.builder is None:
                combined[name] = kept.either(name, description)
            else:
                arrays = release.weight(f"{stem}.safetensors") if f"{stem}.safetensors" in files else b""
                baselines[name] = kept.baseline(name, config, description, arrays)
        points: dict[str, Any] = {
            model: {protocol: OperatingPoint(*point) for protocol, point in checkpoint.meta["points"].items()}
            for model, checkpoint in checkpoints.items()
        }
        combined = {
            n: either for n, either in combined.items() if either.thresholds.keys() <= checkpoints.keys() | baselines
        }
        points |= {name: other.points for name, other in (baselines | combined).items()}
        networks: tuple[Detector, Fusion] | None = None
        if HEADLINE_MODEL in students:
            detector = Detector(checkpoints["vgae-student"], checkpoints[HEADLINE_MODEL], students[HEADLINE_MODEL][1])
            networks = detector, Fusion.of(checkpoints["fusion-dqn-student"])
        alone: tuple[Any, Scalers] | None = None
        if ALONE_MODEL in students:
            alone = checkpoints[ALONE_MODEL].model(), students[ALONE_MODEL][1]
        return Frozen(seed, config, networks, alone, baselines, combined, points)

    @property
    def models(self) -> list[str]:
        """Names of the models, in the registry's order."""
        return registry.in_order(self.points)

    def score(self, view: View) -> dict[str, np.ndarray]:
        """Score the windows of a capture: model → f64[n] as a release would hold it."""
        from kdgat.experiment.scoring import classifier_scores, f32, of_networks, of_others

        out: dict[str, np.ndarray] = {}
        if self.networks is not None:
            out, _ = of_networks("student", *self.networks, view.store)
        if self.alone is not None:
            out[ALONE_MODEL] = classifier_scores(*self.alone, view.store)
        out |= of_others(out, view.traffic, view.store, self.baselines, self.combined)
        return {name: f32(values) for name, values in out.items()}

    def threshold(self, model: str, protocol: str) -> float:
        """The operating point of a model, rounded as a release holds it; `profiled` is newer than some releases."""
        if protocol == "adapted":
            return adaptation.POINT.threshold
        points = self.points[model]
        return float(np.float32((points.get(protocol) or points["calibrated"]).threshold))


def mean_logit(seeds: list[np.ndarray]) -> np.ndarray:
    """The logistic function of the mean logit of each window, f64[n]; also that of the seeds' operating points."""
    probability: np.ndarray = 1 / (1 + np.exp(-np.mean([logit(s) for s in seeds], axis=0)))
    return probability
