"""Scores computed anew from a release's weights and the captures, on every test window, of every model whose weights it holds.

Needs the `train` extra. Nothing is trained, and the training captures are not read: scalers, calibration and operating
points come with the weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.releases.release import Release
from kdgat import records
from kdgat.dataset.sources import test_captures
from kdgat.errors import KdgatError

#: scores are float32; another processor or library may round a sum differently
TOLERANCE = 1e-4
#: scores of `adapted` are margins in log-odds, of which a probability near 0 or 1 moves many by such a rounding
MARGIN_TOLERANCE = 1e-2
#: what tells windows of a dataset and seed apart
_WINDOW = ["scenario", "protocol", "capture", "window"]


def rescore(release: Release, dataset: str, seed: int, root: Path | None) -> pa.Table:
    """Score all test windows of a dataset again: a row for each, with columns like those of `predictions`.

    Args:
        release: whose weights and configuration are used.
        dataset, seed: which of them.
        root: folder of captures (None: $KDGAT_DATA, else data/raw).

    Raises:
        KdgatError: captures are missing, or are not those the release names.
    """
    from analysis.checks.models import Frozen
    from kdgat.dataset.profiles import Profiles
    from kdgat.dataset.protocols import view
    from kdgat.evaluation.adaptation import margins
    from kdgat.experiment.scoring import f32, scored_windows

    models = Frozen.of(release, dataset, seed)
    config = models.config
    hashes = release.manifest["datasets"][dataset]["captures"]
    tests, profiles = test_captures(dataset, root), Profiles(config, root)
    frozen = set(pc.unique(_rows(release, dataset, seed)["protocol"]).to_pylist())
    protocols = [p for p in records.PROTOCOLS if p in frozen]  # a release may be older than a protocol
    parts = []
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
                windows, scores = scored_windows([scene.store], config), models.score(scene)
            else:  # it follows zero-shot, whose windows and scores it takes
                scores = {
                    m: f32(margins(windows, s, models.threshold(m, "zero-shot"), config.adaptation))
                    for m, s in scores.items()
                }
            place = {"scenario": capture.split, "protocol": protocol, "capture": capture.name}
            columns = {name: np.full(len(windows), value) for name, value in place.items()}
            parts.append(pa.table(columns | {"window": windows.window, "injected": windows.injected} | scores))
    return pa.concat_tables(parts)


def tolerance(protocol: str) -> float:
    """By how much scores of a protocol may differ between machines."""
    return MARGIN_TOLERANCE if protocol == "adapted" else TOLERANCE


def _rows(release: Release, dataset: str, seed: int) -> pa.Table:
    """Rows of `predictions` of a dataset and seed."""
    return release.table("predictions").filter((pc.field("dataset") == dataset) & (pc.field("seed") == seed))


def differences(release: Release, fresh: pa.Table, dataset: str, seed: int) -> list[str]:
    """List where fresh scores differ from the frozen ones, as sentences.

    Args:
        release: that holds the frozen ones.
        fresh: what `rescore` gives.
        dataset, seed: of both.
    """
    frozen = _rows(release, dataset, seed)
    models = [m for m in records.scored_models(frozen) if m in fresh.column_names]
    was = frozen.select([*_WINDOW, "injected", *models])
    both = was.join(
        fresh.select(was.column_names).cast(was.schema), _WINDOW, join_type="full outer", right_suffix=" now"
    )
    both = both.sort_by([(name, "ascending") for name in _WINDOW])
    problems = []
    lost, new = both["injected now"].null_count, both["injected"].null_count
    if lost or new:
        problems.append(f"{lost} frozen windows were not scored again, {new} scored ones are not frozen")
    shared = both.filter(pc.field("injected").is_valid() & pc.field("injected now").is_valid())
    labels = shared.filter(pc.not_equal(shared["injected"], shared["injected now"]))
    if len(labels):
        problems.append(f"{len(labels)} windows have other labels, first {_place(labels, 0)}")
    bound = np.array([tolerance(p) for p in shared["protocol"].to_pylist()])
    for model in models:
        before, now = (shared[name].to_numpy().astype(np.float64) for name in (model, f"{model} now"))
        apart = np.abs(before - now)
        scored = shared[model].is_valid().to_numpy()
        wrong = scored & ~(apart <= bound)
        if wrong.any():
            most = int(np.argmax(np.where(wrong, np.nan_to_num(apart, nan=np.inf), -1)))
            problems.append(
                f"{model}: {wrong.sum()} of {scored.sum()} scores differ by more than {bound[most]:g}, "
                f"most {apart[most]:.3g} in {_place(shared, most)}"
            )
    return problems


def _place(rows: pa.Table, number: int) -> tuple[str, ...]:
    """What names a window in a sentence."""
    return tuple(rows[name][number].as_py() for name in _WINDOW)
