"""Frames as files, in every form that `kdgat.captures` reads."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from kdgat import atomic
from kdgat.captures.frames import Frames
from kdgat.errors import KdgatError


def _hex(frames: Frames, separator: str = "", *, upper: bool = True) -> list[str]:
    """Payload of each frame as hex, as long as its DLC."""
    template = "%02X" if upper else "%02x"
    return [
        separator.join(template % b for b in row[:n])
        for row, n in zip(frames.payload.tolist(), frames.dlc, strict=True)
    ]


def _labelled_csv(frames: Frames) -> bytes:
    rows = zip(frames.timestamp.tolist(), frames.id.tolist(), _hex(frames), frames.label.tolist(), strict=True)
    return (
        "timestamp,arbitration_id,data_field,attack\n" + "".join(f"{t:.6f},{i:03X},{d},{y}\n" for t, i, d, y in rows)
    ).encode()


def _hcrl_csv(frames: Frames) -> bytes:
    rows = zip(*_columns(frames), _hex(frames, ",", upper=False), frames.label.tolist(), strict=True)
    return "".join(f"{t:.6f},{i:04x},{n},{d + ',' if n else ''}{'RT'[y]}\n" for t, i, n, d, y in rows).encode()


def _hcrl_keyed(frames: Frames) -> bytes:
    rows = zip(*_columns(frames), _hex(frames, " ", upper=False), frames.label.tolist(), strict=True)
    return "".join(
        f"Timestamp: {t:.6f}        ID: {i:04x}    000    DLC: {n}{' ' * 4 if n else ''}{d} {'RT'[y]}\n"
        for t, i, n, d, y in rows
    ).encode()


def _candump(frames: Frames) -> bytes:
    rows = zip(frames.timestamp.tolist(), frames.id.tolist(), _hex(frames), strict=True)
    return "".join(f"({t:.6f}) can0 {i:03X}#{d}\n" for t, i, d in rows).encode()


def _parquet(frames: Frames) -> bytes:
    sink = io.BytesIO()
    pq.write_table(frames.to_table(), sink)
    return sink.getvalue()


def _vector(suffix: str) -> Callable[[Frames], bytes]:
    """ASC and BLF by python-can."""

    def write(frames: Frames) -> bytes:
        import can

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"capture{suffix}"
            with can.Logger(path) as log:
                for t, i, n, payload in zip(*_columns(frames), frames.payload, strict=True):
                    log(
                        can.Message(timestamp=t, arbitration_id=i, is_extended_id=False, dlc=n, data=bytes(payload[:n]))
                    )
            return path.read_bytes()

    return write


def _columns(frames: Frames) -> tuple[list[float], list[int], list[int]]:
    return frames.timestamp.tolist(), frames.id.tolist(), frames.dlc.tolist()


#: format → (bytes of a file, whether it keeps the labels)
FORMATS: dict[str, tuple[Callable[[Frames], bytes], bool]] = {
    "labelled-csv": (_labelled_csv, True),
    "hcrl-csv": (_hcrl_csv, True),
    "hcrl-keyed": (_hcrl_keyed, True),
    "candump": (_candump, False),
    "asc": (_vector(".asc"), False),
    "blf": (_vector(".blf"), False),
    "parquet": (_parquet, True),
}


def write(frames: Frames, path: Path, format: str) -> None:
    """Write a capture file, whole or not at all.

    Args:
        frames: in bus order.
        path: is replaced.
        format: one of `FORMATS`; candump, ASC and BLF have no place for labels.

    Raises:
        KdgatError: unknown format.
    """
    if format not in FORMATS:
        raise KdgatError(f"no format is called {format!r}; known: {', '.join(FORMATS)}")
    atomic.write_bytes(path, FORMATS[format][0](frames))
