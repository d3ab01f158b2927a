"""The project's own files agree with each other."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def targets(repo: Path) -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", (repo / "Makefile").read_text(), re.MULTILINE))


def test_each_pixi_task_calls_its_make_target_and_repeats_no_command(repo: Path) -> None:
    tasks = tomllib.loads((repo / "pixi.toml").read_text())["tasks"]
    assert {"site", "reproduce", "test"} <= set(tasks)
    for name, command in tasks.items():
        assert command == f"make {name}" and name in targets(repo)


def test_versions_agree(repo: Path) -> None:
    from kdgat import __version__

    project = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    pixi = tomllib.loads((repo / "pixi.toml").read_text())
    assert project["version"] == pixi["workspace"]["version"] == __version__
    assert f"version: {__version__}" in (repo / "CITATION.cff").read_text()
    assert pixi["dependencies"]["python"] == project["requires-python"]


def test_the_lock_has_every_dependency_and_no_address(repo: Path) -> None:
    lock = (repo / "requirements.lock").read_text()
    names = {line.split("==")[0] for line in lock.splitlines() if not line.startswith("#")}
    assert "torch==2.13.0\n" in lock, "a local version (+cpu) could not be had elsewhere"
    assert not re.search(r"https?://|file:|@ ", lock)
    project = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(d for k, v in project["optional-dependencies"].items() if k != "quarto" for d in v),
    ]
    for requirement in wanted:
        name = re.split(r"[<>=\[ ]", requirement)[0].lower().replace("_", "-")
        assert name in names, f"{name} is not in requirements.lock: run `make lock`"


def test_nothing_requires_quarto_but_its_extra(repo: Path) -> None:
    extras = tomllib.loads((repo / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [name for name, needs in extras.items() if any("quarto" in n for n in needs)] == ["quarto"]


def test_what_readme_names_is_there(repo: Path) -> None:
    text = (repo / "README.md").read_text()
    for target in re.findall(r"`?make ([a-z-]+)`?", text):
        assert target in targets(repo) or target in ("it", "and"), target
    for path in re.findall(r"`((?:tests|data|tools|paper|kdgat|flows|analysis|benchmarks)/[\w./-]*)`", text):
        assert (repo / path).exists() or path.startswith(("data/frozen/local", "data/raw")), path


@pytest.mark.parametrize(
    "module",
    [
        "analysis.freeze",
        "analysis.verify",
        "analysis.trace",
        "analysis.sql",
        "analysis.compare",
        "kdgat.catalog",
        "kdgat.synthetic",
        "benchmarks.graphs",
    ],
)
def test_each_command_explains_itself(repo: Path, module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--help"], cwd=repo, capture_output=True, text=True)
    assert done.returncode == 0 and "usage:" in done.stdout, done.stderr


def test_imports_point_one_way(repo: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=repo, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
