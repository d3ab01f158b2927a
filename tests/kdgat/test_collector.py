"""The garbage collector rests while libraries are imported, and what they made is never looked through again."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from kdgat import collector


def test_the_collector_rests_within_and_goes_on_after() -> None:
    gc.unfreeze()
    with pytest.raises(KeyError), collector.paused():
        assert not gc.isenabled()
        raise KeyError  # as an import that fails
    assert gc.isenabled() and gc.get_freeze_count() > 1000
    gc.unfreeze()
    gc.disable()
    try:
        with collector.paused():
            pass
        assert not gc.isenabled(), "who had switched it off keeps it off"
    finally:
        gc.enable()
        gc.unfreeze()


def test_a_process_that_skips_the_last_collection_still_ends_in_order() -> None:
    code = "import atexit; from kdgat import collector; collector.skip_at_exit(); atexit.register(print, 'closed'); raise SystemExit(3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "closed\n", "")
