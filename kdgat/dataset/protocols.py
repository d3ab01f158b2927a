"""The protocols: what of the test vehicle is seen before its windows are scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kdgat.catalog.datasets import Capture
from kdgat.config import Config
from kdgat.evaluation.thresholds import WITHOUT_PROFILE
from kdgat.graphs.profile import Profile
from kdgat.graphs.splits import sample, starts
from kdgat.graphs.store import GraphStore


def profile_of(frames: pa.Table, config: Config) -> Profile:
    """The profile that a configuration takes from the first seconds of `frames`."""
    return Profile.fit(frames, config.windows.profile_seconds, quiet=config.windows.profile_from == "quiet")


@dataclass(frozen=True)
class Traffic:
    """What windows were cut from.

    Attributes:
        frames: all frames of their recording.
        profile: what is known of the car beforehand, None for nothing.
    """

    frames: pa.Table
    profile: Profile | None


@dataclass(frozen=True)
class View:
    """A test capture as a protocol shows it.

    Attributes:
        store: the windows that are scored.
        traffic: the frames that they were cut from, and what is known of the car.
    """

    store: GraphStore
    traffic: Traffic


def scored_store(
    capture: Capture, frames: pa.Table, config: Config, protocol: str, captures: int = 1
) -> GraphStore | None:
    """Give the windows of `view` alone."""
    capture_view = view(capture, frames, config, protocol, captures)
    return capture_view.store if capture_view is not None else None


def view(
    capture: Capture,
    frames: pa.Table,
    config: Config,
    protocol: str,
    captures: int = 1,
    known: Profile | None = None,
) -> View | None:
    """Windows of one test capture that are scored under a protocol; None if the protocol leaves none.

    Windows that a profile was taken from are not scored. The placement of a profile may use labels, the model does not.

    - zero-shot, adapted: nothing of the vehicle is known (adapted, its stream moves the operating point:
      `kdgat.evaluation.adaptation`).
    - profiled: the profile comes from another recording of the car; all windows are scored.
    - calibrated: the profile is the capture's first seconds.
    - contaminated: it begins half its length before the first injected frame.
    - poisoned: it is taken from attacked traffic throughout, the first stretches of it joined.

    The last two take a profile from further on, and score what lies before it too, unless `windows.causal`.
    Captures without an attack have no contaminated form, and those with too little of it to be poisoned and scored no
    poisoned one.

    Args:
        capture, frames: what is scored.
        config: windows, features, profile.
        protocol: one of `kdgat.records.PROTOCOLS`.
        captures: captures that share `windows.max_windows`.
        known: for `profiled`, the profile (`kdgat.dataset.profiles`).
    """
    size, stride = config.windows.size, config.windows.stride
    begins = starts(frames.num_rows, size, stride)
    profile = known if protocol == "profiled" else None
    if protocol == "profiled" and profile is None:
        return None
    if protocol not in ("profiled", *WITHOUT_PROFILE):
        seen = _profiled_frames(frames, config.windows.profile_seconds, protocol)
        if seen is None:
            return None
        sample_of = frames.filter(pa.array(seen))
        if protocol == "poisoned":
            sample_of = _joined(sample_of)
        profile = profile_of(sample_of, config)
        touched = np.concatenate([[0], np.cumsum(seen)])
        begins = begins[touched[begins + size] == touched[begins]]
        if config.windows.causal:
            begins = begins[begins > np.flatnonzero(seen)[-1]]
    if not len(begins):
        return None
    store = GraphStore.build([(capture.name, capture.attack, frames, begins)], size, config.features, [profile])
    if config.windows.max_windows is not None:
        store = store.select(sample(np.asarray(store.y).astype(np.int64), config.windows.max_windows // captures, 0))
    return View(store, Traffic(frames, profile))


#: attacked stretches end where no frame was injected for so long (s)
_PAUSE = 0.1


def _profiled_frames(frames: pa.Table, seconds: float, protocol: str) -> np.ndarray | None:
    """Which frames give the profile, bool[N]; None if the protocol has no place for it."""
    t = frames["timestamp"].to_numpy()
    attacked = np.flatnonzero(frames["label"].to_numpy())
    if protocol == "calibrated":
        return t < t[0] + seconds
    if not len(attacked):
        return None
    if protocol == "contaminated":
        begin = max(t[0], t[attacked[0]] - seconds / 2)
        return (t >= begin) & (t < begin + seconds)
    cuts = np.flatnonzero(np.diff(t[attacked]) > _PAUSE)
    first, last = attacked[np.r_[0, cuts + 1]], attacked[np.r_[cuts, len(attacked) - 1]]
    seen, left = np.zeros(len(t), bool), seconds
    for a, z in zip(first, last, strict=True):
        inside = np.arange(a, z + 1)[t[a : z + 1] < t[a] + left]
        seen[inside] = True
        left -= float(t[inside[-1]] - t[a])
        if left <= 0:
            break
    # as much attack as went into the profile must be left to find
    return seen if seen[attacked].sum() * 2 <= len(attacked) else None


def _joined(frames: pa.Table) -> pa.Table:
    """`frames` with pauses of over `_PAUSE` cut down to the median gap."""
    t = frames["timestamp"].to_numpy()
    gaps = np.diff(t)
    joined = t[0] + np.concatenate([[0.0], np.cumsum(np.where(gaps > _PAUSE, np.median(gaps), gaps))])
    return frames.set_column(
        frames.schema.get_field_index("timestamp"), frames.schema.field("timestamp"), pa.array(joined)
    )
