"""`python -m kdgat detect CAPTURE …`: released students on captures of one's own, in any format `kdgat.captures` reads."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from analysis.checks import scores
from analysis.checks.scores import choose
from analysis.releases.release import Release
from kdgat import terminal
from kdgat.captures.reader import OnBadRows, quarantined, read
from kdgat.catalog.datasets import Capture
from kdgat.errors import KdgatError
from kdgat.records import HEADLINE_MODEL

if TYPE_CHECKING:
    from kdgat.config import Config
    from kdgat.graphs.store import GraphStore


@dataclass(frozen=True)
class Verdict:
    """One window.

    Attributes:
        window: number in the capture.
        begin, end: s after the capture's first frame.
        score: P(attack), as float32 as a release holds it; adapted, the margin over the point that follows the stream.
        alarm: whether the score is at or over the operating point.
    """

    window: int
    begin: float
    end: float
    score: float
    alarm: bool


@dataclass(frozen=True)
class Detection:
    """What was found in a capture, and by which operating point.

    Attributes:
        protocol: what of the vehicle was known; `zero-shot` where the capture is too short for a profile.
        profile_seconds: traffic at the begin that gave the profile and was not scored; 0 for none.
        threshold, source: an alarm is at or over it, and what it was fitted on.
        frames, set_aside: rows of the capture, and those of them that could not be read.
    """

    protocol: str
    profile_seconds: float
    threshold: float
    source: str
    frames: int
    set_aside: int
    verdicts: list[Verdict]


@dataclass(frozen=True)
class Knowledge:
    """What the students are given of the vehicle.

    Attributes:
        protocol: `calibrated` (the capture's first seconds, where it is long enough), `zero-shot`, `adapted` or `profiled`.
        profile: for `profiled`, an attack-free recording of it.
    """

    protocol: str = "calibrated"
    profile: Path | None = None


def detect(
    path: Path,
    release: Release,
    dataset: str,
    seeds: int | Sequence[int],
    on_bad_rows: OnBadRows = "raise",
    known: Knowledge = Knowledge(),
) -> Detection:
    """Score every window of the capture at `path` as the evaluation would; several seeds by their mean logit.

    Raises:
        KdgatError: no capture, one that is shorter than a window, a release without such weights, or a profile for
            students that use none.
    """
    frames = read(path, on_bad_rows=on_bad_rows)
    from analysis.checks.models import mean_logit
    from kdgat.evaluation import adaptation
    from kdgat.experiment.scoring import f32, scored_windows
    from kdgat.training.batches import Batches
    from kdgat.training.predict import SCORING_BATCH, attack_probability, predict_gat

    numbers = [seeds] if isinstance(seeds, int) else list(seeds)
    config = scores.configuration(release, dataset, numbers[0])
    capture = Capture(dataset, path.name, "unknown", "unknown", "test", path, "", "real", "")
    protocol, store = _windows(capture, frames, config, known, on_bad_rows)
    found, points, source = [], [], ""
    for seed in numbers:
        checkpoint, scalers = scores.student(release, dataset, seed, HEADLINE_MODEL)
        logits, _ = predict_gat(checkpoint.model(), Batches(store, scalers, SCORING_BATCH))  # type: ignore[arg-type]
        found.append(f32(attack_probability(logits)))
        held = checkpoint.meta["points"]
        threshold, source = held.get(protocol) or held["zero-shot" if protocol == "adapted" else "calibrated"]
        points.append(np.array([threshold], np.float32).astype(np.float64))
    p_attack, threshold = found[0], float(points[0][0])
    if len(numbers) > 1:
        p_attack, threshold = f32(mean_logit(found)), float(np.float32(mean_logit(points)[0]))
        source = f"{source}, mean logit of {len(numbers)} seeds"
    windows = scored_windows([store], config)
    if protocol == "adapted":
        p_attack = f32(adaptation.margins(windows, p_attack, threshold, config.adaptation))
        threshold, source = adaptation.POINT.threshold, adaptation.POINT.source
    begin = np.asarray(store.t0)
    columns = (windows.window, begin, begin + np.asarray(store.duration), p_attack, p_attack >= threshold)
    return Detection(
        protocol, config.windows.profile_seconds if protocol == "calibrated" else 0.0, threshold, source,
        frames.num_rows, quarantined(frames), [Verdict(*row) for row in zip(*(c.tolist() for c in columns), strict=True)],
    )  # fmt: skip


def _windows(
    capture: Capture, frames: pa.Table, config: Config, known: Knowledge, on_bad_rows: OnBadRows
) -> tuple[str, GraphStore]:
    """The protocol that a capture allows, and its windows."""
    from kdgat.dataset.profiles import of_recording
    from kdgat.dataset.protocols import view
    from kdgat.graphs.features import takes_profile

    profile = None
    if known.profile is not None:
        if not takes_profile(config.features):
            raise KdgatError(f"these students know no profile: their features are {config.features!r}")
        profile = of_recording(read(known.profile, on_bad_rows=on_bad_rows), config)
    wanted = [known.protocol] if takes_profile(config.features) or known.protocol != "calibrated" else []
    for protocol in dict.fromkeys([*wanted, "zero-shot"]):
        made = view(capture, frames, config, protocol, known=profile)
        if made is not None:
            return protocol, made.store
    raise KdgatError(f"{capture.path}: {frames.num_rows} frames; a window needs {config.windows.size}")


def episodes(verdicts: Sequence[Verdict]) -> Iterator[tuple[float, float, int]]:
    """Runs of alarms in neighbouring windows: begin, end, windows."""
    run: list[Verdict] = []
    for v in verdicts:
        if run and (not v.alarm or v.window != run[-1].window + 1):
            yield run[0].begin, run[-1].end, len(run)
            run = []
        if v.alarm:
            run.append(v)
    if run:
        yield run[0].begin, run[-1].end, len(run)


def run(
    captures: Sequence[Path],
    release: str | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    *,
    known: Knowledge = Knowledge(),
    alarms_only: bool = False,
    on_bad_rows: OnBadRows = "raise",
) -> int:
    """Print the windows of captures as CSV on stdout, what was used and found on stderr; return the exit code 0.

    Args:
        captures: files in any format that `kdgat.captures` reads; of several, each row names its own.
        release: name of the release; None: the current one.
        dataset, seed: which students, see `choose`; without a seed all of them, by their mean logit.
        known: what they are given of the vehicle.
        alarms_only: print only windows with an alarm.
        on_bad_rows: what to do with unreadable rows.
    """
    opened = Release.open(release)
    name, number = choose(opened, dataset, seed)
    numbers = scores.seeds(opened, name) if seed is None else [number]
    for place, capture in enumerate(captures):
        found = detect(capture, opened, name, numbers, on_bad_rows, known)
        if not place:
            print(f"{'capture,' if len(captures) > 1 else ''}window,begin_s,end_s,score,alarm")
        _say(capture, found, known)
        terminal.note(
            f"{HEADLINE_MODEL} of release {opened.name}, trained on {name} ({opened.data_kind} data), "
            f"seed {', '.join(map(str, numbers))}"
        )
        terminal.note(f"alarm at or over {found.threshold:.4f} ({found.source})")
        writer = csv.writer(sys.stdout, lineterminator="\n")
        for v in found.verdicts:
            if v.alarm or not alarms_only:
                row = (v.window, f"{v.begin:.6f}", f"{v.end:.6f}", f"{v.score:.6f}", int(v.alarm))
                writer.writerow((str(capture), *row) if len(captures) > 1 else row)
        alarms = sum(v.alarm for v in found.verdicts)
        terminal.note(f"{len(found.verdicts)} windows, {alarms} alarms")
        longest = sorted(episodes(found.verdicts), key=lambda e: -e[2])[:5]
        for begin, end, windows in sorted(longest):
            terminal.note(f"  {begin:.1f}–{end:.1f} s: {windows} windows in a row")
    terminal.note("Research on recorded traffic: an alarm is a reason to look, no alarm is no proof of safety.")
    return 0


def _say(capture: Path, found: Detection, known: Knowledge) -> None:
    """Say on stderr what was read, and what was known of the vehicle."""
    terminal.note(f"{capture}: {found.frames:,} frames, {found.set_aside} rows set aside")
    if found.profile_seconds:
        reason = f"the first {found.profile_seconds:g} s give the vehicle's profile and are not scored"
    elif found.protocol == "profiled":
        reason = f"{known.profile} gives the vehicle's profile"
    elif found.protocol == known.protocol:
        reason = "nothing is known of the vehicle" + (" but its stream" if found.protocol == "adapted" else "")
    else:
        reason = "too short for a profile of the vehicle, or the model uses none"
    terminal.note(f"{reason} ({found.protocol})")
