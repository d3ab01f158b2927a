"""`kdgat reproduce --level render|evaluate|train`: a release done again, at one of three depths.

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

#: class of a flow → its file
_FILES = {
    "KDGATFlow": "flows/kdgat_flow.py",
    "PublishedFlow": "flows/published_flow.py",
    "AblationFlow": "flows/ablation_flow.py",
}
_NAMES = {file: name for name, file in _FILES.items()}
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
    """Score every test window again with all models whose weights are frozen, and hold the scores against the frozen ones."""
    from analysis.checks import released, scores
    from kdgat.catalog.datasets import absolute_root

    root = absolute_root(data)
    problems = 0
    for name in [dataset] if dataset else sorted(release.manifest["datasets"]):
        seeds = released.seeds(release, name)
        if not seeds:
            raise KdgatError(f"{release.name} has no weights for {name!r}")
        for seed in seeds:
            begin = time.monotonic()
            fresh = scores.rescore(release, name, seed, root)
            title = f"{name}, seed {seed}: {len(fresh)} windows scored again in {time.monotonic() - begin:.0f} s"
            problems += report(title, scores.differences(release, fresh, name, seed))
    problems += report("metrics from the scores", verify_release(release.path))
    return 1 if problems else 0


def train(release: str | None, preset: str | None, seeds: str | None) -> int:
    """Run the flows again, freeze what they leave as a local release, render that, and compare it with a committed one.

    Captures are those of $KDGAT_DATA or data/raw; without any the synthetic bus is used and every page says so.

    Args:
        release: the one whose runs are done again where no preset is given; None: the current one.
        preset: name of a preset, run on whatever captures there are.
        seeds: comma-separated; None: those of the release.

    Raises:
        KdgatError: no such release or preset, seeds that are none, a folder of captures that is not there, or a failed step.
    """
    _check(preset, seeds)
    begin = time.monotonic()
    folder = REPO / ".kdgat"
    folder.mkdir(exist_ok=True)
    if preset is None:
        flows = flows_of(Release.open(release), seeds, folder)
    else:
        seeds = seeds or ",".join(map(str, Release.open(release).manifest["seeds"]))
        flows = [["flows/kdgat_flow.py", "--preset", preset, "--seeds", seeds]]
    ids = []
    for number, (flow, *options) in enumerate(flows):
        id_file = folder / f"reproduce-run-id-{number}"
        _run(flow, "run", *options, "--run-id-file", str(id_file))
        ids.append(f"{_NAMES[flow]}/{id_file.read_text(encoding='utf-8').strip()}")
    name = LOCAL + "-".join(i.partition("/")[2] for i in ids)[:50]
    selection = [option for i in ids for option in ("--run", i)]
    # a local release is never published: it may come from a work tree in progress and from synthetic data, and says so
    _run("-m", "analysis.freeze", *selection, "--release", name, "--allow-dirty", "--allow-synthetic")
    rendering.render(name)
    _run("-m", "analysis.verify", name)
    # tells what was reproduced within its interval; results that differ are a finding, not a failure of the command
    subprocess.run([sys.executable, "-m", "analysis.compare", name], cwd=REPO)
    print(f"\nrun, frozen as data/frozen/{name}, rendered: {(time.monotonic() - begin) / 60:.1f} minutes in all")
    return 0


def _check(preset: str | None, seeds: str | None) -> None:
    """Refuse here what a flow would refuse, with lines of its own around it."""
    from kdgat import presets
    from kdgat.catalog.datasets import absolute_root
    from kdgat.experiment.plan import seed_numbers

    if preset is not None:
        presets.preset(preset)
    if seeds is not None:
        seed_numbers(seeds)
    absolute_root(None)


def _run(*command: str) -> None:
    """Run a command of the project; end as it does if its training was saved, raise `KdgatError` if it fails."""
    code = subprocess.run([sys.executable, *command], cwd=REPO).returncode
    if code == SAVED:
        sys.exit(SAVED)
    if code:
        raise KdgatError(f"`{' '.join(command)}` failed, see above")


def flows_of(release: Release, seeds: str | None, folder: Path) -> list[list[str]]:
    """List what trained a release: file of a flow and its options, with configurations that no later choice of a preset changes.

    Args:
        release: whose runs are done again.
        seeds: comma-separated, in place of its own.
        folder: where the configurations are written.
    """
    rows = [r | {"flow": r["flow_run"].partition("/")[0]} for r in release.table("runs").to_pylist()]
    if unknown := sorted({r["flow"] for r in rows} - _FILES.keys()):
        raise KdgatError(f"{release.name} has runs of {unknown[0]!r}, which is none of {', '.join(_FILES)}")
    rows = [r | {"flow": _FILES[r["flow"]]} for r in rows]
    own = {r["run"] for r in release.configured()}  # other flows change the configuration that they are given
    given = [r for r in rows if r["run"] in own]
    commands = []
    order = list(_NAMES)
    for flow, dataset in sorted(
        {(r["flow"], r["dataset"]) for r in rows}, key=lambda pair: (order.index(pair[0]), pair[1])
    ):
        here = [r for r in rows if (r["flow"], r["dataset"]) == (flow, dataset)]
        sources = [r for r in here if r in given] or [r for r in given if r["dataset"] == dataset]
        if not sources:
            raise KdgatError(
                f"{release.name} does not hold the configuration that {_NAMES[flow]} was given for {dataset}"
            )
        for digest, text in {r["config_hash"]: r["config"] for r in sources}.items():
            file = folder / f"reproduce-{digest[:12]}.json"
            file.write_text(text, encoding="utf-8")
            own_seeds = {r["seed"] for r in here if r["config_hash"] == digest or r not in given}
            numbers = seeds or ",".join(map(str, sorted(own_seeds)))
            options = ["--datasets", dataset, "--configuration", str(file), "--seeds", numbers]
            if flow == _FILES["AblationFlow"]:
                ablations = release.table("ablations").to_pylist()
                if not (factors := sorted({a["factor"] for a in ablations if a["dataset"] == dataset})):
                    raise KdgatError(f"{release.name} does not say which ablations were run on {dataset}")
                options += ["--factors", ",".join(factors)]
            commands.append([flow, *options])
    return commands


if __name__ == "__main__":
    start("reproduce")
