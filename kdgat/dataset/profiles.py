"""The protocol `profiled`: what another recording of the car says about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from kdgat.captures.frames import Frames
from kdgat.captures.reader import OnBadRows
from kdgat.catalog import datasets
from kdgat.catalog.contents import contains, sequence
from kdgat.catalog.datasets import Capture
from kdgat.config import Config
from kdgat.dataset.protocols import profile_of
from kdgat.dataset.sources import captures
from kdgat.graphs.profile import Profile


def of_recording(frames: pa.Table, config: Config) -> Profile:
    """Take the profile of a whole attack-free recording."""
    t = frames["timestamp"].to_numpy()
    seconds = float(np.ptp(t)) + 1e-6 if len(t) else 1.0
    return Profile.fit(frames, seconds, quiet=config.windows.profile_from == "quiet")


class Profiles:
    """Finds profiles of the cars of test captures, reading each recording once.

    Attack-free training recordings come first, of the capture's own dataset and then of others; then other test recordings of its own,
    of which the first seconds are taken as they are, attacks and all. A recording that holds the same frames, forged ones
    apart, is never one of them.

    Args:
        config: how a profile is taken.
        root: folder of captures.
        on_bad_rows: as in `kdgat.captures.read`.
    """

    def __init__(self, config: Config, root: Path | None, on_bad_rows: OnBadRows = "raise") -> None:
        self.config, self.root, self.on_bad_rows = config, root, on_bad_rows
        self.listed: dict[str, list[Capture]] = {}
        self.read: dict[tuple[str, str], tuple[np.ndarray, Profile]] = {}

    def of(self, capture: Capture, frames: pa.Table) -> Profile | None:
        """Give the profile of the car that `capture` (its `frames`) was recorded in; None where no recording serves."""
        found = self.recording(capture, frames)
        return None if found is None else found[1]

    def recording(self, capture: Capture, frames: pa.Table) -> tuple[Capture, Profile] | None:
        """Give the recording that serves, and the profile that it gives; None where none serves."""
        own = sequence(Frames.from_table(frames))
        for other in self._candidates(capture):
            held, profile = self._of(other)
            longer, shorter = sorted((own, held), key=len, reverse=True)
            if not contains(longer, shorter):
                return other, profile
        return None

    def _candidates(self, capture: Capture) -> Iterator[Capture]:
        """Recordings of the car, those that tell most first."""
        if capture.vehicle == "unknown":
            return
        here = [c for c in self._listing(capture.dataset) if c.vehicle == capture.vehicle and c.name != capture.name]
        yield from (c for c in here if c.split == "train" and c.attack == "benign")
        for dataset in datasets.entries() if capture.data_kind == "real" else ():
            splits = {split for _, split, _ in datasets.files(dataset, self.root)}
            if dataset != capture.dataset and "train" in splits:
                others = (c for c in self._listing(dataset, train_only=True) if c.vehicle == capture.vehicle)
                yield from (c for c in others if c.attack == "benign")
        yield from (c for c in here if c.split != "train" and not c.duplicate_of)

    def _listing(self, dataset: str, *, train_only: bool = False) -> list[Capture]:
        if dataset not in self.listed:
            self.listed[dataset] = captures(dataset, self.root, train_only=train_only)
        return self.listed[dataset]

    def _of(self, capture: Capture) -> tuple[np.ndarray, Profile]:
        """Sequence of a recording's frames, and its profile."""
        key = capture.dataset, capture.name
        if key not in self.read:
            frames = capture.frames(self.on_bad_rows)
            whole = capture.attack == "benign"
            profile = of_recording(frames, self.config) if whole else profile_of(frames, self.config)
            self.read[key] = sequence(Frames.from_table(frames)), profile
        return self.read[key]
