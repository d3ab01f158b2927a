"""Writes that are whole or absent, also on NFS: a temporary name beside the target, fsync, rename."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kdgat.errors import KdgatError

#: age (s) at which what a killed writer left beside its target is removed, when the target is next written; a writer
#: that lives touches its files far more often
STALE = 24 * 3600


def _clear_stale(path: Path) -> None:
    """Remove temporary names of `path` that nobody has touched for long; a clock that went back only delays it."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        with contextlib.suppress(OSError):  # another process clears them too
            touched = max(p.lstat().st_mtime for p in (left, *left.rglob("*")))
            if time.time() - touched > STALE:
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


def _fsync_dir(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _make(folder: Path) -> None:
    """Make a folder if it is not there; a file in its place is an error as one further up is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


def write_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace `path` by `data` atomically; a crash leaves the old content or the new, never half, and never wider than `mode`."""
    _make(path.parent)
    _clear_stale(path)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
        _fsync_dir(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode(), mode)


def check_folder(folder: Path) -> None:
    """See whether files can be written into `folder`, before work whose results go there; leave nothing.

    Args:
        folder: that is there, or would be made.

    Raises:
        KdgatError: they cannot.
    """
    try:
        there = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise KdgatError(f"cannot write {folder}: {error.strerror}") from None


@contextlib.contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """A directory that appears at `path` with all its content, or not at all.

    Yields a temporary directory beside `path`; it is fsynced and renamed when the block ends well and removed when it
    does not. Raises `FileExistsError` if `path` exists (also when another writer was faster).
    """
    _make(path.parent)
    _clear_stale(path)
    if path.exists():
        raise FileExistsError(str(path))
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        for root, _, names in os.walk(temporary):
            for name in names:
                with open(os.path.join(root, name), "rb") as file:
                    os.fsync(file.fileno())
            _fsync_dir(Path(root))
        os.chmod(temporary, 0o755)
        if path.exists():
            raise FileExistsError(str(path))
        # rename onto an existing non-empty directory fails, so of two writers one wins and the other is told
        try:
            os.rename(temporary, path)
        except OSError as error:
            raise FileExistsError(str(path)) from error
        _fsync_dir(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
