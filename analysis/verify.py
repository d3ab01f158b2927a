"""`python -m analysis.verify`: everything a release and the documents made from it promise, checked anew.

Without arguments: every release on disk, the sources against the current release, and the rendered output, if any.
Each problem is one line; any problem makes the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from analysis import checks, freeze, intervals, provenance, release
from analysis.figures import STATICS
from analysis.numbers import KeyUnknown, Numbers
from analysis.queries import queries
from analysis.release import REPO, Release, frozen_root
from analysis.rendered import Site
from analysis.sources import results_sections, sources, typed_numbers, uses
from kdgat import records
from kdgat.errors import KdgatError, cli

_STATIC = re.compile(r"figures/static/([\w-]+)\.svg")
#: interactive figures that draw what a static one draws too
TWINS = (
    *("leaderboard", "curves", "windowGraph", "scoreHistogram", "alphaByAttack"),
    *("similarity", "sizeAgainstScore", "embedding"),
)


def verify_release(path: Path) -> list[str]:
    """Problems of one release: hashes, schemas, manifest against rows, cross-sums, weights against parameters."""
    try:
        opened = Release(path)
        opened.check_hashes()
        tables = {name: opened.table(name) for name in opened.tables}
    except KdgatError as error:
        return [str(error)]
    problems = []
    for name, table in tables.items():
        entry = opened.manifest["tables"][name]
        if records.content_hash(table) != entry.get("content_hash"):
            problems.append(f"{name}: content differs from the manifest's content_hash")
    if not {"runs", "summary"} <= tables.keys():
        return [f"{opened.name}: no `runs` or no `summary` table"]
    told = opened.manifest
    for field, value in provenance.describe(tables).items():
        # what git and the writer say belongs to the machine of the freeze, not to the rows
        have = told.get(field)
        if field == "code" and isinstance(have, dict):
            value, have = ({k: v for k, v in part.items() if k != "trees"} for part in (value, have))
        if field != "writer" and have != value:
            problems.append(f"manifest: {field!r} does not follow from the runs")
    problems += checks.cross_sums(tables)
    problems += checks.weights(opened)
    return [f"{opened.name}: {problem}" for problem in problems]


def verify_releases(paths: Sequence[Path]) -> Iterator[list[str]]:
    """`verify_release` of each, in the order given; several at once where there are processors for it."""
    jobs = min(len(paths), os.cpu_count() or 1)
    if jobs < 2:
        yield from map(verify_release, paths)
        return
    # spawned: Arrow's threads do not outlive a fork
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield from pool.map(verify_release, paths)


def verify_index(root: Path) -> list[str]:
    """Problems of the index and the pointer."""
    file = root / "index.json"
    try:
        told = json.loads(file.read_text()) if file.exists() else {}
        have = freeze.index(root)
    except (ValueError, KdgatError) as error:
        return [f"index.json: {error}"]
    problems = [
        f"index.json: release {name!r} is " + ("not listed" if name not in told else "not the one that is listed")
        for name in sorted({*told, *have})
        if told.get(name) != have.get(name)
    ]
    pointer = root / "current"
    if pointer.exists() and pointer.read_text().strip() not in release.names(root):
        problems.append(f"current points at {pointer.read_text().strip()!r}, which is not on disk")
    return problems


def verify_sources(project: Path, shown: Release) -> list[str]:
    """Every key resolves, no number is typed in a results section, every interactive figure has its static twin."""
    problems = []
    numbers = Numbers(shown)
    for key, file, line in uses(sources(project)):
        try:
            numbers[key]
        except KeyUnknown as error:
            problems.append(f"{file.relative_to(project)}:{line}: {error}")
    for file in results_sections(project):
        for line, text in typed_numbers(file):
            problems.append(f"{file.relative_to(project)}:{line}: {text!r} is typed by hand; use {{{{< var … >}}}}")
    return problems + twins(project)


def twins(project: Path) -> list[str]:
    """Static figures that pages name but nothing draws, that are drawn from no named query, or that no page shows."""
    known = {s.name for s in STATICS}
    shown = {name: file for file in sources(project) for name in _STATIC.findall(file.read_text(encoding="utf-8"))}
    problems = [
        f"{file.relative_to(project)}: static figure {name!r} is drawn by nothing in analysis.figures"
        for name, file in sorted(shown.items())
        if name not in known
    ]
    problems += [f"figure {s.name}: no query {s.query!r}" for s in STATICS if s.query not in queries()]
    for page in sorted((project / "paper" / "results").glob("*.qmd")):
        text = page.read_text(encoding="utf-8")
        if any(f"kdgat.{chart}(" in text for chart in TWINS) and not _STATIC.search(text):
            problems.append(f"{page.relative_to(project)}: its figure has no static twin")
    return problems


def report(title: str, problems: Iterable[str], say: Callable[[str], None] = print) -> int:
    """Print a heading's problems; returns how many."""
    found = list(problems)
    say(f"{title}: {'ok' if not found else f'{len(found)} problems'}")
    for problem in found:
        say(f"  {problem}")
    return len(found)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m analysis.verify", description=__doc__.splitlines()[0])
    parser.add_argument("releases", nargs="*", help="names of releases (default: all on disk)")
    parser.add_argument(
        "--intervals", action="store_true", help="also draw the intervals again (extra `train`; minutes)"
    )
    args = parser.parse_args(argv)
    root = frozen_root()
    found = 0
    chosen = args.releases or release.names(root)
    for name, problems in zip(chosen, verify_releases([root / name for name in chosen]), strict=True):
        found += report(f"release {name}", problems)
        if args.intervals:
            found += report(f"intervals of {name}", intervals.contradictions(Release(root / name)))
    if not args.releases:
        found += report("index", verify_index(root))
        found += report("sources", verify_sources(REPO, Release.open()))
        if (site := REPO / "_site").is_dir():
            found += report("rendered output", Site(site, REPO).problems())
    return 1 if found else 0


if __name__ == "__main__":
    cli(lambda: main(sys.argv[1:]))
