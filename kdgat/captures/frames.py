"""The one frame table every reader produces, and its columns as numpy arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

#: One row a frame, in the order of the file. Payloads are zero-padded to 8 bytes; `dlc` says how many are real.
FRAME_SCHEMA = pa.schema(
    [
        pa.field("timestamp", pa.float64(), False, metadata={"unit": "s"}),
        pa.field("id", pa.uint32(), False),
        pa.field("dlc", pa.uint8(), False),
        pa.field("payload", pa.list_(pa.field("item", pa.uint8(), False), 8), False),
        pa.field("label", pa.uint8(), False),
    ]
)


class Frames(NamedTuple):
    """Columns of a frame table.

    Attributes:
        t: f64[N], seconds, in file order: may step back by milliseconds where the recorder did.
        id: u32[N], 11- or 29-bit arbitration ID.
        dlc: u8[N], 0–8.
        payload: u8[N, 8], zero-padded.
        label: u8[N], 1 if the frame was injected.
    """

    t: np.ndarray
    id: np.ndarray
    dlc: np.ndarray
    payload: np.ndarray
    label: np.ndarray

    @classmethod
    def empty(cls, n: int) -> Frames:
        """Uninitialised columns for `n` frames."""
        return cls(
            np.empty(n, np.float64),
            np.empty(n, np.uint32),
            np.empty(n, np.uint8),
            np.empty((n, 8), np.uint8),
            np.empty(n, np.uint8),
        )

    def slice(self, begin: int, end: int) -> Frames:
        """Frames `begin` to `end` (exclusive), as views."""
        return Frames(*(column[begin:end] for column in self))


def frame_table(t: np.ndarray, id: np.ndarray, dlc: np.ndarray, payload: np.ndarray, label: np.ndarray) -> pa.Table:
    """The frame table of columns as `Frames` describes them, sharing their memory."""
    payloads = pa.FixedSizeListArray.from_arrays(
        pa.array(np.ascontiguousarray(payload).reshape(-1)), type=FRAME_SCHEMA.field("payload").type
    )
    return pa.Table.from_arrays(
        [pa.array(t), pa.array(id), pa.array(dlc), payloads, pa.array(label)], schema=FRAME_SCHEMA
    )


def frame_arrays(table: pa.Table) -> Frames:
    """Columns of a frame table, without a copy where it is one chunk."""
    columns = [table[name].combine_chunks() for name in FRAME_SCHEMA.names]
    t, ids, dlc, payload, label = (
        (column.flatten() if name == "payload" else column).to_numpy()
        for name, column in zip(FRAME_SCHEMA.names, columns, strict=True)
    )
    return Frames(t, ids, dlc, payload.reshape(-1, 8), label)
