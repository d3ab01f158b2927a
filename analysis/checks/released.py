"""A release's weights: which students there are, and what describes them. Scoring with them needs the `train` extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.releases.plausible import ReleaseError, strict_json
from analysis.releases.release import Release
from kdgat.errors import KdgatError
from kdgat.records import ALONE_MODEL, HEADLINE_MODEL

if TYPE_CHECKING:
    from kdgat.config import Config
    from kdgat.graphs.scaling import Scalers
    from kdgat.models.checkpoint import Checkpoint

#: the networks of a release that learn from a teacher
STUDENTS = ("vgae-student", HEADLINE_MODEL, "fusion-dqn-student")


def classifier(release: Release, dataset: str) -> str:
    """The student that a dataset's results are about: the distilled one, or where there is none the one without a teacher."""
    return HEADLINE_MODEL if release.holds_weights(dataset, HEADLINE_MODEL) else ALONE_MODEL


def seeds(release: Release, dataset: str) -> list[int]:
    """Seeds whose student weights the release holds."""
    prefix, suffix = f"weights/{dataset}/{classifier(release, dataset)}-s", ".safetensors"
    return sorted(
        int(f.removeprefix(prefix).removesuffix(suffix))
        for f in release.manifest["weights"]
        if f.startswith(prefix) and f.endswith(suffix)
    )


def choose(release: Release, dataset: str | None, seed: int | None) -> tuple[str, int]:
    """Dataset and seed of the student: as asked for, else the release's first dataset with weights, lowest seed."""
    trained = {d: seeds(release, d) for d in sorted(release.manifest["datasets"])}
    trained = {d: s for d, s in trained.items() if s}
    if not trained:
        raise KdgatError(f"release {release.name} holds no weights")
    name = dataset or next(iter(trained))
    if name not in trained or (seed is not None and seed not in trained[name]):
        choices = "; ".join(f"{d}: seeds {', '.join(map(str, s))}" for d, s in trained.items())
        raise KdgatError(f"release {release.name} has no such weights; there are {choices}")
    return name, trained[name][0] if seed is None else seed


def student(release: Release, dataset: str, seed: int, model: str) -> tuple[Checkpoint, Scalers]:
    """A released student and the scalers it was trained with; raises `ReleaseError`."""
    stem = f"weights/{dataset}/{model}-s{seed}"
    return parse(f"{release.name}: {stem}", release.weight(f"{stem}.json"), release.weight(f"{stem}.safetensors"))


def parse(name: str, description: bytes, weights: bytes) -> tuple[Checkpoint, Scalers]:
    """A student from its two files; raises `ReleaseError` (with `name`) where they do not describe one."""
    from kdgat.graphs.scaling import Scalers
    from kdgat.models.checkpoint import Checkpoint

    try:
        meta = strict_json(description)
        scalers = Scalers.from_dict(meta.pop("scalers"))
        checkpoint = Checkpoint(meta.pop("kind"), weights, meta)
        if not all(isinstance(t, float) and isinstance(s, str) for t, s in meta["points"].values()):
            raise ValueError("points")
        for part, scaler in (("node", scalers.nodes), ("edge", scalers.edges)):
            width = meta.get(f"{part}_features", len(scaler.mean))
            if {scaler.mean.shape, scaler.scale.shape} != {(width,)}:
                raise ValueError(f"scaler of {part} features")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReleaseError(
            f"{name}.json does not describe a model: {type(error).__name__}: {str(error)[:100]!r}"
        ) from None
    return checkpoint, scalers


def configuration(release: Release, dataset: str, seed: int) -> Config:
    """The configuration that the students of a dataset and seed were trained with."""
    from kdgat.config import Config

    training = (dataset, seed, classifier(release, dataset))
    for run in release.table("runs").to_pylist():
        if (run["dataset"], run["seed"], run["model"]) == training:
            try:
                return Config.model_validate_json(run["config"])
            except ValueError as error:
                reason = " ".join(str(error).split())[:200]
                raise ReleaseError(f"{release.name}: {run['run']}: not a configuration: {reason}") from None
    raise ReleaseError(f"{release.name}: no run trained {training[2]} for {dataset}, seed {seed}")
