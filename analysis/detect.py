"""`kdgat detect CAPTURE …`: released students on captures of one's own, in any format `kdgat.captures` reads.

A capture is gone through once, in constant memory: what is read is cut into windows in its order, stretches of windows are
scored at once, one thread per core. What comes through a pipe is judged before more of it is read.
"""

from __future__ import annotations

import csv
import heapq
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from analysis.checks import released
from analysis.checks.released import choose
from analysis.releases.release import Release
from kdgat import terminal
from kdgat.captures.frames import Frames
from kdgat.captures.quarantine import BadRow
from kdgat.captures.reader import CaptureReader, OnBadRows, read
from kdgat.config import Config
from kdgat.errors import KdgatError

if TYPE_CHECKING:
    import torch

    from kdgat.evaluation.adaptation import Follower
    from kdgat.graphs.profile import Profile
    from kdgat.graphs.scaling import Scalers
    from kdgat.models.gat import GAT

Device = Literal["cpu", "cuda"]
#: s after the profile's end in which a frame with an earlier time may still come
_LATE = 1.0
#: what `-` is opened as, and where its unreadable rows go
STDIN, SET_ASIDE = Path("/dev/stdin"), Path("stdin.quarantine.csv")


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


@dataclass
class Detection:
    """What is found in a capture while it is read, and by which operating point.

    Attributes:
        protocol: what of the vehicle was known; `zero-shot` where the capture is too short for a profile.
        profile_seconds: traffic at the begin that gave the profile and was not scored; 0 for none.
        threshold, source: an alarm is at or over it, and what it was fitted on.
        reader: of the capture; it knows which rows it has set aside.
        verdicts: window by window, to be gone through once.
        frames: read so far.
        read_at: when the last of them were there (`time.monotonic`, s).
    """

    protocol: str
    profile_seconds: float
    threshold: float
    source: str
    reader: CaptureReader
    verdicts: Iterator[Verdict]
    frames: int = 0
    read_at: float = 0.0


@dataclass(frozen=True)
class Knowledge:
    """What the students are given of the vehicle.

    Attributes:
        protocol: `calibrated` (the capture's first seconds, where it is long enough), `zero-shot`, `adapted` or `profiled`.
        profile: for `profiled`, an attack-free recording of it.
        channel: its bus, where a capture holds several.
    """

    protocol: str = "calibrated"
    profile: Path | None = None
    channel: str | None = None


@dataclass(frozen=True)
class _Begin:
    """The begin of a capture, held back until its profile is known.

    Attributes:
        frames: the first n of the capture.
        seen: bool[n], which of them gave the profile.
        profile: what is known of the vehicle, None for nothing.
    """

    frames: Frames
    seen: np.ndarray
    profile: Profile | None

    def open(self, windows: np.ndarray, size: int, *, causal: bool) -> np.ndarray:
        """Say which windows, by their first frames i64[B], hold no frame of the profile (causal: and begin after it)."""
        touched = np.concatenate([[0], np.cumsum(self.seen)])
        before, after = (touched[np.minimum(at, len(self.seen))] for at in (windows, windows + size))
        return np.asarray((before == touched[-1]) if causal else (before == after))


def _begin(blocks: Iterator[Frames], config: Config) -> _Begin:
    """Hold back the first blocks until the profile is complete and a window after it is there."""
    from kdgat.dataset.protocols import profile_of

    buffer: list[Frames] = []
    size, seconds, late = config.windows.size, config.windows.profile_seconds, 0
    for block in blocks:
        buffer.append(block)
        after = block.timestamp - buffer[0].timestamp[0]
        late += int((after >= seconds).sum())
        if late >= 2 * size + config.windows.stride and after.max() >= seconds + _LATE:
            break
    frames = Frames.concat(buffer) if buffer else Frames.empty(0)
    in_profile = frames.timestamp < frames.timestamp[:1] + seconds
    begun = _Begin(frames, in_profile, None)
    starts = np.arange(0, len(frames) - size + 1, config.windows.stride)
    if not begun.open(starts, size, causal=config.windows.causal).any():
        return _Begin(frames, np.zeros(len(frames), bool), None)
    return _Begin(frames, in_profile, profile_of(frames.take(in_profile).to_table(), config))


