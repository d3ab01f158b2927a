"""`python -m kdgat detect CAPTURE`: a released student on a capture of one's own, in any format `kdgat.captures` reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.checks import scores
from analysis.checks.scores import choose
from analysis.releases.release import Release
from kdgat import terminal
from kdgat.captures.reader import OnBadRows, quarantined, read
from kdgat.catalog.datasets import Capture
from kdgat.errors import KdgatError
from kdgat.records import HEADLINE_MODEL


@dataclass(frozen=True)
class Verdict:
    """One window.

    Attributes:
        window: number in the capture.
        begin, end: s after the capture's first frame.
        score: P(attack), as float32 as a release holds it.
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
        protocol: `calibrated` if the capture lasts longer than the profile takes, else `zero-shot`.
        profile_seconds: traffic at the begin that gave the profile and was not scored; 0 for none.
    """

    protocol: str
    profile_seconds: float
    threshold: float
    source: str
    frames: int
    set_aside: int
    verdicts: list[Verdict]


def detect(path: Path, release: Release, dataset: str, seed: int, on_bad_rows: OnBadRows = "raise") -> Detection:
    """Score every window of the capture at `path` as the evaluation would.

    Raises:
        KdgatError: no capture, one that is shorter than a window, or a release without such weights.
    """
    frames = read(path, on_bad_rows=on_bad_rows)
    from kdgat.dataset.protocols import scored_store
    from kdgat.graphs.features import takes_profile
    from kdgat.training.batches import Batches
    from kdgat.training.predict import SCORING_BATCH, attack_probability, predict_gat

    config = scores.configuration(release, dataset, seed)
    checkpoint, scalers = scores.student(release, dataset, seed, HEADLINE_MODEL)
    capture = Capture(dataset, path.name, "unknown", "unknown", "test", path, "", "real", "")
    protocol, store = "zero-shot", None
    if takes_profile(config.features):
        protocol, store = "calibrated", scored_store(capture, frames, config, "calibrated")
    if store is None:
        protocol, store = "zero-shot", scored_store(capture, frames, config, "zero-shot")
    if store is None:
        raise KdgatError(f"{path}: {frames.num_rows} frames; a window needs {config.windows.size}")
    logits, _ = predict_gat(checkpoint.model(), Batches(store, scalers, SCORING_BATCH))  # type: ignore[arg-type]
    p_attack = np.float32(attack_probability(logits))
    threshold, source = checkpoint.meta["points"][protocol]
    begin = np.asarray(store.t0)
    window = np.asarray(store.start) // config.windows.stride
    end, alarm = begin + np.asarray(store.duration), p_attack >= np.float32(threshold)
    columns = [c.tolist() for c in (window, begin, end, p_attack, alarm)]
    seconds = config.windows.profile_seconds if protocol == "calibrated" else 0.0
    return Detection(
        protocol, seconds, float(np.float32(threshold)), source, frames.num_rows, quarantined(frames),
        [Verdict(*row) for row in zip(*columns, strict=True)],
    )  # fmt: skip


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
    capture: Path,
    release: str | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    *,
    alarms_only: bool = False,
    on_bad_rows: OnBadRows = "raise",
) -> int:
    """Print a capture's windows as CSV on stdout, what was used and found on stderr; return the exit code 0.

    Args:
        capture: file in any format that `kdgat.captures` reads.
        release: name of the release; None: the current one.
        dataset, seed: which student; see `choose`.
        alarms_only: print only windows with an alarm.
        on_bad_rows: what to do with unreadable rows.
    """
    opened = Release.open(release)
    name, number = choose(opened, dataset, seed)
    found = detect(capture, opened, name, number, on_bad_rows)
    terminal.note(f"{capture}: {found.frames:,} frames, {found.set_aside} rows set aside")
    terminal.note(
        f"{HEADLINE_MODEL} of release {opened.name}, trained on {name} ({opened.data_kind} data), seed {number}"
    )
    if found.profile_seconds:
        terminal.note(
            f"the first {found.profile_seconds:g} s give the vehicle's profile and are not scored ({found.protocol})"
        )
    else:
        terminal.note(f"too short for a profile of the vehicle, or the model uses none ({found.protocol})")
    terminal.note(f"alarm at or over {found.threshold:.4f} ({found.source})")
    print("window,begin_s,end_s,score,alarm")
    for v in found.verdicts:
        if v.alarm or not alarms_only:
            print(f"{v.window},{v.begin:.6f},{v.end:.6f},{v.score:.6f},{int(v.alarm)}")
    alarms = sum(v.alarm for v in found.verdicts)
    terminal.note(f"{len(found.verdicts)} windows, {alarms} alarms")
    longest = sorted(episodes(found.verdicts), key=lambda e: -e[2])[:5]
    for begin, end, windows in sorted(longest):
        terminal.note(f"  {begin:.1f}–{end:.1f} s: {windows} windows in a row")
    terminal.note("Research on recorded traffic: an alarm is a reason to look, no alarm is no proof of safety.")
    return 0
