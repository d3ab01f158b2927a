"""Renders the documents in a copy of the sources, from a made-up release, so that tests never touch the work tree."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.checks.second import copy_sources
from analysis.freeze import Policy, freeze
from analysis.prerender import UNVERIFIED
from analysis.releases.release import Release, current_name
from kdgat.paths import REPO
from tests import shared
from tests.analysis.fake_run import make

NODE_MODULES = REPO / "paper" / "figures" / "node_modules"


@dataclass(frozen=True)
class Rendered:
    """A project whose pages were rendered as a draft, and the releases that it was rendered from."""

    project: Path
    frozen: Path

    @property
    def site(self) -> Path:
        """Where the pages are."""
        return self.project / "_site"


def rendered(kinds: dict[str, str]) -> Rendered:
    """The sources rendered from a made-up release over `kinds`: once in a session, to be read only."""

    def make(folder: Path) -> None:
        project = copy_sources(REPO, folder / "project")
        freeze_fake(folder / "frozen", kinds)
        done = render(project, frozen=folder / "frozen")
        assert done.returncode == 0, done.stderr

    folder = shared.once("rendered-" + "-".join(kinds), make)
    return Rendered(folder / "project", folder / "frozen")


def freeze_fake(root: Path, datasets: dict[str, str]) -> None:
    """A release of made-up results over `datasets` (name → real or synthetic) below `root`; `render` shows it."""
    tables, weights = make(datasets)
    weights |= {name: student(Path(name).suffix) for name in weights if not name.endswith(".safetensors")}
    freeze("fake", tables, weights, Policy(allow_synthetic=True), root=root)


def student(suffix: str) -> bytes:
    """A real student, which the live page can run: that of the committed release, as `.onnx` or `.json`."""
    committed = REPO / "data" / "frozen"
    return min((committed / current_name(committed) / "weights").glob(f"*/gat-student-s*{suffix}")).read_bytes()


def render(
    project: Path,
    *,
    frozen: Path,
    release: str = "fake",
    command: Sequence[str] = (sys.executable, "-m", "tools.draft"),
) -> subprocess.CompletedProcess[str]:
    """Render `project`, as a draft unless told otherwise."""
    names = ("KDGAT_RELEASE", "PYTHONPATH")
    environment = {k: v for k, v in os.environ.items() if k not in names} | {"KDGAT_FROZEN": str(frozen)}
    environment["KDGAT_RELEASE"] = (
        release  # by name, since a made-up one is not the current one, whose claims would have to hold
    )
    # a made-up release has a committed one's weights and contradicts itself; committed ones are verified by other tests
    environment[UNVERIFIED] = Release(frozen / release).manifest_sha256
    environment["QUARTO_PYTHON"] = sys.executable  # a copy of the sources has no .venv of its own
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=900)
