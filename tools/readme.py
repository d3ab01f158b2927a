"""The README's commands, word for word: `python -m tools.readme` lists them, `--run` runs them as a new user would.

A command is a line of a block marked `sh`. A block behind the comment `<!-- not run: why -->` needs what a fresh clone
does not have, and is listed with its reason instead. Runs on a bare Python.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from dataclasses import dataclass

from kdgat.errors import cli
from kdgat.paths import REPO

_BLOCK = re.compile(r"(?:<!-- not run: (?P<why>[^>]+) -->\n)?```sh\n(?P<code>.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """One line of the README; `why` says why a fresh clone does not run it, empty if it does."""

    line: str
    why: str


def commands(text: str) -> list[Command]:
    """Every command, in the order in which a reader meets them; comments are left out."""
    return [
        Command(line, block["why"] or "")
        for block in _BLOCK.finditer(text)
        for line in block["code"].splitlines()
        if line.strip() and not line.startswith("#")
    ]


def run(lines: list[Command]) -> int:
    """Run them one after the other in the checkout, in the environment that `make` builds; stops at the first failure."""
    print("| command | seconds |\n| :-- | --: |")
    for command in lines:
        if command.why:
            print(f"| `{command.line}` | not run: {command.why} |", flush=True)
            continue
        begin = time.monotonic()
        activate = "[ ! -f .venv/bin/activate ] || . .venv/bin/activate"
        done = subprocess.run(
            ["bash", "-c", f"{activate}\n{command.line}"],
            cwd=REPO,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        print(f"| `{command.line}` | {time.monotonic() - begin:.0f} |", flush=True)
        if done.returncode:
            print(f"\n{done.stdout[-3000:]}{done.stderr[-3000:]}", file=sys.stderr)
            return 1
    return 0


def main() -> int:
    """List the commands, or run them; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.readme", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", action="store_true", help="run them")
    args = parser.parse_args()
    lines = commands((REPO / "README.md").read_text(encoding="utf-8"))
    if args.run:
        return run(lines)
    for command in lines:
        print(command.line + (f"    # not run: {command.why}" if command.why else ""))
    return 0


if __name__ == "__main__":
    cli(main)
