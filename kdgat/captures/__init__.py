"""Captures: recordings of CAN traffic, one reader a format, all into the one frame table."""

from kdgat.captures.frames import FRAME_SCHEMA, Frames, frame_arrays, frame_table
from kdgat.captures.reading import read

__all__ = ["FRAME_SCHEMA", "Frames", "frame_arrays", "frame_table", "read"]
