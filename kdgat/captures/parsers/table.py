"""Delimited files whose header says what the columns are: those of other recorders, of spreadsheets, of challenges.

Read row by row. Among them: HCRL files with a header and those of its 2020 challenge (`Timestamp,Arbitration_ID,DLC,Data,Class`),
SavvyCAN's GVRET, python-can's CSV, CANedge's CSV, and copies of the labelled format with other columns or another order.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kdgat.captures.channels import Channels
from kdgat.captures.frames import Frames
from kdgat.captures.parsers.rows import Header, Row
from kdgat.captures.quarantine import BadRow
from kdgat.errors import CaptureError

#: rows that are handed on at once
BLOCK = 1 << 15


def blocks(header: Header, channels: Channels, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Read frames and bad rows of a file whose first line that is not blank is `header`.

    Raises:
        CaptureError: frames of several buses, which are no one stream.
    """
    lines = csv.reader(io.TextIOWrapper(content, "utf-8-sig", "replace", newline=""), delimiter=header.delimiter)
    rows: list[Row] = []
    bad: list[BadRow] = []
    begun = False
    for fields in _fields(channels.path, lines):
        if not any(fields):
            continue
        if not begun:  # the header itself
            begun = True
            continue
        try:
            row, channel = header.row(fields)
        except ValueError as error:
            bad.append(BadRow(lines.line_num, "row", str(error), header.delimiter.join(fields)[:200]))
            continue
        if channels.takes(channel, lines.line_num):
            rows.append(row)
        if len(rows) == BLOCK:
            yield frames_of(rows), bad
            rows, bad = [], []
    yield frames_of(rows), bad


def _fields(path: Path, lines: Any) -> Iterator[list[str]]:
    """Rows of a reader of the module csv, its errors as one line."""
    try:
        yield from lines
    except csv.Error as error:
        raise CaptureError(str(path), lines.line_num, f"no row of a delimited file: {error}") from None


def frames_of(rows: list[Row]) -> Frames:
    """Make frames of rows."""
    frames = Frames.empty(len(rows))
    frames.payload[:] = 0
    for i, (time, identifier, data, label) in enumerate(rows):
        frames.timestamp[i], frames.id[i], frames.dlc[i], frames.label[i] = time, identifier, len(data), label
        frames.payload[i, : len(data)] = list(data)
    return frames
