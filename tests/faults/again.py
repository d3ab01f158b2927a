"""A command killed with -9 at a random moment and run again: it must end as one that nobody disturbed."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kdgat.paths import REPO


def content(folder: Path, pattern: str) -> dict[str, str]:
    """Relative path → sha256 of the files that a result consists of; names of unfinished writes begin with a dot."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.glob(pattern))
        if p.is_file() and not any(part.startswith(".") for part in p.relative_to(folder).parts)
    }


@dataclass
class Again:
    """One command, its result, and how it bears being killed.

    Attributes:
        command: what is run, given the folder it works in; it prints `ready` when its work begins.
        result: pattern of the files below the folder that make up the result.
        stays: pattern of files that an unfinished run may have left whole, and that must never be seen half-written:
            whatever of them is there after a kill must be as in an undisturbed run.
        together: files that `stays` names are there all together or not at all.
        prepare: fills a new folder before the first start.
    """

    command: Callable[[Path], list[str]]
    result: str
    stays: str = ""
    together: bool = False
    prepare: Callable[[Path], object] = field(default=lambda folder: folder.mkdir(parents=True))
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, folder: Path) -> subprocess.Popen[str]:
        """A process in a session of its own, waited for until it is ready."""
        process = subprocess.Popen(
            self.command(folder), cwd=REPO, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(REPO)} | self.environment, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line == "ready\n":
                return process
        raise RuntimeError(f"{self.command(folder)} ended before it was ready")

    def finish(self, folder: Path) -> float:
        """Run to the end; the seconds from `ready` on."""
        process = self.start(folder)
        begin = time.monotonic()
        output = process.communicate()[0]
        if process.returncode:
            raise RuntimeError(f"{self.command(folder)} failed:\n{output[-2000:]}")
        return time.monotonic() - begin

    def run(self, folder: Path, kills: int, seed: int = 0) -> list[str]:
        """Kill `kills` times, running on in the same folder; returns all problems."""
        chance = random.Random(seed)
        whole, killed = folder / "whole", folder / "killed"
        self.prepare(whole)
        seconds = self.finish(whole)
        expected, problems = content(whole, self.result), []
        if not expected:
            return [f"an undisturbed run leaves nothing that fits {self.result}"]
        self.prepare(killed)
        for number in range(kills):
            process = self.start(killed)
            time.sleep(chance.uniform(0, seconds))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if self.stays:
                true, left = content(whole, self.stays), content(killed, self.stays)
                half = [name for name, digest in left.items() if true.get(name) != digest]
                problems += [f"kill {number}: {name} is not what an undisturbed run writes" for name in half]
                if self.together and left and (absent := true.keys() - left.keys()):
                    problems.append(f"kill {number}: {len(absent)} of {len(true)} files are not there")
            if content(killed, self.result) == expected:  # it had finished, or one before it had: begin anew
                shutil.rmtree(killed)
                self.prepare(killed)
        self.finish(killed)
        have = content(killed, self.result)
        problems += [
            f"{n} differs from an undisturbed run" for n in sorted({*expected, *have}) if expected.get(n) != have.get(n)
        ]
        return problems


def build() -> Again:
    """Graph stores, as the flow's first step makes them."""
    return Again(
        lambda folder: [sys.executable, "-m", "tests.faults.jobs", "build", str(folder)],
        result="stores/**/*", stays="stores/**/*",
    )  # fmt: skip


def flow() -> Again:
    """The flow, killed with all its tasks, and resumed."""
    return Again(
        lambda folder: [sys.executable, "-m", "tests.faults.jobs", "flow", str(folder)],
        result="result.txt", stays="result.txt",
    )  # fmt: skip


def rendering() -> Again:
    """The site: all pages that start no kernel, so that a rendering takes seconds."""
    from tests.rendering import copy_sources, freeze_fake

    def prepare(folder: Path) -> None:
        folder.mkdir(parents=True)
        project = copy_sources(REPO, folder / "project")
        sources = (project / "_quarto.yml").read_text()
        fewer = sources.replace("    - paper/index.qmd\n", "", 1).replace("    - paper/talk.qmd\n", "", 1)
        assert fewer != sources
        (project / "_quarto.yml").write_text(fewer)
        freeze_fake(folder / "frozen", {"synthetic": "synthetic"})

    pages = "project/_site/**/*.html"
    return Again(
        lambda folder: [sys.executable, "-m", "tests.faults.jobs", "render", str(folder)],
        result=pages, stays=pages, together=True, prepare=prepare,
    )  # fmt: skip


def training(stores: Path) -> Again:
    """Training of autoencoders and classifiers; `stores` is a work folder whose graph stores are there already."""

    def prepare(folder: Path) -> None:
        folder.mkdir(parents=True)
        shutil.copytree(stores, folder / "work")

    return Again(
        lambda folder: [sys.executable, "-m", "tests.faults.jobs", "train", str(folder)],
        result="weights.txt", stays="weights.txt", prepare=prepare,
    )  # fmt: skip
