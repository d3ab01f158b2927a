"""`python -m analysis.reproduce --level render|evaluate|train`: a release done again, at one of three depths.

render: paper and site from the frozen tables, verified (or one table or figure of them). evaluate: the students' scores
from the frozen weights and the captures, held against the frozen ones. train: the whole flow again, compared within
intervals.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from analysis import render as rendering
from analysis.checks.pages import Site
from analysis.checks.verification import report, verify_release
from analysis.figures import statics
from analysis.releases.release import LOCAL, Release
from analysis.tables import TABLES
from kdgat.errors import KdgatError
from kdgat.front_door import start
from kdgat.paths import REPO
from kdgat.training.interrupt import SAVED

_CELL = re.compile(r"```\{python\}\n(.*?)```", re.DOTALL)
_INCLUDE = re.compile(r"\{\{<\s*include\s+(\S+)\s*>\}\}")
#: a Markdown table with its caption
_WRITTEN = re.compile(r"(?:^\|.*\n)+\n: .*\{#(?P<label>tbl-\S+?)\}", re.MULTILINE)
_LABEL = re.compile(r"^#\|\s*label:\s*(tbl-\S+)", re.MULTILINE)


def render(release: Release) -> int:
    """Render paper and site of a release, then check all output; 1 if there is a problem."""
    rendering.render(release.name)
    problems = report(f"release {release.name}", verify_release(release.path))
    problems += report("rendered output", Site(REPO / "_site", REPO).problems())
    return 1 if problems else 0


def manuscript(project: Path) -> str:
    """The paper's source with its includes in place."""
    main = project / "paper" / "index.qmd"

    def included(match: re.Match[str]) -> str:
        name = match[1]
        file = project / name.lstrip("/") if name.startswith("/") else main.parent / name
        return file.read_text(encoding="utf-8")

    return _INCLUDE.sub(included, main.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Table:
    """A table of the paper: written in its source, or made by a cell."""

    label: str
    text: str
    cell: bool


def paper_tables(project: Path) -> list[Table]:
    """Every table of the paper in its order, which is how the PDF numbers them."""
    text = manuscript(project)
    tables = [
        (match.start(), Table(label[1], match[1], cell=True))
        for match in _CELL.finditer(text)
        if (label := _LABEL.search(match[1]))
    ]
    tables += [
        (match.start(), Table(match["label"], match[0].strip(), cell=False)) for match in _WRITTEN.finditer(text)
    ]
    return [table for _, table in sorted(tables, key=lambda pair: pair[0])]


def table(release: Release, number: str) -> int:
    """Print one table of the paper as Markdown, by the number it has in the PDF or by its label."""
    tables = paper_tables(REPO)
    matches = [t for i, t in enumerate(tables, 1) if number in (str(i), t.label)]
    if not matches:
        choices = ", ".join(f"{i} {t.label}" for i, t in enumerate(tables, 1))
        raise KdgatError(f"no table {number!r}; there are: {choices}")
    if not matches[0].cell:
        print(matches[0].text)
        return 0
    print(TABLES[matches[0].label](release))
    return 0


def figure(release: Release, name: str) -> int:
    """Write one static figure as `<name>.svg` into the current folder."""
    figures = {s.name: s for s in statics.STATICS}
    if name not in figures:
        raise KdgatError(f"no figure {name!r}; there are: {', '.join(figures)}")
    path = Path(f"{name}.svg")
    path.write_bytes(statics.svg(release, figures[name]))
    print(path)
    return 0


def evaluate(release: Release, dataset: str | None, data: str | None) -> int:
    """Score every test window again with the frozen weights, and hold the scores against the frozen ones."""
    from analysis.checks import scores
    from kdgat.catalog.datasets import absolute_root

    root = absolute_root(data or "")
    problems = 0
    for name in [dataset] if dataset else sorted(release.manifest["datasets"]):
        seeds = scores.seeds(release, name)
        if not seeds:
            raise KdgatError(f"{release.name} has no weights for {name!r}")
        for seed in seeds:
            begin = time.monotonic()
            fresh = list(scores.rescore(release, name, seed, root))
            title = f"{name}, seed {seed}: {len(fresh)} windows scored again in {time.monotonic() - begin:.0f} s"
            problems += report(title, scores.differences(release, fresh, name, seed))
    problems += report("metrics from the scores", verify_release(release.path))
    return 1 if problems else 0


def train(release: str | None, preset: str | None, seeds: str | None) -> int:
    """Run the whole flow again, freeze it as a local release, render that, and compare it with a committed one.

    Captures are those of $KDGAT_DATA or data/raw; without any the synthetic bus is used and every page says so.

    Args:
        release: the one whose datasets, configuration and seeds are used where none are given; None: the current one.
        preset: name of a preset.
        seeds: comma-separated.
    """
    begin = time.monotonic()
    folder = REPO / ".kdgat"
    folder.mkdir(exist_ok=True)
    id_file = folder / "reproduce-run-id"
    settings = ["--preset", preset] if preset is not None else _settings(Release.open(release), folder)
    seeds = seeds or ",".join(map(str, Release.open(release).manifest["seeds"]))
    _run("flows/kdgat_flow.py", "run", *settings, "--seeds", seeds, "--run-id-file", str(id_file))
    run_id = id_file.read_text().strip()
    name = f"{LOCAL}{run_id}"
    # a local release is never published: it may come from a work tree in progress and from synthetic data, and says so
    _run("-m", "analysis.freeze", "--run", run_id, "--release", name, "--allow-dirty", "--allow-synthetic")
    rendering.render(name)
    _run("-m", "analysis.verify", name)
    # tells what was reproduced within its interval; results that differ are a finding, not a failure of the command
    subprocess.run([sys.executable, "-m", "analysis.compare", name], cwd=REPO)
    print(f"\nrun, frozen as data/frozen/{name}, rendered: {(time.monotonic() - begin) / 60:.1f} minutes in all")
    return 0


def _run(*command: str) -> None:
    """Run a command of the project; end as it does if its training was saved, raise `KdgatError` if it fails."""
    code = subprocess.run([sys.executable, *command], cwd=REPO).returncode
    if code == SAVED:
        sys.exit(SAVED)
    if code:
        raise KdgatError(f"`{' '.join(command)}` failed, see above")


def _settings(release: Release, folder: Path) -> list[str]:
    """Options of the flow that give a release's datasets and configuration, which no later choice of a preset changes.

    Raises:
        KdgatError: its runs had several configurations.
    """
    rows = [row for row in release.table("runs").to_pylist() if row["stage"] != "ablation"]
    configurations = {row["config_hash"]: row["config"] for row in rows}
    if len(configurations) != 1:
        presets = ", ".join(release.manifest["presets"])
        raise KdgatError(f"{release.name} mixes configurations (presets {presets}): run the flow for each")
    file = folder / "reproduce-configuration.json"
    file.write_text(*configurations.values())
    return ["--datasets", ",".join(sorted({row["dataset"] for row in rows})), "--configuration", str(file)]


if __name__ == "__main__":
    start("reproduce")
