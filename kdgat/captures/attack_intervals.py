"""Attacks that no frame can tell of: captures with a file beside them that says when the attack ran.

A suppressed message leaves nothing to label, and some formats have no place for labels. `<capture>.intervals.json`, as
`kdgat synthetic write` leaves it, holds `{"intervals_s": [[begin, end], …]}` in seconds after the first frame.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa

from kdgat.errors import CaptureError

SUFFIX = ".intervals.json"
#: intervals of a capture; more are a damaged file
_MOST = 100_000
_MOST_BYTES = 16 << 20
#: digits of a time
_LONGEST = 40


def _read(side: Path) -> np.ndarray:
    """(begin, end) of each interval, f64[n, 2]; raises `CaptureError` for what is none."""
    try:
        if side.stat().st_size > _MOST_BYTES:
            raise CaptureError(str(side), 0, f"over {_MOST_BYTES >> 20} MiB: no intervals of an attack")
        # a number of hundreds of digits is no time, and takes long to become one
        pairs = json.loads(side.read_text(encoding="utf-8"), parse_int=_number)["intervals_s"]
        intervals = [(float(begin), float(end)) for begin, end in pairs]
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise CaptureError(str(side), 0, f"no intervals of an attack: {reason}") from None
    for begin, end in intervals[:_MOST]:
        if not (math.isfinite(begin) and begin < end < math.inf):
            raise CaptureError(str(side), 0, f"an interval from {begin:g} to {end:g} s")
    if len(intervals) > _MOST:
        raise CaptureError(str(side), 0, f"{len(intervals)} intervals; {_MOST} at most")
    return np.array(intervals, np.float64).reshape(-1, 2)


def _number(text: str) -> float:
    if len(text) > _LONGEST:
        raise ValueError(f"a number of {len(text)} digits")
    return float(text)


def labelled(frames: pa.Table, path: Path) -> pa.Table:
    """`frames` with label 1 inside the intervals beside the capture `path`; as they are where there is no such file.

    Every window that touches an interval is then an attacked one: its count of injected frames is that of its frames
    inside.

    Raises:
        CaptureError: the file beside the capture is no list of intervals.
    """
    side = path.with_name(path.name + SUFFIX)
    if not side.is_file():
        return frames
    intervals = _read(side)
    t = frames["timestamp"].to_numpy() - frames["timestamp"][0].as_py()
    label = frames["label"].to_numpy().copy()
    if len(intervals):
        # sorted by their begin: one runs at a time if the latest end of those that have begun is not over
        begin, end = intervals[np.argsort(intervals[:, 0], kind="stable")].T
        begun = np.searchsorted(begin, t, "right")
        label[(begun > 0) & (t < np.maximum.accumulate(end)[np.maximum(begun - 1, 0)])] = 1
    field = frames.schema.field("label")
    return frames.set_column(frames.schema.get_field_index("label"), field, pa.array(label, field.type))