def _known(
    blocks: Iterator[Frames], config: Config, knowledge: Knowledge, on_bad_rows: OnBadRows
) -> tuple[str, _Begin]:
    """The protocol that a capture allows, and what of its begin was taken for it."""
    from kdgat.dataset.profiles import of_recording
    from kdgat.graphs.features import takes_profile

    nothing = _Begin(Frames.empty(0), np.zeros(0, bool), None)
    if knowledge.profile is not None:
        if not takes_profile(config.features):
            raise KdgatError(f"these students know no profile: their features are {config.features!r}")
        profile = of_recording(read(knowledge.profile, on_bad_rows=on_bad_rows, channel=knowledge.channel), config)
        return knowledge.protocol, _Begin(nothing.frames, nothing.seen, profile)
    if knowledge.protocol != "calibrated":
        return knowledge.protocol, nothing
    begin = _begin(blocks, config) if takes_profile(config.features) else nothing
    return "zero-shot" if begin.profile is None else "calibrated", begin


@dataclass(frozen=True)
class _Students:
    """The students of one or several seeds on windows of a capture.

    Attributes:
        models: with the scalers of each.
        config: of the release.
        threshold, source: operating point of all of them together.
        device: where they are.
    """

    models: list[tuple[GAT, Scalers]]
    config: Config
    threshold: float
    source: str
    device: torch.device

    @staticmethod
    def of(release: Release, dataset: str, seeds: Sequence[int], protocol: str, device: Device) -> _Students:
        """Read them, and their operating point under a protocol; that of several is the mean in log odds."""
        from analysis.checks.models import mean_logit

        models: list[Any] = []
        points, source, where = [], "", _device(device)
        for seed in seeds:
            checkpoint, scalers = released.student(release, dataset, seed, released.classifier(release, dataset))
            models.append((checkpoint.model().to(where), scalers))
            points_of_seed = checkpoint.meta["points"]
            threshold, source = (
                points_of_seed.get(protocol) or points_of_seed["zero-shot" if protocol == "adapted" else "calibrated"]
            )
            points.append(np.array([threshold], np.float32).astype(np.float64))
        threshold = float(points[0][0])
        if len(seeds) > 1:
            threshold = float(np.float32(mean_logit(points)[0]))
            source = f"{source}, mean logit of {len(seeds)} seeds"
        return _Students(models, released.configuration(release, dataset, seeds[0]), threshold, source, where)

    def score(self, stretch: tuple[Any, ...], profile: Profile | None) -> tuple[np.ndarray, ...]:
        """Window i64[n], begin and end f64[n] and P(attack) f64[n] of a stretch of `kdgat.graphs.stream.windows`."""
        from analysis.checks.models import mean_logit
        from kdgat.experiment.scoring import f32
        from kdgat.graphs.store import BENIGN, GraphStore
        from kdgat.graphs.stream import graphs_of
        from kdgat.training.batches import Batches
        from kdgat.training.predict import SCORING_BATCH, attack_probability, predict_gat

        base, frames, columns, first_time, starts = stretch
        size, features = self.config.windows.size, self.config.features
        arrays = graphs_of(frames, columns, starts, size, features, profile, first_time)
        store = GraphStore(
            **arrays, attack=np.zeros(len(starts), np.uint8), feature_set=features, size=size,
            capture_names=("",), attack_names=(BENIGN,),
        )  # fmt: skip
        probabilities = [
            f32(attack_probability(predict_gat(model, Batches(store, scalers, SCORING_BATCH), self.device)[0]))
            for model, scalers in self.models
        ]
        p = f32(mean_logit(probabilities)) if len(probabilities) > 1 else probabilities[0]
        return (starts + base) // self.config.windows.stride, store.t0, store.t0 + store.duration, p


def _device(name: Device) -> torch.device:
    """The device of that name.

    Raises:
        KdgatError: there is no GPU.
    """
    import torch

    from kdgat.training.predict import scorer

    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise KdgatError("cuda: torch sees no GPU here; without --device the CPU scores")
    return scorer()


