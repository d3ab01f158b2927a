"""Claims in rendered pages and the PDF: each says what the release bears out, none is missing, none reads otherwise than its source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.claims import prose
from analysis.claims.evaluate import Values, judge
from analysis.claims.grammar import ClaimError, parse
from analysis.numbers import Numbers
from analysis.reference.sources import sources

#: what stands behind a struck claim, as `paper/claims.lua` writes it
NOTES = {"false": "not borne out by this release", "missing": "not in this release"}


@dataclass
class Shown:
    """A claim in a page.

    Attributes:
        holds: what it asserts.
        state: what the page says of it.
        text: all of its text.
        struck: whether any of that is struck.
    """

    holds: str
    state: str
    text: str = ""
    struck: bool = False


def bounds(claim: Shown) -> set[str]:
    """Numbers that a claim gives itself, and that its text may name without a key."""
    try:
        return parse(claim.holds).numbers
    except ClaimError:
        return set()


def differences(claims: Iterable[Shown], values: Values) -> list[str]:
    """Claims of a page that say otherwise than the release."""
    problems = []
    for claim in claims:
        text = " ".join(claim.text.split())[:120]
        try:
            state = judge(parse(claim.holds), values).state
        except ClaimError as error:
            problems.append(f"a claim cannot be read: {error}")
            continue
        if claim.state != state:
            problems.append(f"a claim is shown as {claim.state!r}, the release makes it {state!r}: {text}")
        elif claim.struck != (state != "true") or (state in NOTES and NOTES[state] not in claim.text):
            problems.append(f"a claim that is {state!r} does not look it: {text}")
    return problems


def lost(project: Path, claims: Sequence[Shown], numbers: Numbers, *, gave_way: bool) -> list[str]:
    """Claims of the sources that no page shows, or that read otherwise there.

    Args:
        gave_way: whether sections gave way to their tables, and their claims with them.
    """
    texts: dict[str, list[str]] = {}
    for claim in claims:
        texts.setdefault(claim.holds, []).append(prose.letters(claim.text))

    def value(key: str) -> str:
        return numbers[key].text if numbers[key].span else prose.plain(numbers[key].text)

    problems = []
    for source in prose.stated(sources(project)):
        place = f"{source.file.relative_to(project)}:{source.line}"
        if source.alt or (source.assertion not in texts and gave_way):
            continue
        if source.assertion not in texts:
            problems.append(f"{place}: no page shows the claim {source.text[:80]!r}")
        elif numbers.release.current:
            parts = prose.pieces(source.text, value)
            if not any(all(piece in text for piece in parts) for text in texts[source.assertion]):
                problems.append(f"{place}: no page has the words of the claim {source.text[:80]!r}")
    return problems


def absent(pdf_text: str, claims: Iterable[Shown]) -> list[str]:
    """Claims of a page that its PDF has not: a float or the end of a column may stand between two parts of one."""
    whole = prose.letters(pdf_text)
    problems = []
    for claim in claims:
        text = prose.letters(claim.text)
        cut = next((k for k in range(len(text), 0, -1) if text[:k] in whole), 0)
        if text[cut:] not in whole:
            problems.append(f"the PDF has not the claim: {' '.join(claim.text.split())[:120]}")
    return problems
