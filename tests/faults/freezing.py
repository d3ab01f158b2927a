"""Kills `freeze` at random moments and checks that nothing is ever half-written.

A child freezes one release after the other; the parent kills it (SIGKILL) after a random time and looks at the disk.
One child in ten is a fresh process that does the whole freeze, the others only write, where a kill could do harm.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from analysis.checks.verification import verify_index
from analysis.freeze import Policy, build, freeze, place
from analysis.releases.release import Release, names
from kdgat.paths import REPO

WHOLE = (
    "import pickle; from pathlib import Path; from analysis.freeze import freeze\n"
    "folder = Path({folder!r}); tables, weights = pickle.loads((folder / 'inputs.pickle').read_bytes())\n"
    "print('ready', flush=True)\n"
    "for number in range(1000): freeze(f'c{{number}}', tables, weights, root=folder / 'frozen', current=True)"
)


class Killer:
    """A store below `folder` with one release `base`, and children that write more."""

    def __init__(self, folder: Path, tables, weights, seed: int = 0) -> None:
        self.folder, self.root = folder, folder / "frozen"
        (folder / "inputs.pickle").write_bytes(pickle.dumps((tables, weights)))
        freeze("base", tables, weights, root=self.root, current=True)
        self.base = {p.name: p.read_bytes() for p in (self.root / "base").glob("*.*")}
        self.output = build("base", tables, weights, Policy())
        self.chance = random.Random(seed)
        self.completed = 0

    def write(self) -> None:
        """What a forked child does: place c0, c1, …"""
        files, manifest = self.output
        for number in range(1000):
            renamed = manifest.replace(b'"name": "base"', f'"name": "c{number}"'.encode())
            place(self.root, f"c{number}", files, renamed, current=True)

    def kill_writer(self) -> None:
        """Fork a child that writes; kill it."""
        pid = os.fork()
        if pid == 0:
            self.write()
            os._exit(0)
        time.sleep(self.chance.uniform(0, 0.4))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def kill_freeze(self) -> None:
        """Start a process that freezes from tables; kill it."""
        command = [sys.executable, "-c", WHOLE.format(folder=str(self.folder))]
        with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise RuntimeError("the child did not start")
            time.sleep(self.chance.uniform(0, 3.0))
            process.send_signal(signal.SIGKILL)

    def broken(self) -> list[str]:
        """What is half-done on disk: empty if every release is whole, and pointer and index can be used."""
        problems = []
        on_disk = names(self.root)
        for name in on_disk:
            try:
                Release(self.root / name).check_hashes()
            except Exception as error:  # any failure to open is what is looked for
                problems.append(f"{name}: {error}")
        if self.base != {p.name: p.read_bytes() for p in (self.root / "base").glob("*.*")}:
            problems.append("the old release changed")
        if (self.root / "current").read_text().strip() not in on_disk:
            problems.append("current points at nothing")
        index = json.loads((self.root / "index.json").read_text())
        return problems + [f"index.json lists {name}, which is not on disk" for name in index.keys() - set(on_disk)]

    def mend(self) -> list[str]:
        """The next freeze must finish or clear away what the killed one left; then forget the children's releases."""
        place(self.root, "base", *self.output, current=True)
        left = [f"{p.name} was left behind" for p in self.root.glob(".*.*")]
        problems = left + verify_index(self.root)
        for name in names(self.root):
            if name != "base":
                self.completed += 1
                shutil.rmtree(self.root / name)
        place(self.root, "base", *self.output, current=True)
        return problems

    def run(self, kills: int) -> list[str]:
        """Kill `kills` children; returns all problems."""
        problems = []
        for number in range(kills):
            way: Callable[[], None] = self.kill_freeze if number % 10 == 0 else self.kill_writer
            way()
            problems += [f"kill {number}: {p}" for p in (*self.broken(), *self.mend())]
        return problems
