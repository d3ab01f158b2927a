"""Compiled functions: numba without the interpreter lock, machine code kept on disk and never used after a change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import config, njit

_numba: Any = config  # its attributes are made at run time


@cache
def _cache_folder(package: Path) -> str:
    """Where this state of a package's sources keeps its machine code.

    numba takes cached code for current as long as the file of the outermost function is unchanged, and would keep using
    it after a change to a function it calls in another file. So the folder's name is a hash of the whole package.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(package.glob("*.py")))).hexdigest()
    return str(Path(_numba.CACHE_DIR or package / "__pycache__") / f"kernels-{digest[:16]}")


def kernel(function: Callable[..., Any]) -> Any:
    """Compile `function` at its first call; it may call kernels of its own package only."""
    folder = _cache_folder(Path(function.__code__.co_filename).parent)
    before, _numba.CACHE_DIR = _numba.CACHE_DIR, folder
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        _numba.CACHE_DIR = before


#: for functions of a few lines: put into the kernels that call them
inlined = njit(nogil=True, error_model="numpy", inline="always")
