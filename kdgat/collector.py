"""Python's garbage collector, kept from what it only slows down.

An import makes hundreds of thousands of objects and no garbage, yet the collector looks through all of them again and again, and
once more when the process ends: two of the five processor seconds in which a training starts.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Import with the collector off; what is there afterwards stays, and later collections leave it alone.

    For imports alone: what else becomes garbage within would never be collected.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if before:
            gc.enable()


def skip_at_exit() -> None:
    """Leave to the system what this process holds when it ends, instead of looking through it for garbage."""
    atexit.register(gc.freeze)
