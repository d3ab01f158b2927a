"""Rules that learn nothing: always, never, and timing rules that remember when each identifier was last sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kdgat import terminal
from kdgat.captures.frames import Frames
from kdgat.config import Config
from kdgat.dataset.traffic import TrafficOf
from kdgat.graphs.features import takes_profile
from kdgat.graphs.profile import Profile
from kdgat.graphs.store import GraphStore
from kdgat.models.baselines import BaselineModel, Untrained
from kdgat.models.kernels import timing

#: gaps of an identifier that its running median is taken of: half of them must be an attack's to move it that far
LAST_GAPS = 64
#: gaps before which an identifier has no usual one
LEAST_GAPS = 3
#: usual gaps in a bin
BIN_GAPS = 8


@dataclass(frozen=True)
class Constant(Untrained):
    """Gives every window the same score: what a metric is worth without looking.

    Attributes:
        value: the score, in [0, 1].
    """

    value: float

    threshold = 0.5

    def score(self, store: GraphStore, traffic: TrafficOf) -> np.ndarray:
        """f64[B], all the same."""
        return np.full(len(store), self.value)


@dataclass(frozen=True)
class TimingRule(Untrained):
    """Compares each frame with what its identifier usually does; a window is as suspicious as its worst frame.

    `last`: log(usual gap / gap to the identifier's last frame in the recording). `bin`: log(frames of the identifier in the last
    `BIN_GAPS` usual gaps / `BIN_GAPS`), as the binning of Blevins et al. (arXiv 2101.05781), which assumes no distribution.
    `usual` is the running median of the identifier's own last gaps or, `profiled`, what a profile says (its shortest gap; for
    bins the median).

    Attributes:
        what: `last` or `bin`.
        profiled: use the profile where there is one.
    """

    what: str
    profiled: bool

    #: its score is no probability: half is no threshold for it
    calibrated = False

    def score(self, store: GraphStore, traffic: TrafficOf) -> np.ndarray:
        """The logistic function of the largest score of a window's frames, f64[B]; 0 where no frame has one."""
        return _together({"": self}, store, traffic)[""]


def scores(models: Mapping[str, BaselineModel], store: GraphStore, traffic: TrafficOf) -> dict[str, np.ndarray]:
    """Score every window with each model, f64[B] by its name; timing rules share their passes over the frames."""
    timed = {name: model for name, model in models.items() if isinstance(model, TimingRule)}
    done = _together(timed, store, traffic)
    return {name: done[name] if name in done else model.score(store, traffic) for name, model in models.items()}


def _together(rules: Mapping[str, TimingRule], store: GraphStore, traffic: TrafficOf) -> dict[str, np.ndarray]:
    """As `TimingRule.score`, of each rule: every recording is fetched once, and gone through once with and once without a profile."""
    out = {name: np.zeros(len(store)) for name in rules}
    start, with_profile = np.asarray(store.start), store.has_profile
    captures = store.capture_names if rules else ()
    for number, capture in enumerate(terminal.paced(captures, "timing rules", "recordings and virtual drives")):
        here = np.asarray(store.capture) == number
        if not here.any():
            continue
        seen = traffic(capture)
        # without columns for a profile, the store cannot say which windows were given one
        known = with_profile if takes_profile(store.feature_set) else np.ones(len(store), bool)
        passes: dict[bool, np.ndarray] = {}
        for use in (False, True):
            index = np.flatnonzero(here & (known == use))
            for name, rule in rules.items() if len(index) else ():
                profiled = use and rule.profiled and seen.profile is not None
                if profiled not in passes:
                    passes[profiled] = frame_scores(seen.frames, seen.profile if profiled else None)
                out[name][index] = largest(passes[profiled][:, int(rule.what == "bin")], start[index], store.size)
    with np.errstate(over="ignore"):
        return {name: 1 / (1 + np.exp(-values)) for name, values in out.items()}


def frame_scores(frames: pa.Table, profile: Profile | None) -> np.ndarray:
    """Scores of every frame of a recording by `last` and by `bin`, f64[N, 2] (see `kernels.timing.early`)."""
    t, ids, *_ = Frames.from_table(frames).columns
    names, code = np.unique(ids, return_inverse=True)
    known, period = np.zeros(len(names)), np.zeros(len(names))
    if profile is not None and len(profile.id):
        at = np.minimum(np.searchsorted(profile.id, names), len(profile.id) - 1)
        matches = profile.id[at] == names
        known, period = (np.where(matches, column[at], 0.0) for column in (profile.least, profile.period))
    out = np.empty((len(t), 2))
    length = profile.seconds if profile is not None else 0.0
    timing.early(
        np.ascontiguousarray(t), code.astype(np.int64), known, period, length, LAST_GAPS, LEAST_GAPS, BIN_GAPS, out
    )
    return out


def largest(values: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """Largest of `values` f64[N] in each window of `size` frames that begins at `starts` i64[B], f64[B]."""
    if not len(starts):
        return np.empty(0)
    maxima: np.ndarray = np.lib.stride_tricks.sliding_window_view(values, size)[starts].max(1)
    return maxima


def always(config: Config, seed: int) -> Constant:
    """Make the baseline `always`, which alarms in every window."""
    return Constant(1.0)


def never(config: Config, seed: int) -> Constant:
    """Make the baseline `never`, which never alarms."""
    return Constant(0.0)


def rule_online(config: Config, seed: int) -> TimingRule:
    """Make the baseline `rule-online`."""
    return TimingRule("last", profiled=False)


def rule_profile(config: Config, seed: int) -> TimingRule:
    """Make the baseline `rule-profile`."""
    return TimingRule("last", profiled=True)


def binning(config: Config, seed: int) -> TimingRule:
    """Make the baseline `binning`."""
    return TimingRule("bin", profiled=True)
