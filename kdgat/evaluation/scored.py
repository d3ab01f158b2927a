"""What is scored: windows with their place, time and injected frames. Needs numpy alone, so that a release can be examined with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

#: attacked windows nearer than this (s) belong to one segment
SEGMENT_PAUSE = 0.5
#: those at most this far apart (s) belong to one event, and a benign window at most this far from an attack is near it:
#: the first genuine frame after a forged one still shows it
EVENT_PAUSE = 1.0


@dataclass(frozen=True, eq=False)
class ScoredWindows:
    """Scored windows of one or more recordings, in recording and time order.

    Attributes:
        recording: i64[n], number of the recording.
        window: i64[n], index of the window in its recording.
        t0: f64[n], start after the recording's first frame (s).
        duration: f64[n], s.
        injected: i64[n], injected frames; a window is positive if any.
        attack: str[n], kind of the injected frames or `benign`.
    """

    recording: np.ndarray
    window: np.ndarray
    t0: np.ndarray
    duration: np.ndarray
    injected: np.ndarray
    attack: np.ndarray

    def __getstate__(self) -> dict[str, Any]:
        """For another process: without what follows from the columns."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def y(self) -> np.ndarray:
        """i64[n], 1 for an attacked window."""
        return (self.injected > 0).astype(np.int64)

    @cached_property
    def end(self) -> np.ndarray:
        """f64[n], last frame of each window after the recording's first (s)."""
        return self.t0 + self.duration

    def __len__(self) -> int:
        return len(self.window)

    def take(self, index: np.ndarray) -> ScoredWindows:
        """The windows that `index` (mask or positions) selects; these ones themselves where a mask selects all."""
        if index.dtype == bool and index.all():
            return self
        return ScoredWindows(*(getattr(self, f.name)[index] for f in fields(self)))

    def segments(self) -> np.ndarray:
        """i64[n]: number of the contiguous attack segment (of one recording) a window belongs to, −1 if benign.

        Two attacked windows less than half a second apart belong to one segment, since an attack of one frame in several
        windows is one event to the driver.
        """
        return self._segments

    @cached_property
    def _segments(self) -> np.ndarray:
        return self._joined(lambda pause: pause < SEGMENT_PAUSE)

    def events(self) -> np.ndarray:
        """i64[n]: number of the attack event a window belongs to, −1 if benign: segments at most `EVENT_PAUSE` apart are joined."""
        return self._events

    @cached_property
    def _events(self) -> np.ndarray:
        return self._joined(lambda pause: pause <= EVENT_PAUSE)

    def _joined(self, one: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Number attacked windows by what `one` says of the pauses f64[m − 1] between neighbours of one recording."""
        out = np.full(len(self), -1)
        at = np.flatnonzero(self.y)
        if len(at):
            same = (np.diff(self.recording[at]) == 0) & one(self.t0[at][1:] - self.end[at][:-1])
            out[at] = np.concatenate([[0], np.cumsum(~same)])
        return out

    def far(self) -> np.ndarray:
        """bool[n]: benign and farther than `EVENT_PAUSE` from every attacked window of its recording."""
        return self._far

    @cached_property
    def _far(self) -> np.ndarray:
        out = self.y == 0
        for recording in np.unique(self.recording[~out]):
            here = self.recording == recording
            attacked = here & (self.y == 1)
            begins, ends = self.t0[attacked], np.maximum.accumulate(self.end[attacked])
            t0, end = self.t0[here], self.end[here]
            before = np.searchsorted(begins, t0, "right")  # attacked windows that begin no later
            since = t0 - np.append(-np.inf, ends)[before]
            until = np.append(begins, np.inf)[before] - end
            out[here] &= (since > EVENT_PAUSE) & (until > EVENT_PAUSE)
        return out


def joined(parts: Sequence[ScoredWindows]) -> ScoredWindows:
    """Join windows, those of one part after those of another, with recordings of their own."""
    begins = np.cumsum([0, *(int(p.recording.max(initial=-1)) + 1 for p in parts)])
    columns = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(ScoredWindows)}
    columns["recording"] = columns["recording"] + np.repeat(begins[:-1], [len(p) for p in parts])
    return ScoredWindows(**columns)
