"""Before every render: `_variables.yml`, `claims.json`, `trace.json` and the static figures, from one release.

Only the keys that the sources use are written. The sources are written for the current release: a key that it does not have,
or a claim that it does not bear out, stops the render with file, line and numbers. From any other release the
sources are rendered all the same: a missing number says so, and `paper/claims.lua` strikes the claims.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from analysis.checks import anchor
from analysis.checks.verification import STANDING, standing, verify_release
from analysis.claims import judged
from analysis.figures import diagrams, statics
from analysis.numbers import KeyUnknown, Numbers, trace
from analysis.reference.sources import source_hashes, sources, uses
from analysis.releases.release import Release
from analysis.tables import ablations, results
from kdgat import atomic
from kdgat.errors import KdgatError, cli_without_arguments
from kdgat.paths import REPO

_SPAN = re.compile(r'data-key="([^"]+)"')
#: what stands where a release that is not current has no number
MISSING = "[not in this release]{.missing}"
STATIC = Path("paper/figures/static")
DIAGRAMS = Path("paper/figures/diagrams")
#: environment variable with the manifest's sha256 of a release that is rendered though nothing vouches for it
UNVERIFIED = "KDGAT_UNVERIFIED"


def check(release: Release, history: anchor.History) -> None:
    """Verify a release before anything of it is rendered, unless git's history holds the same files.

    Raises:
        KdgatError: it contradicts itself or the history.
    """
    release.check_hashes()
    anchored = anchor.anchor(release, history)
    problems = list(anchored.problems)
    if not anchored.commit and os.environ.get(UNVERIFIED) != release.manifest_sha256:
        problems += verify_release(release.path)
    if problems:
        raise KdgatError(f"{release.name} is not rendered: {problems[0]} ({len(problems)} problems)")


def variables(numbers: Numbers, used: Iterable[tuple[str, Path, int]], project: Path) -> dict[str, Any]:
    """Nested dictionary of the keys in use; on the current release an unknown one is a `KdgatError` with file, line and nearest keys."""
    tree: dict[str, Any] = {}
    problems: list[tuple[str, KeyUnknown]] = []
    for key, file, line in used:
        try:
            value = _plain(standing(numbers.release)) if key == STANDING else numbers.markdown(key)
        except KeyUnknown as error:
            value = MISSING
            problems.append((f"{file.relative_to(project)}:{line}", error))
        if not value.startswith("[") and (project / value).exists():
            value = f"[{value}]{{.word}}"  # Quarto makes a path of a value that names a file or folder
        *parents, leaf = key.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[leaf] = value
    if problems and numbers.release.current:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise KdgatError("{}: {}{}".format(*problems[0], more) + judged.elsewhere(numbers.release.name))
    return tree


def _plain(text: str) -> str:
    """Escape what Pandoc would take for markup."""
    return re.sub(r"([^\w\s,.:])", r"\\\1", text)


def run(release: Release, project: Path) -> dict[str, int]:
    """Write all generated files below `project`; returns how many of each."""
    import yaml

    numbers = results.numbers_of(release)
    release = numbers.release  # the one whose tables are read
    used = list(uses(sources(project)))
    tree = variables(numbers, used, project)
    claims = judged.of_project(numbers, project)
    if release.current:
        judged.refuse(claims, numbers, project)
    keys = {key for key, _, _ in used if key in numbers} | set(numbers.facts())
    tables = [*results.all_tables(release).values(), ablations.table(release)]
    keys |= {k for text in tables for k in _SPAN.findall(text)}
    drawings = statics.write_static(release, project / STATIC) + diagrams.write(project / DIAGRAMS)
    text = yaml.safe_dump(tree, sort_keys=True, allow_unicode=True, width=10**6)
    atomic.write_text(project / "_variables.yml", f"# made by analysis.prerender from release {release.name}\n{text}")
    verdicts = {j.claim.assertion: {"state": j.verdict.state, "why": j.verdict.why} for j in claims}
    atomic.write_text(project / "claims.json", json.dumps(verdicts, indent=1, sort_keys=True, ensure_ascii=False))
    document = trace.document(numbers, sorted(keys)) | {"sources": source_hashes(project)}
    document["claims"] = [j.trace(project) for j in claims]
    atomic.write_text(
        project / "trace.json", json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    )
    return {
        "variables": len({k for k, _, _ in used}),
        "claims": len(claims),
        "traces": len(keys),
        "figures": len(drawings),
    }


def main() -> int:
    """Run as a step of a rendering; the exit code."""
    release = Release.open()
    check(release, anchor.History())
    done = run(release, REPO)
    print(f"release {release.name}: " + ", ".join(f"{n} {what}" for what, n in done.items()))
    return 0


if __name__ == "__main__":
    cli_without_arguments(main)
