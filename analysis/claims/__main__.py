"""`kdgat claims`: each claim with its truth, its margin and what would turn it; and words that claim without one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from analysis.claims.evaluate import turned_by
from analysis.claims.grammar import parse
from analysis.claims.judged import Judged, OfRelease, in_words, of_project
from analysis.claims.words import Word, words
from analysis.numbers import Numbers
from analysis.reference.sources import sources
from analysis.releases.release import Release
from kdgat.front_door import start
from kdgat.paths import REPO


def run(release: str | None = None, *, as_json: bool = False) -> int:
    """List the claims of the sources on a release (None: the current one) and the comparing words that nothing binds.

    Returns 1 if the current release does not bear a claim out, nothing could turn one, or a comparing word is bound to nothing.
    """
    numbers = Numbers(Release.open(release))
    claims = of_project(numbers, REPO)
    values = OfRelease(numbers)
    turns = {j.claim.assertion: _turns(j, values) for j in claims}
    comparing = words((f for f in sources(REPO) if f.suffix == ".qmd"), REPO)
    if as_json:
        traces = [j.trace(REPO) | {"turned_by": turns[j.claim.assertion]} for j in claims]
        print(json.dumps(traces, indent=1, ensure_ascii=False))
    else:
        for j in sorted(claims, key=lambda j: ("false", "missing", "true").index(j.verdict.state)):
            text = in_words(j.claim.text, numbers)
            print(f"{j.verdict.state:8}{j.verdict.margin:<+10.3g}{_place(j.claim.file)}:{j.claim.line}: {text}")
            print(f"{'':18}{j.verdict.why}")
            if turns[j.claim.assertion]:
                print(f"{'':18}turned by: {'; '.join(turns[j.claim.assertion])}")
        _summary(claims, comparing, numbers.release.name)
    empty = any("" in turn for turn in turns.values())
    lost = numbers.release.current and any(j.verdict.state != "true" for j in claims)
    return 1 if empty or lost or any(not word.bound for word in comparing) else 0


def _turns(judged: Judged, values: OfRelease) -> list[str]:
    """Say for each part of a claim that holds which change would turn it."""
    clauses = parse(judged.claim.assertion).clauses if judged.verdict.state == "true" else ()
    return [turned_by(clause, values) for clause in clauses]


def _place(file: object) -> str:
    return str(file).removeprefix(f"{REPO}/")


def _summary(claims: Sequence[Judged], comparing: Sequence[Word], release: str) -> None:
    for word in (w for w in comparing if not w.bound):
        print(f"unbound  {_place(word.file)}:{word.line}: {word.text!r} in: {word.sentence}")
    states = Counter(j.verdict.state for j in claims)
    bound = Counter(w.bound for w in comparing if w.bound)
    share = 100 * bound.total() / max(len(comparing), 1)
    print(f"{len(claims)} claims on {release}: " + ", ".join(f"{n} {state}" for state, n in states.items()))
    print(
        f"{len(comparing)} comparing words, {share:.0f} % bound: "
        + ", ".join(f"{n} by {what}" for what, n in bound.items())
    )


if __name__ == "__main__":
    start("claims")
