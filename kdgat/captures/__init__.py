"""Captures: recordings of CAN traffic, one parser per format, all into the one frame table."""

from kdgat.captures.frames import FRAME_SCHEMA, Frames
from kdgat.captures.quarantine import BadRow
from kdgat.captures.reader import CaptureReader, OnBadRows, check_bad_rows, quarantined, read

__all__ = [
    "FRAME_SCHEMA",
    "BadRow",
    "CaptureReader",
    "Frames",
    "OnBadRows",
    "check_bad_rows",
    "quarantined",
    "read",
]
