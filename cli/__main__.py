"""The entry point: `kdgat COMMAND …`, also `python -m cli COMMAND …`.

`doctor` says what to install, so it is run before the library that parses every other command is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cli import doctor
from kdgat.errors import KdgatError, cli
from kdgat.paths import REPO


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that `arguments` (default: those of this process) name, and exit with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    cli(lambda: run(words))


def run(words: list[str]) -> int:
    """Run a command; return its exit code.

    Raises:
        KdgatError: the command line is wrong, this is no checkout, or what the command itself raises.
    """
    if words[:1] == ["doctor"] and set(words[1:]) <= {"--json"}:
        _require_checkout()
        return doctor.doctor(json="--json" in words)
    from cli import app

    if words and words[0] in app.WORKING and not {"--help", "-h"} & set(words):
        _require_checkout()
    return app.run(words)


def _require_checkout() -> None:
    if not (REPO / "data" / "catalog.toml").is_file():
        raise KdgatError(
            f"kdgat works in a checkout of its repository, and {REPO} is none: clone it, and in the clone "
            "pip install -c requirements.lock -e '.[paper]'"
        )


if __name__ == "__main__":
    main()
