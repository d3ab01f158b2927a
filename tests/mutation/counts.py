"""Three counts over changes of a release: hashes left alone, all hashes written anew, signed again by the owner.

The first two must be 0. Of the third, a change is unseen where nothing else in the release determines what was changed;
`undetermined.txt` lists these columns, and may only become shorter.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from analysis.checks import anchor, signature
from analysis.checks.verification import verify_index, verify_release
from analysis.releases.release import Release
from kdgat.errors import KdgatError
from tests import shared
from tests.mutation import mutations
from tests.mutation.project import make_key, repository, trust

#: `<table>.<column>`, `<table>: row`, `manifest.<field>` or the kind of a file, one per line
UNDETERMINED = frozenset((Path(__file__).parent / "undetermined.txt").read_text().splitlines())
#: how often each kind is drawn
_KINDS = (mutations.of_rows, mutations.of_rows, mutations.of_rows, mutations.of_weights, mutations.of_manifest)


@dataclass
class Counts:
    """Of each kind: what was tried, and what was unseen.

    Attributes:
        tried, unseen: kind → what was changed → how often.
    """

    tried: dict[str, Counter[str]] = field(default_factory=dict)
    unseen: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, kind: str, what: str, seen: bool) -> None:
        """Count a change."""
        self.tried.setdefault(kind, Counter())[what] += 1
        self.unseen.setdefault(kind, Counter())[what] += not seen

    @property
    def problems(self) -> list[str]:
        """What must be seen and was not."""
        return [
            f"{kind}: {what} ({n} of {self.tried[kind][what]} unseen)"
            for kind, counted in self.unseen.items()
            for what, n in counted.items()
            if n and (kind != "signed again" or what not in UNDETERMINED)
        ]

    def __str__(self) -> str:
        lines = [f"{kind}: {self.unseen[kind].total()} of {self.tried[kind].total()} unseen" for kind in self.tried]
        names = {what for what, n in self.unseen.get("signed again", Counter()).items() if n}
        lines.append(f"nothing determines: {', '.join(sorted(names)) or 'nothing that was drawn'}")
        return "\n".join(lines + [f"UNSEEN {problem}" for problem in self.problems])


def count(folder: Path, seed: int, cases: int) -> Counts:
    """Try `cases` changes, a third of each kind, below an empty folder."""
    tally = Counts()
    project, key = folder / "project", make_key(folder / "key")
    if shared.VARIABLE in os.environ:
        shutil.copytree(shared.once("mutation-project", lambda path: repository(path)), project)
    else:
        repository(project)
    signers, history = trust(key, folder / "signers"), anchor.History(project)
    release = Release(project / "data/frozen/shared")
    signature.sign(release, key)
    for case in range(cases):
        rng = np.random.default_rng([seed, case])
        root = folder / "case"
        shutil.copytree(project / "data", root)
        copy = root / "frozen" / "shared"
        if case % 3 == 0:
            what = mutations.of_files(copy, rng)
            tally.add("hashes left alone", what, _changed(copy))
        else:
            what = _KINDS[int(rng.integers(len(_KINDS)))](copy, rng)
            if case % 3 == 1:
                tally.add("hashes written anew", what, _forged(copy, release.path, history, signers))
            else:
                tally.add("signed again", what, bool(verify_release(copy)))
        shutil.rmtree(root)

    return tally


def _changed(copy: Path) -> bool:
    """Whether hashes and index alone tell that a release was changed."""
    try:
        Release(copy).check_hashes()
    except KdgatError:
        return True
    return bool(verify_index(copy.parent))


def _forged(copy: Path, place: Path, history: anchor.History, signers: Path) -> bool:
    """Whether both history and signature tell that the copy, put in the release's place, is a forgery."""
    aside = place.with_name(".kept")
    place.rename(aside)
    try:
        shutil.copytree(copy, place)
        forged = Release(place)
        return bool(anchor.anchor(forged, history).problems and signature.check(forged, signers).problems)
    except KdgatError:
        return True
    finally:
        shutil.rmtree(place)
        aside.rename(place)
