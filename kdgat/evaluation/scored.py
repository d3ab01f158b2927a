"""What is scored: windows with their place, time and injected frames. Needs numpy alone, so that a release can be examined with it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
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

    @property
    def y(self) -> np.ndarray:
        """i64[n], 1 for an attacked window."""
        return (self.injected > 0).astype(np.int64)

    def __len__(self) -> int:
        return len(self.window)

    def take(self, index: np.ndarray) -> ScoredWindows:
        """The windows that `index` (mask or positions) selects."""
        return ScoredWindows(*(getattr(self, f.name)[index] for f in fields(self)))

    def segments(self) -> np.ndarray:
        """i64[n]: number of the contiguous attack segment (of one recording) a window belongs to, −1 if benign.

        Two attacked windows less than half a second apart belong to one segment, since an attack of one frame in several
        windows is one event to the driver.
        """
        out = np.full(len(self), -1)
        at = np.flatnonzero(self.y)
        if len(at):
            same = (np.diff(self.recording[at]) == 0) & (self.t0[at][1:] - (self.t0[at] + self.duration[at])[:-1] < 0.5)
            out[at] = np.concatenate([[0], np.cumsum(~same)])
        return out
