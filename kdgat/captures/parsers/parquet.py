"""A frame table as Parquet."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kdgat.captures.frames import FRAME_SCHEMA, Frames
from kdgat.captures.quarantine import BadRow
from kdgat.errors import CaptureError

_ROWS = 1 << 16
#: physical types of numbers
_NUMBERS = {"BOOLEAN", "INT32", "INT64", "FLOAT", "DOUBLE"}
#: rows that a Parquet file may hold whatever its size, and beyond them bytes a row: times alone take four
_FEW_ROWS, _FEWEST_BYTES = 1 << 20, 2


def blocks(path: Path, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    """A frame table as Parquet: the columns of `FRAME_SCHEMA`, in types that can be cast to its own without loss."""
    with _readable(path):
        file = pq.ParquetFile(content)
        names = file.schema_arrow.names
    _check_types(path, file)
    missing = [name for name in FRAME_SCHEMA.names if name not in names]
    if missing:
        raise CaptureError(str(path), 0, f"Parquet without the column {missing[0]!r} of a frame table")
    if file.metadata.num_rows > max(_FEW_ROWS, content.getbuffer().nbytes // _FEWEST_BYTES):
        raise CaptureError(str(path), 0, f"claims {file.metadata.num_rows} frames: refused")
    row = 0
    for table in _tables(path, file):
        nulls = np.zeros(len(table), bool)
        for name in FRAME_SCHEMA.names:
            nulls |= pc.is_null(table[name]).to_numpy()
        try:
            frames = Frames.from_table(table.filter(pa.array(~nulls)).cast(FRAME_SCHEMA))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise CaptureError(str(path), 0, f"Parquet that is no frame table: {error}") from None
        wrong = {
            "timestamp": ~np.isfinite(frames.timestamp),
            "id": frames.id >= 1 << 29,
            "dlc": frames.dlc > 8,
            "payload": ((frames.payload != 0) & (np.arange(8) >= frames.dlc[:, None])).any(axis=1),
            "label": frames.label > 1,
        }
        reasons = {"payload": "bytes beyond the DLC", "timestamp": "not a finite number"}
        at = row + 1 + np.flatnonzero(~nulls)
        bad = [BadRow(row + 1 + int(i), "row", "a column is null", "") for i in np.flatnonzero(nulls)]
        for name, mask in wrong.items():
            bad += [BadRow(int(i), name, reasons.get(name, "out of range"), "") for i in at[mask]]
        keep = ~np.any(list(wrong.values()), axis=0)
        yield frames.take(keep), sorted(bad, key=lambda b: b.line)
        row += len(table)


def _check_types(path: Path, file: pq.ParquetFile) -> None:
    """Refuse columns of a frame table that are no numbers before any is read: a dictionary of long texts is small on disk.

    Numbers take 8 bytes at most, so that the count of rows bounds what they fill.
    """
    stored = [file.schema.column(i) for i in range(len(file.schema))]
    for column in stored:
        name = column.path.split(".")[0]
        if name in FRAME_SCHEMA.names and column.physical_type not in _NUMBERS:
            raise CaptureError(
                str(path), 0, f"Parquet whose column {name!r} is {column.physical_type.lower()}: no numbers"
            )
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group)
        for i, column in enumerate(stored):
            most = rows.num_rows * (8 if column.path.split(".")[0] == "payload" else 1)
            if rows.column(i).num_values > max(most, rows.num_rows) and column.path.split(".")[0] in FRAME_SCHEMA.names:
                reason = f"Parquet whose column {column.path!r} claims {rows.column(i).num_values} values in {rows.num_rows} rows"
                raise CaptureError(str(path), 0, reason)


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What pyarrow says of damage, as the error of a capture."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CaptureError(str(path), 0, f"broken Parquet: {error}") from None


def _tables(path: Path, file: pq.ParquetFile) -> Iterator[pa.Table]:
    """The columns of a frame table, a stretch of rows at a time."""
    with _readable(path):
        for batch in file.iter_batches(_ROWS, columns=FRAME_SCHEMA.names):
            yield pa.Table.from_batches([batch])
