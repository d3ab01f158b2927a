"""Formats that are not read as blocks of text: Parquet, MF4, ASC and BLF of Vector's tools, TRC of PCAN's, the logs of BUSMASTER and of
Kvaser's tools, candump's screen.

Remote frames are kept with DLC 0; error frames and CAN FD frames are bad rows. Logs carry no labels: all frames
count as benign.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from kdgat.captures.channels import Channels
from kdgat.captures.frames import Frames
from kdgat.captures.parsers import asc, blf, busmaster, kvaser, mf4, parquet, screen, trc
from kdgat.captures.quarantine import BadRow
from kdgat.errors import CaptureError

_ASC_HEAD = re.compile(rb"(?:\s*//[^\n]*\n)*\s*(?:date\s|base\s+(?:hex|dec))", re.IGNORECASE)

_TRC_HEAD = re.compile(rb"\s*(?:;[^\n]*\n\s*)*?;\$(?:FILEVERSION|STARTTIME)=|\s*(?:;[^\n]*\n\s*)+\d+\)\s")
_LINES = {"asc": asc, "trc": trc, "busmaster": busmaster, "kvaser": kvaser, "candump-screen": screen}


def recognise(head: bytes) -> str | None:
    """`parquet`, `blf`, `mf4`, `asc`, `trc`, `busmaster`, `kvaser`, `candump-screen` or None, from the first bytes of a file."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"LOGG"):
        return "blf"
    if head.startswith(mf4.HEADS):
        return "mf4"
    if head.lstrip().startswith(busmaster.HEAD):
        return "busmaster"
    if kvaser.recognise(head):
        return "kvaser"
    if _TRC_HEAD.match(head):
        return "trc"
    if _ASC_HEAD.match(head):
        return "asc"
    return "candump-screen" if screen.recognise(head.lstrip().partition(b"\n")[0]) else None


def blocks(format: str, channels: Channels, content: io.BytesIO) -> Iterator[tuple[Frames, list[BadRow]]]:
    """Frames and bad rows of a file whose whole content is given."""
    if format == "parquet":
        return parquet.blocks(channels.path, content)
    if format in _LINES:
        return _LINES[format].blocks(content, channels)
    if format == "mf4":
        return mf4.blocks(channels, content)
    try:
        import can
    except ImportError:
        raise CaptureError(str(channels.path), 0, "reading BLF needs python-can: pip install python-can") from None
    return blf.blocks(can, channels, content)