def detect(
    path: Path,
    release: Release,
    dataset: str,
    seeds: int | Sequence[int],
    on_bad_rows: OnBadRows = "raise",
    knowledge: Knowledge = Knowledge(),
    device: Device = "cpu",
) -> Detection:
    """Score every window of the capture at `path` as the evaluation would; several seeds by their mean logit.

    Raises:
        KdgatError: no capture, one that is shorter than a window, a release without such weights, a profile for
            students that use none, or no such device. What is wrong with the capture further on is raised by the verdicts.
    """
    from kdgat.evaluation import adaptation

    side = SET_ASIDE if path == STDIN else None
    reader = CaptureReader(path, on_bad_rows=on_bad_rows, quarantine=side, channel=knowledge.channel)
    numbers = [seeds] if isinstance(seeds, int) else list(seeds)
    config = released.configuration(release, dataset, numbers[0])
    detection = Detection(knowledge.protocol, 0.0, 0.0, "", reader, iter(()))

    def timed() -> Iterator[Frames]:
        for block in reader:
            detection.read_at = time.monotonic()
            yield block

    blocks = timed()
    detection.protocol, begin = _known(blocks, config, knowledge, on_bad_rows)
    students = _Students.of(release, dataset, numbers, detection.protocol, device)
    detection.threshold, detection.source, follower = students.threshold, students.source, None
    if detection.protocol == "calibrated":
        detection.profile_seconds = config.windows.profile_seconds
    if detection.protocol == "adapted":
        follower = adaptation.Follower(students.threshold, config.adaptation)
        detection.threshold, detection.source = adaptation.POINT.threshold, adaptation.POINT.source

    def counted() -> Iterator[Frames]:
        for block in chain([begin.frames] if len(begin.frames) else [], blocks):
            detection.frames += len(block)
            yield block

    verdicts = _verdicts(_scored(counted(), begin, students, detection), detection, follower)
    detection.verdicts = chain(
        list(islice(verdicts, 1)), verdicts
    )  # what is wrong with the capture's begin is told here
    return detection


def _scored(
    blocks: Iterable[Frames], begin: _Begin, students: _Students, detection: Detection
) -> Iterator[tuple[np.ndarray, ...]]:
    """Score all windows in their order; stretches are scored at once, one thread per core."""
    import torch

    from kdgat.compiled import threads_available
    from kdgat.graphs.kernels.state import State
    from kdgat.graphs.stream import windows

    torch.set_num_threads(1)
    config = students.config.windows
    state = State(begin.profile) if students.config.features == "memory" else None
    pending: deque[Future[tuple[np.ndarray, ...]]] = deque()
    ahead = 0 if detection.reader.live else 2 * threads_available()
    with ThreadPoolExecutor(threads_available()) as pool:
        for base, frames, columns, first_time, starts in windows(blocks, config.size, config.stride, state):
            open_starts = starts[begin.open(starts + base, config.size, causal=config.causal)]
            if len(open_starts):
                pending.append(
                    pool.submit(students.score, (base, frames, columns, first_time, open_starts), begin.profile)
                )
            while len(pending) > ahead:
                yield pending.popleft().result()
        for scored in pending:
            yield scored.result()
    if detection.frames < config.size:
        raise KdgatError(f"{detection.reader.path}: {detection.frames} frames; a window needs {config.size}")


def _verdicts(
    scored: Iterable[tuple[np.ndarray, ...]], detection: Detection, follower: Follower | None
) -> Iterator[Verdict]:
    """Judge what is scored by the operating point, or by the one that follows the stream."""
    from kdgat.evaluation.thresholds import logit
    from kdgat.experiment.scoring import f32

    for window, begin, end, p in scored:
        if follower is not None:
            p = f32(
                np.array([follower.margin(*pair) for pair in zip(f32(begin).tolist(), logit(p).tolist(), strict=True)])
            )
        columns = (c.tolist() for c in (window, begin, end, p, p >= detection.threshold))
        for row in zip(*columns, strict=True):
            yield Verdict(*row)


