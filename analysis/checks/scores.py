"""Scores computed anew from a release's weights and the captures: the students, on every test window.

Needs the `train` extra. Nothing is trained, and the training captures are not read: scalers, calibration and operating
points come with the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.releases.plausible import ReleaseError, strict_json
from analysis.releases.release import Release
from kdgat import records
from kdgat.dataset.sources import test_captures
from kdgat.errors import KdgatError

if TYPE_CHECKING:
    from kdgat.config import Config
    from kdgat.graphs.scaling import Scalers
    from kdgat.models.checkpoint import Checkpoint

STUDENTS = ("vgae-student", "gat-student", "fusion-dqn-student")
#: scores are float32; another processor or library may round a sum differently
TOLERANCE = 1e-4
#: scores of `adapted` are margins in log-odds, of which a probability near 0 or 1 moves many by such a rounding
MARGIN_TOLERANCE = 1e-2


def seeds(release: Release, dataset: str) -> list[int]:
    """Seeds whose student weights the release holds."""
    prefix, suffix = f"weights/{dataset}/gat-student-s", ".safetensors"
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

    training = (dataset, seed, "gat-student")
    for run in release.table("runs").to_pylist():
        if (run["dataset"], run["seed"], run["model"]) == training:
            try:
                return Config.model_validate_json(run["config"])
            except ValueError as error:
                reason = " ".join(str(error).split())[:200]
                raise ReleaseError(f"{release.name}: {run['run']}: not a configuration: {reason}") from None
    raise ReleaseError(f"{release.name}: no run trained {training[2]} for {dataset}, seed {seed}")


def rescore(release: Release, dataset: str, seed: int, root: Path | None) -> Iterator[dict[str, Any]]:
    """Rows like those of `predictions`, with the students' scores as computed now.

    Args:
        release: whose weights and configuration are used.
        dataset, seed: which of them.
        root: folder of captures (None: $KDGAT_DATA, else data/raw).

    Raises:
        KdgatError: captures are missing, or are not those the release names.
    """
    from kdgat.dataset.profiles import Profiles
    from kdgat.dataset.protocols import view
    from kdgat.evaluation.adaptation import margins
    from kdgat.experiment.detect import Detector, Fusion
    from kdgat.experiment.scoring import f32, of_networks, scored_windows

    config = configuration(release, dataset, seed)
    students = {model: student(release, dataset, seed, model) for model in STUDENTS}
    checkpoints, scalers = {m: c for m, (c, _) in students.items()}, students["gat-student"][1]
    detector = Detector(checkpoints["vgae-student"], checkpoints["gat-student"], scalers)
    fusion = Fusion.of(checkpoints["fusion-dqn-student"])
    hashes = release.manifest["datasets"][dataset]["captures"]
    tests, profiles = test_captures(dataset, root), Profiles(config, root)
    frozen = set(release.table("predictions")["protocol"].to_pylist())
    protocols = [p for p in records.PROTOCOLS if p in frozen]  # a release may be older than a protocol
    for capture in tests:
        if hashes.get(capture.name) != capture.sha256:
            raise KdgatError(f"{dataset}/{capture.name} is not the capture that {release.name} was evaluated on")
        frames = capture.frames()
        beside = sum(c.split == capture.split for c in tests)
        for protocol in protocols:
            if protocol != "adapted":
                profile = profiles.of(capture, frames) if protocol == "profiled" else None
                scene = view(capture, frames, config, protocol, beside, profile)
                if scene is None:
                    continue
                windows = scored_windows([scene.store], config)
                scores = {m: f32(s) for m, s in of_networks("student", detector, fusion, scene.store)[0].items()}
            else:  # it follows zero-shot, whose windows and scores it takes
                scores = {m: margins(windows, s, point(checkpoints[m]), config.adaptation) for m, s in scores.items()}
            for i, place in enumerate(windows.window):
                yield {
                    "dataset": dataset,
                    "scenario": capture.split,
                    "protocol": protocol,
                    "seed": seed,
                    "capture": capture.name,
                    "window": int(place),
                    "injected": int(windows.injected[i]),
                } | {model: float(np.float32(s[i])) for model, s in scores.items()}


def point(checkpoint: Checkpoint) -> float:
    """The zero-shot threshold of a student, rounded as a release holds it."""
    return float(np.float32(checkpoint.meta["points"]["zero-shot"][0]))


def tolerance(protocol: str) -> float:
    """By how much scores of a protocol may differ between machines."""
    return MARGIN_TOLERANCE if protocol == "adapted" else TOLERANCE


def differences(release: Release, fresh: list[dict[str, Any]], dataset: str, seed: int) -> list[str]:
    """List where fresh scores differ from the frozen ones, as sentences."""
    key = ("scenario", "protocol", "capture", "window")
    frozen = {
        tuple(r[k] for k in key): r
        for r in release.table("predictions").to_pylist()
        if (r["dataset"], r["seed"]) == (dataset, seed)
    }
    problems = []
    now = {tuple(r[k] for k in key): r for r in fresh}
    if frozen.keys() != now.keys():
        problems.append(f"{len(frozen.keys() - now.keys())} frozen windows were not scored again, "
                     f"{len(now.keys() - frozen.keys())} scored ones are not frozen")  # fmt: skip
    shared = sorted(frozen.keys() & now.keys())
    labels = [k for k in shared if frozen[k]["injected"] != now[k]["injected"]]
    if labels:
        problems.append(f"{len(labels)} windows have other labels, first {labels[0]}")
    for model in STUDENTS:
        apart = [(abs(frozen[k][model] - now[k][model]), k) for k in shared if frozen[k][model] is not None]
        wrong = sorted((d for d in apart if d[0] > tolerance(d[1][1])), reverse=True)
        if wrong:
            problems.append(
                f"{model}: {len(wrong)} of {len(apart)} scores differ by more than {tolerance(wrong[0][1][1]):g}, "
                f"most {wrong[0][0]:.3g} in {wrong[0][1]}"
            )
    return problems
