"""Errors that a person can act on, and the one place where they become an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable
from typing import TextIO

from kdgat import terminal

#: what a shell reports of a program that Control-C, or the end of its pipe's reader, stopped
INTERRUPTED, PIPE_CLOSED = 130, 141
#: names a file in which a flow's task leaves the line of its user error for the head, which is another process
ERROR_FILE = "KDGAT_ERROR_FILE"


class KdgatError(Exception):
    """Something the user can mend: shown as one line, exit code 2, no traceback."""

    def __init__(self, message: str) -> None:
        # what a library says may have several lines
        super().__init__(re.sub(r"\s*\n\s*", " ", message).strip())


class CaptureError(KdgatError):
    """A capture that cannot be read.

    Attributes:
        file: path as the user gave it.
        line: 1-based line (0: the file as a whole).
        reason: what is wrong there, without the file's name.
    """

    def __init__(self, file: str, line: int, reason: str) -> None:
        self.file, self.line, self.reason = file, line, reason
        super().__init__(f"{file}:{line}: {reason}" if line else f"{file}: {reason}")


def report(error: KdgatError) -> None:
    """Show `error` as one line, and leave it for the flow's head if there is one."""
    terminal.error(str(error))
    if os.environ.get(ERROR_FILE):
        # in the place that the head keeps free: a full disk has no other
        with contextlib.suppress(OSError), open(os.environ[ERROR_FILE], "r+", encoding="utf-8") as file:
            file.write(f"error: {error}\n")


#: what a disk, a quota, a folder's permissions, or a folder in a file's place answer
_REFUSED = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR)
}


def refusal(error: OSError) -> KdgatError | None:
    """The error of a full disk or a folder that cannot be written, as one that a person can act on; None for others."""
    if error.errno in _REFUSED:
        # of a file that could not be renamed, its new name says more
        name = (
            error.filename2 or error.filename or ("standard output" if _full_stdout() else "standard output or a file")
        )
        return KdgatError(f"{name}: {error.strerror}")
    if error.errno is None and "requested and" in str(error):  # how numpy reports a short write
        return KdgatError("a file could not be written whole: the disk is full or a quota is reached")
    return None


def _full_stdout() -> bool:
    """Say whether what standard output holds back cannot be written, and let go of it; unbuffered, it holds nothing back."""
    try:
        sys.stdout.flush()
    except OSError:
        _let_go(sys.stdout)
        return True
    return False


def _let_go(stream: TextIO) -> None:
    """Give up what `stream` holds back: Python would try to write it again when it ends."""
    with contextlib.suppress(OSError, ValueError):  # a stand-in of a test has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def missing(module: str) -> KdgatError:
    """The error of a package that is not installed, as one that a person can act on."""
    extras = "pip install -c requirements.lock -e '.[paper,train]' in .venv"
    return KdgatError(f"{module} is missing: {extras} has it, or `kdgat doctor` says which extra does")


def cli(main: Callable[[], int | None]) -> None:
    """Run a command's `main`; a `KdgatError`, a refusing disk or a missing package becomes one line and exit code 2."""
    terminal.tolerate()
    try:
        sys.exit(_code(main))
    except BrokenPipeError:
        # the reader of a pipe (`| head`), be it of the one line, went away: not an error of ours
        for stream in filter(None, (sys.stdout, sys.stderr)):
            _let_go(stream)
        sys.exit(PIPE_CLOSED)


def cli_without_arguments(main: Callable[[], int | None]) -> None:
    """`cli` for a module that is run by its name alone: `--help` says what it does, any other argument is refused."""

    def asked() -> int | None:
        import argparse  # late: commands with arguments parse them by other means

        module = sys.modules["__main__"]
        name = module.__spec__.name.removesuffix(".__main__") if module.__spec__ else sys.argv[0]
        about = (module.__doc__ or "").partition("\n")[0]
        argparse.ArgumentParser(prog=f"python -m {name}", description=about).parse_args()
        return main()

    cli(asked)


def _code(main: Callable[[], int | None]) -> int | str | None:
    """What a command's `main` is to exit with; raises BrokenPipeError where a reader of what it prints went away."""
    try:
        code = _ended(main)
        if sys.stdout is not None:  # where it was closed, there is none
            sys.stdout.flush()
        return code
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in ("", "kdgat", "analysis", "cli", "tools", "benchmarks"):
            raise  # ours
        terminal.error(str(missing(package)))
        return 2
    except KdgatError as error:
        terminal.error(str(error))
        return 2
    except KeyboardInterrupt:
        terminal.note("interrupted")
        return INTERRUPTED
    except OSError as error:
        reason = refusal(error)
        if reason is None:
            raise
        terminal.error(str(reason))
        return 2


def _ended(main: Callable[[], int | None]) -> int | str | None:
    """Run `main`; a library that prints help ends the process itself, before all of it is written."""
    try:
        return main() or 0
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # what rich and click make of it: exit code 1
            raise end.__context__ from None
        return end.code
