"""Captures: recordings of CAN traffic, one reader a format, all into the one frame table."""

from kdgat.captures.frames import FRAME_SCHEMA, Frames, frame_arrays, frame_table
from kdgat.captures.reading import CaptureReader, OnBadRows, check_bad_rows, quarantined, read
from kdgat.captures.rows import BadRow

__all__ = [
    "FRAME_SCHEMA",
    "BadRow",
    "CaptureReader",
    "Frames",
    "OnBadRows",
    "check_bad_rows",
    "frame_arrays",
    "frame_table",
    "quarantined",
    "read",
]
