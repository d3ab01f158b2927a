"""Buses of a capture: frames of several are no one stream, since each has traffic, identifiers and a clock of its own."""

from __future__ import annotations

from pathlib import Path

from kdgat.errors import CaptureError


class Channels:
    """Watches the buses of a capture, frame by frame.

    Args:
        path: the capture.
        bus: the one whose frames are read; None: the only one.
    """

    def __init__(self, path: Path, bus: str | None = None) -> None:
        self.path, self.bus = path, bus
        self.seen: dict[str, None] = {}

    def takes(self, channel: str, line: int) -> bool:
        """Say whether a frame of `channel` is read; raise `CaptureError` for that of a second bus where no bus was named."""
        self.seen.setdefault(channel)
        if self.bus is not None:
            return channel == self.bus
        if len(self.seen) > 1:
            raise CaptureError(str(self.path), line, several(self.seen))
        return True


def several(channels: dict[str, None]) -> str:
    """Say that a file has frames of several buses, and what to do."""
    return f"frames of more than one bus ({', '.join(name[:20] for name in sorted(channels))}): --channel NAME reads one of them"
