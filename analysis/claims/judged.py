"""Claims of the sources on the numbers of a release."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis.claims.evaluate import Estimate, Verdict, exact, judge
from analysis.claims.grammar import ClaimError, parse
from analysis.claims.prose import Stated, plain, stated
from analysis.numbers import Numbers
from analysis.numbers.number import Number
from analysis.reference.sources import sources
from kdgat.errors import KdgatError


class OfRelease:
    """`analysis.claims.evaluate.Values` of a release."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers

    def number(self, key: str) -> Estimate | None:
        """The number of a key; None where the release lacks it or leaves it undefined."""
        return _estimate(self.numbers[key]) if key in self.numbers else None

    def paired(self, a: str, b: str) -> Estimate | None:
        """The paired difference that the release holds, or that follows from its predictions."""
        key = self.numbers.paired(a, b)
        return None if key is None else _estimate(self.numbers[key])

    def every(self, last: str = "") -> Sequence[str]:
        """All keys, or those whose last part is `last`."""
        return self._every.get(last, [])

    @cached_property
    def _every(self) -> dict[str, list[str]]:
        """Keys by their last part, and all of them."""
        keys: dict[str, list[str]] = {"": self.numbers.keys()}
        for key in keys[""]:
            keys.setdefault(key.rpartition(".")[2], []).append(key)
        return keys


def _estimate(number: Number) -> Estimate | None:
    value: Any = number.value
    if isinstance(value, str) and number.key.startswith("config."):
        value = json.loads(value)  # as the configuration writes it
    if value is None or isinstance(value, list):
        return None
    if isinstance(value, str):
        return exact(value)
    if number.low is None or number.high is None:
        return exact(float(value))
    return Estimate(float(value), number.low, number.high, number.p)


@dataclass(frozen=True)
class Judged:
    """A claim, and what the release makes of it."""

    claim: Stated
    verdict: Verdict

    def trace(self, project: Path) -> dict[str, Any]:
        """Return its entry in `trace.json`."""
        margin = self.verdict.margin
        return {
            "file": self.claim.file.relative_to(project).as_posix(),
            "line": self.claim.line,
            "text": self.claim.text,
            "holds": self.claim.assertion,
            "keys": parse(self.claim.assertion).keys,
            "state": self.verdict.state,
            "margin": None if math.isnan(margin) else margin,
            "why": self.verdict.why,
        }


def judged(numbers: Numbers, claims: Iterable[Stated], project: Path) -> list[Judged]:
    """Judge claims on a release, each assertion once.

    Raises:
        ClaimError: an assertion cannot be read; with its file and line.
    """
    values = OfRelease(numbers)
    verdicts: dict[str, Verdict] = {}
    out = []
    for claim in claims:
        try:
            if claim.assertion not in verdicts:
                verdicts[claim.assertion] = judge(parse(claim.assertion), values)
        except ClaimError as error:
            raise ClaimError(f"{claim.file.relative_to(project)}:{claim.line}: {error}") from None
        out.append(Judged(claim, verdicts[claim.assertion]))
    return out


def of_project(numbers: Numbers, project: Path) -> list[Judged]:
    """Judge every claim of a project's sources."""
    return judged(numbers, stated(sources(project)), project)


def in_words(text: str, numbers: Numbers) -> str:
    """A claim's text as a reader sees it, with the release's numbers; with the key of one that an older release lacks."""
    return plain(text, lambda key: numbers[key].text if key in numbers else key)


def refuse(claims: Iterable[Judged], numbers: Numbers, project: Path) -> None:
    """Raise `KdgatError` for the first claim that does not hold: file, line, sentence, numbers."""
    wrong = [j for j in claims if j.verdict.state != "true"]
    if wrong:
        claim, verdict = wrong[0].claim, wrong[0].verdict
        place = f"{claim.file.relative_to(project)}:{claim.line}"
        more = f" (and {len(wrong) - 1} more claims)" if len(wrong) > 1 else ""
        raise KdgatError(
            f"{place}: {plain(claim.text)!r} is not borne out by {numbers.release.name}: {verdict.why}{more}"
            + elsewhere(numbers.release.name)
        )


def elsewhere(release: str) -> str:
    """Say what renders a release for which the sources are not written: they have to bear out the current one alone."""
    return f"; if the sources are written for another release, name that one in data/frozen/current and set KDGAT_RELEASE={release}"