def episodes(verdicts: Iterable[Verdict]) -> Iterator[tuple[float, float, int]]:
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
    knowledge: Knowledge = Knowledge(),
    alarms_only: bool = False,
    on_bad_rows: OnBadRows = "raise",
    device: Device = "cpu",
) -> int:
    """Print the windows of captures as CSV on stdout, what was used and found on stderr; return the exit code 0.

    Args:
        captures: files in any format that `kdgat.captures` reads; of several, each row names its own.
        release: name of the release; None: the current one.
        dataset, seed: which students, see `choose`; without a seed all of them, by their mean logit.
        knowledge: what they are given of the vehicle.
        alarms_only: print only windows with an alarm.
        on_bad_rows: what to do with unreadable rows.
        device: where the students score.
    """
    opened = Release.open(release)
    name, number = choose(opened, dataset, seed)
    numbers = released.seeds(opened, name) if seed is None else [number]
    for place, capture in enumerate(captures):
        detection = detect(capture, opened, name, numbers, on_bad_rows, knowledge, device)
        if not place:
            print(
                f"{'capture,' if len(captures) > 1 else ''}window,begin_s,end_s,score,alarm",
                flush=detection.reader.live,
            )
        terminal.note(f"{capture}: {_known_as(detection, knowledge)}")
        terminal.note(
            f"{released.classifier(opened, name)} of release {opened.name}, trained on {name} ({opened.data_kind} data), "
            f"seed {', '.join(map(str, numbers))}"
        )
        terminal.note(f"alarm at or over {detection.threshold:.4f} ({detection.source})")
        _print(detection, str(capture) if len(captures) > 1 else None, alarms_only=alarms_only)
    terminal.note("Research on recorded traffic: an alarm is a reason to look, no alarm is no proof of safety.")
    return 0


def _print(detection: Detection, capture: str | None, *, alarms_only: bool) -> None:
    """Print windows as they are judged, each flushed where they come from a pipe; then say on stderr what they were.

    Args:
        detection: in a capture.
        capture: begins each row; None: nothing does.
        alarms_only: print only windows with an alarm.
    """
    writer = csv.writer(sys.stdout, lineterminator="\n")
    live = detection.reader.live
    windows = alarms = found = 0
    longest_wait = waited = 0.0

    def printed() -> Iterator[Verdict]:
        nonlocal windows, alarms, longest_wait, waited
        for v in detection.verdicts:
            windows, alarms = windows + 1, alarms + v.alarm
            if v.alarm or not alarms_only:
                row = (v.window, f"{v.begin:.6f}", f"{v.end:.6f}", f"{v.score:.6f}", int(v.alarm))
                writer.writerow(row if capture is None else (capture, *row))
                if live:
                    sys.stdout.flush()
            wait = time.monotonic() - detection.read_at
            longest_wait, waited = max(longest_wait, wait), waited + wait
            yield v

    def counted() -> Iterator[tuple[float, float, int]]:
        nonlocal found
        for episode in episodes(printed()):
            found += 1
            yield episode

    longest = heapq.nlargest(5, counted(), key=lambda episode: episode[2])
    terminal.note(f"{detection.frames:,} frames, {set_aside(detection.reader.bad)}")
    terminal.note(f"{windows} windows, {alarms} alarms")
    if live and windows:
        mean = 1e3 * waited / windows
        terminal.note(f"from a window's last frame to its verdict: {mean:.1f} ms, at most {1e3 * longest_wait:.1f} ms")
    if found > len(longest):
        terminal.note(f"the five longest of {found:,} episodes of alarms:")
    for begin, end, count in sorted(longest):
        terminal.note(f"  {begin:.1f}–{end:.1f} s: " + ("one window" if count == 1 else f"{count} windows in a row"))


def set_aside(rows: Sequence[BadRow]) -> str:
    """Count rows that were set aside, and how many for each reason, the commonest first."""
    reasons = Counter(f"{row.column}: {row.reason}" for row in rows).most_common()
    parts = [f"{count:,} × {reason}" for reason, count in reasons[:5]]
    if rest := sum(count for _, count in reasons[5:]):
        parts.append(f"{rest:,} for other reasons")
    return f"{len(rows):,} rows set aside" + (f" ({'; '.join(parts)})" if parts else "")


def _known_as(detection: Detection, knowledge: Knowledge) -> str:
    """Say what was known of the vehicle."""
    if detection.profile_seconds:
        reason = f"the first {detection.profile_seconds:g} s give the vehicle's profile and are not scored"
    elif detection.protocol == "profiled":
        reason = f"{knowledge.profile} gives the vehicle's profile"
    elif detection.protocol == knowledge.protocol:
        reason = "nothing is known of the vehicle" + (" but its stream" if detection.protocol == "adapted" else "")
    else:
        reason = "too short for a profile of the vehicle, or the model uses none"
    return f"{reason} ({detection.protocol})"
