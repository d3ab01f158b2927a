"""Compiled functions: numba without the interpreter lock, machine code kept on disk and never used after a change.

It is kept once for each user of a machine, whatever checkout, task or container asks for it (`kept_folder`).
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core.caching import _CacheLocator

_numba: Any = config  # its attributes are made at run time


def threads_available() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _folders() -> Iterator[Path]:
    """Where machine code may be kept, best first.

    numba unpickles what it finds there, so that each must be the user's own: nobody else may write into it.
    """
    if _numba.CACHE_DIR:
        yield Path(_numba.CACHE_DIR)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    yield Path(home) / "kdgat"
    yield Path(tempfile.gettempdir()) / f"kdgat-{os.getuid()}"


def _own(folder: Path) -> bool:
    """Make a folder if it is missing; say whether it is this user's and can be written into, and not by everybody."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return status.st_uid == os.getuid() and not status.st_mode & 0o002


def _trusted(folder: Path) -> bool:
    """Say whether a folder is there, made by this user or the system, and closed to everybody else."""
    try:
        status = folder.stat()
    except OSError:
        return False
    return status.st_uid in (0, os.getuid()) and not status.st_mode & 0o002


def kept_folder(name: str) -> Path | None:
    """Name the folder in which all of this user's processes keep what took long to make; None where nothing can be written.

    One that can only be read, as in an image, is copied to the first place that can be written.
    """
    folders = list(_folders())
    kept = next((f / name for f in folders if _own(f)), None)
    origin = next((f / name for f in folders if _trusted(f / name)), None)
    if kept is not None and origin is not None and not kept.exists():
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            whole = shutil.copytree(origin, Path(folder) / name)
            whole.chmod(0o700)  # a copy of what can only be read could be neither moved nor written into
            with contextlib.suppress(OSError):  # another process was first
                whole.rename(kept)
    return kept


@cache
def _cache_folder(package: Path) -> Path | None:
    """Where this state of a package's sources keeps its machine code; None where nothing can be written.

    numba takes cached code for current as long as the file of the outermost function is unchanged, and would keep using
    it after a change to a function it calls in another file. So the folder's name is a hash of the whole package.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(package.glob("*.py")))).hexdigest()
    return kept_folder(f"kernels-{digest[:16]}")


class Locator(_CacheLocator):
    """Tells numba to keep the machine code of a function in `_cache_folder` of its package, in whatever checkout it lies."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._py_file, self._line = file, function.__code__.co_firstlineno
        self._folder = _cache_folder(Path(file).parent)

    def get_cache_path(self) -> str:
        """Name the folder."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """Name the state of the sources."""
        return Path(self.get_cache_path()).name

    def get_disambiguator(self) -> str:
        """Tell functions of one name apart by their line."""
        return str(self._line)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Locator:
        """Make the locator of a function."""
        return cls(py_func, py_file)


def kernel(function: Callable[..., Any], order: bool = True) -> Any:
    """Compile `function` at its first call; it may call kernels of its own package only.

    Args:
        function: what is compiled.
        order: whether sums are added in the order that is written.
    """
    function = inspect.unwrap(function)  # a session that checks shapes wraps every function
    kept = _cache_folder(Path(function.__code__.co_filename).parent) is not None
    before, _numba.CACHE_LOCATOR_CLASSES = _numba.CACHE_LOCATOR_CLASSES, f"{__name__}.{Locator.__name__}"
    try:
        fastmath = False if order else {"reassoc", "nsz", "contract"}
        return njit(cache=kept, nogil=True, error_model="numpy", fastmath=fastmath)(function)
    finally:
        _numba.CACHE_LOCATOR_CLASSES = before


#: for sums that may be added in any order, so that several terms are added at once
summing = partial(kernel, order=False)
#: for functions of a few lines: put into the kernels that call them
inlined = njit(nogil=True, error_model="numpy", inline="always")
