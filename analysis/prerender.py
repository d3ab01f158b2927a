"""Before every render: `_variables.yml`, `trace.json` and the static figures, from one release.

Only the keys that the sources use are written, so a key that the release does not have stops the render, with its
file and line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from analysis.claims.sentences import Sentences
from analysis.figures import diagrams, statics
from analysis.numbers import KeyUnknown, Numbers, trace
from analysis.reference.sources import source_hashes, sources, uses
from analysis.releases.release import Release
from analysis.tables import ablations, results
from kdgat import atomic
from kdgat.errors import KdgatError, cli
from kdgat.paths import REPO

_SPAN = re.compile(r'data-key="([^"]+)"')
STATIC = Path("paper/figures/static")
DIAGRAMS = Path("paper/figures/diagrams")


def variables(numbers: Numbers, used: Iterable[tuple[str, Path, int]], project: Path) -> dict[str, Any]:
    """Nested dictionary of the keys in use; an unknown one is a `KdgatError` with file, line and nearest keys."""
    tree: dict[str, Any] = {}
    problems = []
    for key, file, line in used:
        try:
            value = numbers.markdown(key)
        except KeyUnknown as error:
            problems.append(f"{file.relative_to(project)}:{line}: {error}")
            continue
        *parents, leaf = key.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[leaf] = value
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise KdgatError(problems[0] + more)
    return tree


def run(release: Release, project: Path) -> dict[str, int]:
    """Write all generated files below `project`; returns how many of each."""
    import yaml

    numbers = Sentences(release)
    used = list(uses(sources(project)))
    tree = variables(numbers, used, project)
    keys = {key for key, _, _ in used} | set(numbers.facts())
    keys |= {k for key, _, _ in used for k in _SPAN.findall(numbers.markdown(key))}
    shown = [*results.all_tables(release).values(), ablations.table(release)]
    keys |= {k for text in shown for k in _SPAN.findall(text)}
    made = statics.write_static(release, project / STATIC) + diagrams.write(project / DIAGRAMS)
    text = yaml.safe_dump(tree, sort_keys=True, allow_unicode=True, width=10**6)
    atomic.write_text(project / "_variables.yml", f"# made by analysis.prerender from release {release.name}\n{text}")
    document = trace.document(numbers, sorted(keys)) | {"sources": source_hashes(project)}
    atomic.write_text(
        project / "trace.json", json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    )
    return {"variables": len({k for k, _, _ in used}), "traces": len(keys), "figures": len(made)}


def main() -> int:
    """Run as a step of a rendering; the exit code."""
    release = Release.open()
    done = run(release, REPO)
    print(f"release {release.name}: " + ", ".join(f"{n} {what}" for what, n in done.items()))
    return 0


if __name__ == "__main__":
    cli(main)
