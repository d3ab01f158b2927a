"""Stopping before a time limit: a signal asks, training stops after the epoch it is in, and the task says so by its code.

SLURM sends SIGUSR1 some time before a job's limit (`--signal`). Training writes a checkpoint each epoch anyway, so that
all there is to do is not to begin another one, and to end with a code that means "go on later".
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

#: EX_TEMPFAIL of sysexits.h
SAVED = 75

_asked = False


def _ask(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True


def listen() -> None:
    """From now on SIGUSR1 asks for a stop instead of ending the process."""
    signal.signal(signal.SIGUSR1, _ask)


def asked() -> bool:
    """Whether somebody asked for a stop."""
    return _asked


def stop(what: str, tell: bool = True) -> None:
    """End the process with the code `SAVED`; call it when everything that must survive is on disk."""
    if tell:
        print(f"{what}: saved before the time limit, to be continued", file=sys.stderr, flush=True)
    sys.exit(SAVED)
