"""Everything a release and the documents made from it promise, checked anew; each problem is one line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa

from analysis.checks import anchor, bootstrap, cross_sums, extension, signature, weights
from analysis.claims import judged
from analysis.claims.grammar import parse
from analysis.claims.prose import stated
from analysis.figures.statics import STATICS
from analysis.numbers import KeyUnknown, Numbers
from analysis.reference.queries import queries
from analysis.reference.sources import results_sections, sources, typed_numbers, uses
from analysis.releases import manifest, release
from analysis.releases.index import index
from analysis.releases.plausible import FIELDS, strict_json
from analysis.releases.release import Release
from kdgat import records
from kdgat.errors import KdgatError
from kdgat.paths import REPO

_STATIC = re.compile(r"figures/static/([\w-]+)\.svg")
#: what a page writes as `{{< var … >}}` for the words of `standing`: git and signatures say it, no table does
STANDING = "release.standing"


#: interactive figures that draw what a static one draws too
TWINS = (
    *("leaderboard", "curves", "windowGraph", "scoreHistogram", "unseen", "alphaByAttack"),
    *("similarity", "sizeAgainstScore", "embedding"),
)


def verify_release(path: Path) -> list[str]:
    """Problems of one release: hashes, schemas, manifest against rows, cross-sums, weights against parameters."""
    try:
        opened = Release(path)
        opened.check_hashes()
        tables = opened.contents()
    except KdgatError as error:
        return [str(error)]
    try:
        problems = _mismatches(opened, tables)
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
        MemoryError,
        pa.ArrowException,
    ) as error:
        # rows of the right types that no run writes: which one, only the error says
        problems = [f"cannot be checked: {type(error).__name__}: {error}"]
    return [f"{opened.name}: {problem}" for problem in problems]


def _mismatches(opened: Release, tables: dict[str, pa.Table]) -> list[str]:
    """List what a release of valid tables says twice and differently."""
    problems = []
    for name in tables:
        entry = opened.manifest["tables"][name]
        if records.content_hash(opened.held(name)) != entry.get("content_hash"):
            problems.append(f"{name}: content differs from the manifest's content_hash")
    if not {"runs", "summary"} <= tables.keys():
        return ["no `runs` or no `summary` table"]
    content = opened.manifest
    reason = content.get("mixed_commits_reason")
    if (reason is not None) != (len(content["code"]["commits"]) > 1) or not isinstance(reason, str | None):
        problems.append("manifest: 'mixed_commits_reason' is there for one commit, or missing for several")
    for field, value in manifest.describe(tables).items():
        if field not in content and field not in FIELDS[content["format"]]:
            continue  # newer than the release
        # what git and the writer say belongs to the machine of the freeze, not to the rows
        have = content[field]
        if field == "code":
            value, have = ({k: v for k, v in part.items() if k != "trees"} for part in (value, have))
        if field != "writer" and have != value:
            problems.append(f"manifest: {field!r} does not follow from the runs")
    return (
        problems
        + cross_sums.cross_sums(tables)
        + weights.weights(opened)
        + anchor.captures(opened)
        + extension.extension(opened, tables)
    )


def verify_drawn(path: Path, keys: Iterable[str]) -> list[str]:
    """`verify_release`, and of a sound release the intervals that pages name by `keys` or its hash draws."""
    if problems := verify_release(path):
        return problems
    opened = Release(path)
    if not bootstrap.can_draw(opened):
        return []
    return [f"{opened.name}: {p}" for p in bootstrap.mismatches(opened, bootstrap.units(opened, keys))]


def verify_releases(paths: Sequence[Path]) -> Iterator[list[str]]:
    """`verify_drawn` of each, in the order given; several at once where there are processors for it."""
    keys = sorted({key for key, _, _ in uses(sources(REPO))})
    of_pages = [keys if path.name == _shown(path.parent) else [] for path in paths]
    jobs = min(len(paths), os.cpu_count() or 1)
    if jobs < 2:
        yield from map(verify_drawn, paths, of_pages)
        return
    # spawned: Arrow's threads do not outlive a fork
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield from pool.map(verify_drawn, paths, of_pages)


def _shown(root: Path) -> str | None:
    """Name of the release that is shown, if one is: others can be verified without it."""
    try:
        return release.current_name(root)
    except KdgatError:
        return None


def verify_index(root: Path) -> list[str]:
    """Problems of the index and the pointer."""
    file = root / "index.json"
    try:
        entries = strict_json(file.read_bytes()) if file.exists() else {}
        have = index(root)
    except (ValueError, RecursionError, OSError, KdgatError) as error:
        return [f"index.json: {error}"]
    if not isinstance(entries, dict):
        return ["index.json: it is no object"]
    problems = [
        f"index.json: release {name!r} is " + ("not listed" if name not in entries else "not the one that is listed")
        for name in sorted({*entries, *have})
        if entries.get(name) != have.get(name)
    ]
    try:
        current = release.pointed(root)
    except KdgatError as error:
        return [*problems, str(error)]
    if current is not None and current not in release.names(root):
        problems.append(f"current points at {current[:80]!r}, which is not on disk")
    return problems


def verify_sources(project: Path, opened: Release) -> list[str]:
    """Find keys that do not resolve, claims that the current release does not bear out, typed results, figures without their static twin."""
    problems = []
    numbers = Numbers(opened)
    for key, file, line in uses(sources(project)):
        if key == STANDING:
            continue
        try:
            numbers[key]
        except KeyUnknown as error:
            problems.append(f"{file.relative_to(project)}:{line}: {error}")
    try:
        claims = judged.of_project(numbers, project)
        if opened.current:
            judged.refuse(claims, numbers, project)
    except KdgatError as error:
        problems.append(str(error))
    for file in results_sections(project):
        for line, text in typed_numbers(file):
            if not asserted(file, line, text):
                problems.append(f"{file.relative_to(project)}:{line}: {text!r} is typed by hand; use {{{{< var … >}}}}")
    return problems + twins(project)


def asserted(file: Path, line: int, number: str) -> bool:
    """Say whether a number that is typed in a line is a bound that the claim around it asserts."""
    source = file.read_text(encoding="utf-8")
    return any(
        claim.line <= line <= claim.line + source.count("\n", claim.begin, claim.end)
        and number in parse(claim.assertion).numbers
        and number in claim.text
        for claim in stated([file])
    )


def twins(project: Path) -> list[str]:
    """Static figures that pages name but nothing draws, or that are drawn from no named query; charts without a twin."""
    names = {s.name for s in STATICS}
    figures = {name: file for file in sources(project) for name in _STATIC.findall(file.read_text(encoding="utf-8"))}
    problems = [
        f"{file.relative_to(project)}: static figure {name!r} is drawn by nothing in analysis.figures"
        for name, file in sorted(figures.items())
        if name not in names
    ]
    problems += [f"figure {s.name}: no query {s.query!r}" for s in STATICS if s.query not in queries()]
    for page in sorted((project / "paper" / "results").glob("*.qmd")):
        text = page.read_text(encoding="utf-8")
        if any(f"kdgat.{chart}(" in text for chart in TWINS) and not _STATIC.search(text):
            problems.append(f"{page.relative_to(project)}: its figure has no static twin")
    return problems


def trusted(
    opened: Release, *, history: anchor.History, must: bool = False, signers: Path | None = None
) -> tuple[str, list[str]]:
    """Say what stands behind a release besides its own hashes, which hold, and what contradicts it.

    Args:
        opened: the release.
        history: of the project.
        must: a release that is not anchored is a problem.
        signers: public keys that are trusted (None: the owners').
    """
    anchored, signed = anchor.anchor(opened, history), signature.check(opened, signers)
    problems = [*anchored.problems, *signed.problems]
    if must and not anchored.commit:
        problems.append(str(anchored))
    return f"{anchored}, {signed.note}", [f"{opened.name}: {problem}" for problem in problems]


def standing(opened: Release, history: anchor.History | None = None) -> str:
    """Say in a page's words what stands behind a release: `anchored in git at 0123456789ab, not signed`."""
    if opened.name.startswith(release.LOCAL):
        return "local: neither in git nor signed"
    anchored = anchor.anchor(opened, history or anchor.History())
    place = str(anchored) if anchored.commit and not anchored.problems else "not anchored in git"
    return f"{place}, {signature.check(opened).note}"


def report(title: str, problems: Iterable[str], say: Callable[[str], None] = print, note: str = "") -> int:
    """Print a heading's problems, or the note on what has none; returns how many."""
    lines = list(problems)
    say(f"{title}: {f'{len(lines)} problems' if lines else 'ok'}{f' ({note})' if note and not lines else ''}")
    for problem in lines:
        say(f"  {problem}")
    return len(lines)
