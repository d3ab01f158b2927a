"""Formats that are not read as blocks of text: Parquet (pyarrow), and the logs ASC and BLF (python-can) of Vector's tools.

Remote frames are kept with DLC 0; error frames and CAN FD frames are bad rows. ASC and BLF carry no labels: all frames
count as benign.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

from kdgat.captures.frames import Frames
from kdgat.captures.parsers import asc, blf, parquet
from kdgat.captures.quarantine import BadRow
from kdgat.errors import CaptureError

_ASC_HEAD = re.compile(rb"(?:\s*//[^\n]*\n)*\s*(?:date\s|base\s+(?:hex|dec))", re.IGNORECASE)


def recognise(head: bytes) -> str | None:
    """`parquet`, `blf`, `asc` or None, from the first bytes of a file."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"LOGG"):
        return "blf"
    return "asc" if _ASC_HEAD.match(head) else None


def blocks(format: str, path: Path, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Frames and bad rows of a file whose whole content is given."""
    if format == "parquet":
        return parquet.blocks(path, content)
    if format == "asc":
        return asc.blocks(content)
    try:
        import can
    except ImportError:
        raise CaptureError(str(path), 0, "reading BLF needs python-can: pip install python-can") from None
    return blf.blocks(can, path, content)
