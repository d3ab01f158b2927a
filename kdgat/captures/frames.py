"""Frames of CAN traffic as arrays, and as the one table that every reader produces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

#: One row per frame, in the order of the file. Payloads are zero-padded to 8 bytes; `dlc` says how many are real.
FRAME_SCHEMA = pa.schema(
    [
        pa.field("timestamp", pa.float64(), False, metadata={"unit": "s"}),
        pa.field("id", pa.uint32(), False),
        pa.field("dlc", pa.uint8(), False),
        pa.field("payload", pa.list_(pa.field("item", pa.uint8(), False), 8), False),
        pa.field("label", pa.uint8(), False),
    ]
)


@dataclass(frozen=True, slots=True)
class Frames:
    """n frames in bus order, the columns of a frame table.

    Attributes:
        timestamp: f64[n], s; may step back by milliseconds where the recorder did.
        id: u32[n], 11- or 29-bit arbitration ID.
        dlc: u8[n], payload length in bytes, 0–8.
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

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """All columns, in the order of the table."""
        return tuple(getattr(self, f.name) for f in fields(self))

    @classmethod
    def empty(cls, n: int) -> Frames:
        """Allocate uninitialised columns for `n` frames."""
        return cls(
            np.empty(n, np.float64),
            np.empty(n, np.uint32),
            np.empty(n, np.uint8),
            np.empty((n, 8), np.uint8),
            np.empty(n, np.uint8),
        )

    @classmethod
    def of(
        cls, timestamp: np.ndarray, id: np.ndarray | int, dlc: np.ndarray | int, payload: np.ndarray, label: int
    ) -> Frames:
        """Make frames of the right types, zero beyond each DLC, all with one label."""
        n = len(timestamp)
        dlc = np.broadcast_to(np.asarray(dlc, np.uint8), n).copy()
        payload = np.where(np.arange(8) < dlc[:, None], payload, 0).astype(np.uint8)
        ids = np.broadcast_to(np.asarray(id, np.uint32), n).copy()
        return cls(np.asarray(timestamp, np.float64), ids, dlc, payload, np.full(n, label, np.uint8))

    @classmethod
    def concat(cls, parts: Sequence[Frames]) -> Frames:
        """Join `parts` one after the other, unsorted; without parts, no frames."""
        if not parts:
            return cls.empty(0)
        return cls(*(np.concatenate(columns) for columns in zip(*(p.columns for p in parts), strict=True)))

    @classmethod
    def from_table(cls, table: pa.Table) -> Frames:
        """Take the columns of a frame table, without a copy where it is one chunk."""
        chunks = [table[name].combine_chunks() for name in FRAME_SCHEMA.names]
        timestamp, ids, dlc, payload, label = (
            (chunk.flatten() if name == "payload" else chunk).to_numpy()
            for name, chunk in zip(FRAME_SCHEMA.names, chunks, strict=True)
        )
        return cls(timestamp, ids, dlc, payload.reshape(-1, 8), label)

    def to_table(self) -> pa.Table:
        """Make the frame table of these columns, sharing their memory."""
        payloads = pa.FixedSizeListArray.from_arrays(
            pa.array(np.ascontiguousarray(self.payload).reshape(-1)), type=FRAME_SCHEMA.field("payload").type
        )
        columns = [pa.array(self.timestamp), pa.array(self.id), pa.array(self.dlc), payloads, pa.array(self.label)]
        return pa.Table.from_arrays(columns, schema=FRAME_SCHEMA)

    def take(self, index: np.ndarray) -> Frames:
        """Select the frames at `index` (positions or mask), in its order."""
        return Frames(*(column[index] for column in self.columns))

    def slice(self, begin: int, end: int) -> Frames:
        """Select frames `begin` to `end` (exclusive), as views."""
        return Frames(*(column[begin:end] for column in self.columns))
