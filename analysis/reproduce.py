"""`python -m analysis.reproduce --level render|evaluate|train`: a release done again, at one of three depths.

render: paper and site from the frozen tables, verified (or one table or figure of them). evaluate: the students' scores
from the frozen weights and the captures, held against the frozen ones. train: the whole flow again, compared within
intervals.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis import figures, verify
from analysis.release import REPO, Release
from analysis.rendered import Site
from kdgat.errors import KdgatError, cli

_CELL = re.compile(r"```\{python\}\n(.*?)```", re.DOTALL)
_INCLUDE = re.compile(r"\{\{<\s*include\s+(\S+)\s*>\}\}")
#: a Markdown table with its caption
_WRITTEN = re.compile(r"(?:^\|.*\n)+\n: .*\{#(?P<label>tbl-\S+?)\}", re.MULTILINE)
_LABEL = re.compile(r"^#\|\s*label:\s*(tbl-\S+)", re.MULTILINE)
_IMPORT = re.compile(r"^from analysis import .*$", re.MULTILINE)
_DISPLAY = re.compile(r"^from IPython.*$", re.MULTILINE)


def run(release: Release, *command: str, **environment: str) -> None:
    """A command of the project with this release shown; raises `KdgatError` if it fails."""
    env = os.environ | {"KDGAT_RELEASE": release.name} | environment
    if subprocess.run([sys.executable, *command], cwd=REPO, env=env).returncode:
        raise KdgatError(f"`python {' '.join(command)}` failed, see above")


def render(release: Release) -> int:
    """Paper and site, then every check of the output."""
    run(release, "-m", "tools.render")
    found = verify.report(f"release {release.name}", verify.verify_release(release.path))
    found += verify.report("rendered output", Site(REPO / "_site", REPO).problems())
    return 1 if found else 0


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
    found = [
        (match.start(), Table(label[1], match[1], cell=True))
        for match in _CELL.finditer(text)
        if (label := _LABEL.search(match[1]))
    ]
    found += [(match.start(), Table(match["label"], match[0].strip(), cell=False)) for match in _WRITTEN.finditer(text)]
    return [made for _, made in sorted(found, key=lambda pair: pair[0])]


def table(release: Release, number: str) -> int:
    """Print one table of the paper as Markdown, by the number it has in the PDF or by its label."""
    known = paper_tables(REPO)
    chosen = [t for i, t in enumerate(known, 1) if number in (str(i), t.label)]
    if not chosen:
        listed = ", ".join(f"{i} {t.label}" for i, t in enumerate(known, 1))
        raise KdgatError(f"no table {number!r}; there are: {listed}")
    if not chosen[0].cell:
        print(chosen[0].text)
        return 0
    os.environ["KDGAT_RELEASE"] = release.name
    made: list[str] = []
    # the cell is the paper's own source; `Markdown` keeps the text instead of displaying it
    imports = "\n".join(sorted({m[0] for m in _IMPORT.finditer(manuscript(REPO))}))
    exec(f"{imports}\n{_DISPLAY.sub('', chosen[0].text)}", {"Markdown": made.append})
    print("\n".join(made))
    return 0


def figure(release: Release, name: str) -> int:
    """Write one static figure as `<name>.svg` into the current folder."""
    known = {s.name: s for s in figures.STATICS}
    if name not in known:
        raise KdgatError(f"no figure {name!r}; there are: {', '.join(known)}")
    path = Path(f"{name}.svg")
    path.write_bytes(figures.svg(release, known[name]))
    print(path)
    return 0


def evaluate(release: Release, dataset: str | None, data: str | None) -> int:
    """Score every test window again with the frozen weights, and hold the scores against the frozen ones."""
    from analysis import rescore

    root = Path(data).resolve() if data else None
    found = 0
    for name in [dataset] if dataset else sorted(release.manifest["datasets"]):
        seeds = rescore.seeds(release, name)
        if not seeds:
            raise KdgatError(f"{release.name} has no weights for {name!r}")
        for seed in seeds:
            begin = time.monotonic()
            fresh = list(rescore.rescore(release, name, seed, root))
            title = f"{name}, seed {seed}: {len(fresh)} windows scored again in {time.monotonic() - begin:.0f} s"
            found += verify.report(title, rescore.differences(release, fresh, name, seed))
    found += verify.report("metrics from the scores", verify.verify_release(release.path))
    return 1 if found else 0


def train(release: Release) -> int:
    """The whole flow again with the release's preset and seeds, frozen as a local release and compared."""
    presets = release.manifest["presets"]
    if len(presets) != 1:
        raise KdgatError(f"{release.name} mixes presets ({', '.join(presets)}): run the flow for each")
    run(release, "-m", "tools.reproduce", PRESET=presets[0], SEEDS=",".join(map(str, release.manifest["seeds"])))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m analysis.reproduce", description=__doc__.splitlines()[0])
    parser.add_argument("--level", choices=("render", "evaluate", "train"), default="render")
    parser.add_argument("--release", help="name of the release (default: the current one)")
    parser.add_argument("--dataset", help="evaluate: only this dataset")
    parser.add_argument("--data", help="evaluate: folder of captures (default $KDGAT_DATA, else data/raw)")
    parser.add_argument(
        "--table", metavar="N", help="render: only this table, by its number in the PDF or its label, to stdout"
    )
    parser.add_argument("--figure", metavar="ID", help="render: only this figure, to the current folder")
    args = parser.parse_args(argv)
    release = Release.open(args.release)
    if args.level == "evaluate":
        return evaluate(release, args.dataset, args.data)
    if args.level == "train":
        return train(release)
    if args.table:
        return table(release, args.table)
    if args.figure:
        return figure(release, args.figure)
    return render(release)


if __name__ == "__main__":
    cli(lambda: main(sys.argv[1:]))
