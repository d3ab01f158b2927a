"""The time axis of a capture, checked once for every format: what cannot be seconds of one recording is told, not scored."""

from __future__ import annotations

import numpy as np

#: frames from which on a time axis can be judged
_FEW = 200
#: s; recorders step back by milliseconds, recordings that were joined by more
BACK = 1.0
#: frames per second: more than a bus of 1 Mbit/s carries (47 bits for the shortest frame), and fewer than any car sends
_MOST, _LEAST = 25_000.0, 2.0
#: shares of gaps that are zero, or step back, from which on times are no times
_TIES, _STEPS = 0.5, 0.2


class Clock:
    """Watches the time stamps of a capture, block by block."""

    def __init__(self) -> None:
        self.frames = self.ties = self.steps = 0
        self.last = np.empty(0)  # time of the last frame, f64[1], once there is one
        self.least, self.greatest = np.inf, -np.inf

    def fault(self, t: np.ndarray) -> str | None:
        """Take in the next times f64[n] in seconds; say where one is not finite or steps back by over a second, with the remedy."""
        if not len(t):
            return None
        odd = np.flatnonzero(~np.isfinite(t))
        if len(odd):
            return (
                f"the time of frame {self.frames + int(odd[0]) + 1} is not finite: the file is damaged, record it again"
            )
        gaps = np.diff(t, prepend=self.last)
        back = np.flatnonzero(gaps < -BACK)
        if len(back):
            number = self.frames + len(t) - len(gaps) + int(back[0]) + 1
            return (
                f"time steps back by {_duration(-gaps[back[0]])} at frame {number}: "
                "two recordings in one file; read each from a file of its own"
            )
        self.ties += int((gaps == 0).sum())
        self.steps += int((gaps < 0).sum())
        self.frames += len(t)
        self.last = t[-1:].copy()
        self.least, self.greatest = min(self.least, float(t.min())), max(self.greatest, float(t.max()))
        return None

    def verdict(self) -> str | None:
        """Say why the times of the whole capture cannot be seconds of one recording, with the remedy; None if they can."""
        if self.frames < _FEW:
            return None
        gaps, span = self.frames - 1, self.greatest - self.least
        if self.steps > _STEPS * gaps:
            return (
                f"time steps back at {self.steps} of {gaps} frames: these are differences or another column, not times; "
                "write absolute times (candump -L, or -t a)"
            )
        if self.ties > _TIES * gaps:
            return (
                f"{self.ties} of {gaps} frames have the time of the frame before: times are rounded (seconds in 32 bits, "
                "a spreadsheet) or differences (candump -t d); write them in full, with microseconds"
            )
        if self.frames > _MOST * span:
            return f"{self.frames} frames in {_duration(span)} are more than a CAN bus carries: is the unit of time not the second?"
        if self.frames < _LEAST * span:
            return (
                f"{self.frames} frames in {_duration(span)} are fewer than a car sends: are times in milliseconds or "
                "nanoseconds? write them in seconds"
            )
        return None


def _duration(seconds: float) -> str:
    """A duration in the unit a reader thinks in."""
    for unit, size in (("years", 365.25 * 86400), ("days", 86400.0), ("hours", 3600.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.3g} s"
