"""`make test`, `make quick`, `make lint` and what `make audit` can do without a network: each check once, by one list.

Style, types, contracts and dependencies are checked beside pytest and never inside it. They come first, since they are
quick and pytest's own closing line, which counts the tests, is to be the last.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kdgat.catalog.datasets import root_folders
from kdgat.doctor import PROGRAMS
from kdgat.errors import cli
from kdgat.paths import REPO


@dataclass(frozen=True)
class Step:
    """One check: a program of the environment, its arguments, and what it prints of a check that looked at something."""

    program: str
    arguments: tuple[str, ...] = ()
    prints: str = ""


STYLE = (
    Step("ruff", ("check", ".")),
    Step("ruff", ("format", "--check", ".")),
    Step("lint-imports"),
    Step("python", ("-m", "tools.prose")),
)
#: minutes where nothing is cached, as in a new clone; seconds afterwards
TYPES = (Step("mypy"),)
AUDIT = (
    Step("vulture"),
    Step("deptry", ("kdgat", "analysis", "cli", "tools", "flows", "benchmarks")),
    # codespell and grandalf (of dvc) are programs that are run beside the project, nothing of it links them
    Step(
        "pip-licenses",
        tuple(
            [
                "--partial-match",
                "--fail-on",
                "AGPL;GPL-2.0-only;GPLv2);SSPL",
                "--ignore-packages",
                "codespell",
                "grandalf",
                "--summary",
            ]
        ),
        prints="MIT",
    ),
    Step("zizmor", ("--offline", "--quiet", ".github")),
)
#: name → what is checked, and whether pytest runs (None: not at all)
KINDS: dict[str, tuple[tuple[Step, ...], tuple[str, ...] | None]] = {
    "test": (STYLE + AUDIT, ("--durations=10",)),
    "quick": (STYLE + TYPES, ("-m", "not slow")),
    "lint": (STYLE + TYPES, None),
    "audit": (AUDIT, None),
}


def run(step: Step) -> tuple[str, str | None]:
    """The step's command, and its output where it failed."""
    program = Path(sys.executable).with_name(step.program)
    done = subprocess.run(
        [str(program), *step.arguments], cwd=REPO, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    well = done.returncode == 0 and step.prints in done.stdout
    return " ".join((step.program, *step.arguments)), None if well else done.stdout


def steps(of: Sequence[Step]) -> list[str]:
    """Run the steps side by side; prints what failed and returns the commands that did."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(run, of))
    for command, output in done:
        print(f"{'ok    ' if output is None else 'FAILED'}  {command}")
        if output is not None:
            print(output)
    sys.stdout.flush()
    return [command for command, output in done if output is not None]


def left_out(absent: Sequence[str]) -> list[str]:
    """List what cannot be checked or tried here, each with its remedy."""
    out = [f"{program} (the extra audit)" for program in absent]
    out += [f"{p.tests} ({p.remedy})" for name, p in PROGRAMS.items() if p.tests and shutil.which(name) is None]
    if not os.environ.get("KDGAT_DATA") or not any((root / "hcrl-sa").is_dir() for root in root_folders()):
        out.append("tests on real captures (set KDGAT_DATA to their folder)")
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one kind of check; further arguments are pytest's."""
    parser = argparse.ArgumentParser(prog="python -m tools.check", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=KINDS, nargs="?", default="test")
    options, rest = parser.parse_known_args(arguments)
    checks, tests = KINDS[options.kind]
    absent = [s.program for s in checks if not Path(sys.executable).with_name(s.program).exists()]
    if tests is not None and (missing := left_out(absent)):
        print("left out: " + "; ".join(missing), file=sys.stderr, flush=True)
    elif absent:
        print(f"not installed: {', '.join(absent)}", file=sys.stderr)
        return 1
    failed = steps([s for s in checks if s.program not in absent])
    if tests is not None:
        # one process per core, one file of tests at a time (their fixtures are made once), in the order of tests/conftest.py
        workers = ["-n", str(os.cpu_count() or 1), "--dist", "loadfile", "--no-loadscope-reorder"]
        pytest = [sys.executable, "-m", "pytest", *workers, "-rs", *tests, *rest]
        if subprocess.run(pytest, cwd=REPO).returncode:
            failed.append("pytest")
    if failed:
        print("failed: " + "; ".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    cli(main)
