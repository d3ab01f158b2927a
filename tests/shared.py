"""What one session makes once for all its processes: pytest-xdist's workers each have session fixtures of their own."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

#: names the folder that all processes of a session share; pytest's first process makes it and takes it away
VARIABLE = "KDGAT_TESTS_SHARED"


def begin() -> None:
    """Make the folder, unless a process above this one did."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="kdgat-tests-")
        os.environ[f"{VARIABLE}_OWNER"] = str(os.getpid())


def end() -> None:
    """Remove the folder where this process made it."""
    if os.environ.get(f"{VARIABLE}_OWNER") == str(os.getpid()):
        shutil.rmtree(os.environ.pop(VARIABLE), ignore_errors=True)
        del os.environ[f"{VARIABLE}_OWNER"]


def folder() -> Path:
    """The folder."""
    return Path(os.environ[VARIABLE])


def once(name: str, make: Callable[[Path], object]) -> Path:
    """The path at which the first process to ask has made a file or folder; the others wait for it and only read."""
    root = folder()
    target, done = root / name, root / f".{name}.done"
    with open(root / f".{name}.lock", "a") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        if not done.exists():  # or made by halves, by a process that failed
            shutil.rmtree(target, ignore_errors=True)
            make(target)
            done.touch()
    return target


def copy(source: Path, target: Path) -> Path:
    """A copy whose files are hard links, for a test that adds, removes and replaces files but edits none in its place."""
    shutil.copytree(source, target, copy_function=os.link, symlinks=True)
    return target
