"""Notes the test folders of captures that a Python process opens: on PYTHONPATH while the suite runs.

Python imports a module of this name at its start, so that processes which tests start are watched too.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

_FOLDER = re.compile(r"([^/]+/test_\d\d[^/]*)/")


def watch(note: str, roots: list[str]) -> None:
    """Append `<dataset>/<test folder>` to the file `note` when a file below one of `roots` is opened, once per process."""
    folders: set[str] = set()

    def opened(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes):
            return
        named = os.fsdecode(arguments[0])
        if "test_" not in named:
            return
        path = os.path.realpath(named)
        for root in roots:
            folder = _FOLDER.match(path, len(root)) if path.startswith(root) else None
            if folder and folder[1] not in folders:
                folders.add(folder[1])
                with open(note, "a") as file:
                    file.write(folder[1] + "\n")

    sys.addaudithook(opened)


if (_note := os.environ.get("KDGAT_TESTS_OPENED")) and (_data := os.environ.get("KDGAT_DATA")):
    watch(_note, [os.path.join(os.path.realpath(part), "") for part in _data.split(os.pathsep) if part])
