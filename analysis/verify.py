"""`kdgat verify`: everything a release and the documents made from it promise, checked anew.

Without arguments: every release on disk, the sources against the current release, and the rendered output, if any, which
is compared with a second rendering.
Each problem is one line; any problem makes the exit code 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.checks import anchor, bootstrap, extension, second
from analysis.checks.pages import Site
from analysis.checks.verification import report, trusted, verify_index, verify_releases, verify_sources
from analysis.releases import release
from analysis.releases.release import Release, frozen_root
from kdgat.front_door import start
from kdgat.paths import REPO


@dataclass(frozen=True)
class Demands:
    """What is asked for beyond what every release must hold.

    Attributes:
        intervals: draw all intervals again, which needs the extra `train` and minutes.
        anchored: a release without a place in git's history is a problem.
        signers: every release is signed by one of the keys in this file.
    """

    intervals: bool = False
    anchored: bool = False
    signers: Path | None = None


def run(names: Sequence[str] = (), demands: Demands | None = None, *, as_json: bool = False) -> int:
    """Print the problems of releases and, without `names`, of index, sources and output; return 1 if there are any.

    Args:
        names: of releases; none: all on disk.
        demands: what else is asked for.
        as_json: print one object, what was checked → its problems.
    """
    problems: dict[str, list[str]] = {}
    for title, note, lines in _checks(names, demands or Demands()):
        problems[title] = list(lines)
        if not as_json:
            report(title, problems[title], note=note)
    if as_json:
        print(json.dumps(problems, indent=1, ensure_ascii=False))
    return 1 if any(problems.values()) else 0


def _checks(names: Sequence[str], demands: Demands) -> Iterator[tuple[str, str, Iterable[str]]]:
    """(what is checked, a note on it, its problems), one after the other."""
    root = frozen_root()
    for name in names:
        if not (root / name).is_dir():  # nothing to check: a name that was mistyped
            Release(root / name)
    selection = names or release.names(root)
    history = anchor.History()
    for name, problems in zip(selection, verify_releases([root / name for name in selection]), strict=True):
        note = ""
        if not problems:  # else its own hashes do not hold, and there is nothing to anchor
            opened = Release(root / name)
            undrawn = "" if bootstrap.can_draw(opened) else ", intervals not drawn again (extra `train`)"
            note, problems = trusted(opened, history=history, must=demands.anchored, signers=demands.signers)
            note += undrawn
            if missing := extension.absent(opened):
                note += f", rows of {missing} not compared: it is not here"
        yield f"release {name}", note, problems
        if demands.intervals and not problems:
            yield f"intervals of {name}", "", bootstrap.mismatches(Release(root / name))
    if not names:
        yield "index", "", verify_index(root)
        yield "sources", "", verify_sources(REPO, Release.open())
        if (folder := REPO / "_site").is_dir():
            site, note = Site(folder, REPO), ""
            if not (problems := site.problems()):  # else there is no need to take a minute for more
                problems, note = second.problems(folder, REPO, site.release)
            yield "rendered output", note, problems


if __name__ == "__main__":
    start("verify")
