"""`read`: recognise a capture's format and read it into the frame table."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from kdgat.captures import labelled_csv
from kdgat.captures.frames import frame_table
from kdgat.errors import CaptureError

OnBadRows = Literal["raise", "quarantine"]
_BOM = b"\xef\xbb\xbf"


def read(path: Path | str, *, on_bad_rows: OnBadRows = "raise") -> pa.Table:
    """The frames of the capture at `path` (schema `FRAME_SCHEMA`), in file order.

    Raises:
        CaptureError: not a file, empty, not a known format, or (strict, the default) a bad row.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise CaptureError(str(path), 0, "is a folder, not a capture") from None
    except FileNotFoundError:
        raise CaptureError(str(path), 0, "no such file") from None
    except OSError as error:
        raise CaptureError(str(path), 0, error.strerror or str(error)) from None
    if not data.strip():
        raise CaptureError(str(path), 0, "the file is empty")
    begin = len(_BOM) if data.startswith(_BOM) else 0
    first = data[begin : begin + 4096].split(b"\n", 1)[0].rstrip(b"\r")
    if first.strip().lower() != labelled_csv.HEADER:
        raise CaptureError(str(path), 1, "no known capture format starts like this")
    # readers scan to a newline, so the last line gets one; blank lines at the end are no rows
    buf = np.frombuffer(data.rstrip(b"\r\n") + b"\n", np.uint8)
    frames, bad = labelled_csv.parse(buf, begin + data[begin:].index(b"\n") + 1 if b"\n" in data else len(buf), True)
    if bad:
        line = 1 + data.count(b"\n", 0, bad[0].offset)
        raise CaptureError(str(path), line, f"{bad[0].column}: {bad[0].reason}")
    if not len(frames.t):
        raise CaptureError(str(path), 0, "a header but no frames")
    return frame_table(*frames)
