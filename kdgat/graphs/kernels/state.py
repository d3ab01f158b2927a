"""What a detector remembers of each identifier: O(identifiers) of memory, one pass over the frames, causal."""

from __future__ import annotations

import numpy as np

from kdgat.captures.frames import Frames
from kdgat.graphs.kernels import memory as kernel
from kdgat.graphs.kernels.common import frozen, words
from kdgat.graphs.profile import NO_PROFILE, Profile

#: columns of a frame
COLUMNS = kernel.FRAME_COLUMNS + kernel.PROFILE_COLUMNS
_CAPACITY = 128  # identifiers that fit at first


class State:
    """The state of a recording's identifiers so far, and its reading of the next frames.

    Args:
        profile: the vehicle's, if it is known.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self._profile = _expected(profile or NO_PROFILE)
        self.forget()

    def forget(self) -> None:
        """Empty the state, as at a recording's start."""
        self._state = _tables(_CAPACITY)

    def advance(self, frames: Frames, begin: int, end: int, row: np.ndarray, out: np.ndarray) -> None:
        """Take in frames `begin` … `end` − 1 and write the columns of those that are wanted.

        Args:
            row: i64[N], row of `out` for each frame, −1 where it is not wanted.
            out: f32[·, COLUMNS], in the order of `kdgat.graphs.features`.
        """
        columns = (*map(frozen, (frames.timestamp, frames.id, frames.dlc)), words(frames.payload))
        while (begin := kernel.advance(columns, begin, end, row, self._state, self._profile, out)) < end:
            self._grow()

    def _grow(self) -> None:
        """Double the tables."""
        slot, keys, identifiers, bus = _tables(2 * len(self._state[1]))
        _, old_keys, old_identifiers, bus[:] = self._state
        n = len(old_keys)
        keys[:n], identifiers[:n] = old_keys, old_identifiers
        for i, key in enumerate(old_keys):
            slot[-1 - kernel.find(slot, keys, key)] = i
        self._state = slot, keys, identifiers, bus


def _tables(capacity: int) -> tuple[np.ndarray, ...]:
    """An empty state for so many identifiers, as `kernel.advance` takes it."""
    return (
        np.full(4 * capacity, -1, np.int32),
        np.empty(capacity, np.uint32),
        np.zeros(capacity, kernel.IDENTIFIER),
        np.zeros(1, kernel.BUS),
    )


def _expected(profile: Profile) -> tuple[float, np.ndarray, np.ndarray]:
    """A profile as `kernel.advance` takes it; a period that it does not know judges nothing: its logarithm is −∞."""
    expected = np.zeros(len(profile.id), kernel.EXPECTED)
    expected["period"] = np.where(profile.period > 0, np.log2(profile.period + kernel.FLOOR), -np.inf)
    expected["least"] = np.log2(profile.least + kernel.FLOOR)
    expected["low"], expected["high"], expected["dlc"] = profile.low, profile.high, profile.dlc
    expected["flipped"] = words(profile.flipped)
    return profile.seconds, frozen(profile.id), expected
