"""Frames as plain arrays, the form in which traffic is generated and attacked."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Frames:
    """n frames in bus order.

    Attributes:
        timestamp: f64[n], s, not decreasing.
        id: u32[n], CAN ID.
        dlc: u8[n], payload length in bytes.
        payload: u8[n, 8], zero beyond the DLC.
        label: u8[n], 1 if the frame was injected.
    """

    timestamp: np.ndarray
    id: np.ndarray
    dlc: np.ndarray
    payload: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.timestamp)

    def take(self, index: np.ndarray) -> Frames:
        """The frames that `index` (positions or mask) selects, in its order."""
        return Frames(*(getattr(self, f.name)[index] for f in fields(self)))

    @staticmethod
    def concat(parts: list[Frames]) -> Frames:
        """All parts one after the other (not sorted)."""
        return Frames(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Frames)))

    @staticmethod
    def of(
        timestamp: np.ndarray, id: np.ndarray | int, dlc: np.ndarray | int, payload: np.ndarray, label: int
    ) -> Frames:
        """Frames with the right types, zero beyond each DLC, all with one label."""
        n = len(timestamp)
        dlc = np.broadcast_to(np.asarray(dlc, np.uint8), n).copy()
        payload = np.where(np.arange(8) < dlc[:, None], payload, 0).astype(np.uint8)
        ids = np.broadcast_to(np.asarray(id, np.uint32), n).copy()
        return Frames(np.asarray(timestamp, np.float64), ids, dlc, payload, np.full(n, label, np.uint8))

    def to_table(self) -> pa.Table:
        """The Arrow frame table of `kdgat.captures`."""
        from kdgat.captures import frame_table

        return frame_table(self.timestamp, self.id, self.dlc, self.payload, self.label)

    @staticmethod
    def from_table(table: pa.Table) -> Frames:
        """The reverse of `to_table`."""
        from kdgat.captures import frame_arrays

        return Frames(*frame_arrays(table))


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
