"""Start a command of `kdgat` from the module that does its work: `python -m analysis.freeze` is `kdgat freeze`."""

from __future__ import annotations

import importlib
import sys

from kdgat import terminal


def start(*command: str) -> None:
    """Run `kdgat <command> <arguments of this process>` and exit with its code; exit with 2 where `cli` is missing."""
    # The only step upwards: `cli` stands above all packages and imports them, so that no module below may import it.
    # A module that is run by its name needs its options all the same, so the package is loaded by name, and only then.
    try:
        front_door = importlib.import_module("cli.__main__")
    except ModuleNotFoundError as error:
        if error.name not in ("cli", "cli.__main__"):
            raise
        terminal.error("the package `cli` is missing: pip install -c requirements.lock -e . in the checkout")
        sys.exit(2)
    front_door.main([*command, *sys.argv[1:]])
