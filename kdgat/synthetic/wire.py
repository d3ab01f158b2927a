"""Frames on the wire: when each starts, given when it is due and what else wants the bus."""

from __future__ import annotations

import numpy as np

from kdgat.captures.frames import Frames


def queue(frames: Frames, bit_time: float) -> Frames:
    """Frames in the order given, each starting when it is due or when the one before it has ended, whichever is later.

    s_k = max(due_k, s_{k−1} + length_{k−1}); a frame of d bytes is 47 + 8·d bits long (CAN 2.0A, with interframe space).

    Args:
        frames: `timestamp` is when a frame is due (s).
        bit_time: time of one bit on the wire, stuffing included (s).
    """
    length = (47 + 8 * frames.dlc.astype(np.float64)) * bit_time
    before = np.cumsum(length) - length
    start = np.maximum.accumulate(frames.timestamp - before) + before
    return Frames(start, frames.id, frames.dlc, frames.payload, frames.label)


def transmit(frames: Frames, bit_time: float) -> Frames:
    """Send frames over one bus: those due within the same millisecond leave by priority (low ID first), see `queue`."""
    return queue(frames.take(np.lexsort((frames.id, np.floor(frames.timestamp * 1e3)))), bit_time)
