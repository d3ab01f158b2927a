"""Attacks that no frame can tell of: captures with a file beside them that says when the attack ran.

A suppressed message leaves nothing to label, and some formats have no place for labels. `<capture>.intervals.json`, as
`python -m kdgat.synthetic write` leaves it, holds `{"intervals_s": [[begin, end], …]}` in seconds after the first frame.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa

from kdgat.errors import CaptureError

SUFFIX = ".intervals.json"
#: intervals of a capture; more are a damaged file
_MOST = 100_000


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
    try:
        intervals = [(float(begin), float(end)) for begin, end in json.loads(side.read_text())["intervals_s"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CaptureError(str(side), 0, f"no intervals of an attack: {error}") from None
    for begin, end in intervals[:_MOST]:
        if not (math.isfinite(begin) and begin < end < math.inf):
            raise CaptureError(str(side), 0, f"an interval from {begin:g} to {end:g} s")
    if len(intervals) > _MOST:
        raise CaptureError(str(side), 0, f"{len(intervals)} intervals; {_MOST} at most")
    t = frames["timestamp"].to_numpy() - frames["timestamp"][0].as_py()
    label = frames["label"].to_numpy().copy()
    for begin, end in intervals:
        label[(t >= begin) & (t < end)] = 1
    field = frames.schema.field("label")
    return frames.set_column(frames.schema.get_field_index("label"), field, pa.array(label, field.type))
