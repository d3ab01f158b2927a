"""Whether a release bears a claim out, by how much, and what would turn it.

`a > b` means more than a difference of two means: the 95 % interval of the difference lies over zero. Where both sides are
one metric of two detectors (or protocols) on the same windows, that interval is the paired one, corrected for many
comparisons where the release has corrected it; elsewhere it is what is left of the two intervals, so that they must
not overlap. What has no interval (a count, a size, a setting) is compared as it is. `a - b > x` says it of the difference, `a / b > x`
of the quotient. `a = b` compares values, not intervals. `a ~ b` says that the two are alike: the interval of
their difference holds zero and is at most `ALIKE` wide to either side.
"""

from __future__ import annotations

import fnmatch
import itertools
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from analysis.claims.grammar import Chain, Claim, Clause, Each, Key, Side, Term
from analysis.numbers.effects import LEVEL

#: half-width of a difference's interval up to which two values may be called alike
ALIKE = 0.01


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; what is exact has the value for both ends.

    Attributes:
        p: corrected p-value of a difference, where the release holds one.
    """

    value: float | str
    low: float
    high: float
    p: float | None = None

    def shift(self, by: float, widen: float = 0.0) -> Estimate:
        """Move it, and take its ends apart."""
        if isinstance(self.value, str):
            return Estimate(self.value + "?", 0.0, 0.0)
        return Estimate(self.value + by, self.low + by - widen, self.high + by + widen, self.p if not by else None)

    def __str__(self) -> str:
        if isinstance(self.value, str):
            return repr(self.value)
        exact = self.low == self.value == self.high
        return f"{self.value:.4g}" if exact else f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


def exact(value: float | str) -> Estimate:
    """An estimate without an interval."""
    return Estimate(value, *(2 * [0.0 if isinstance(value, str) else value]))


class Values(Protocol):
    """Where a claim finds its numbers."""

    def number(self, key: str) -> Estimate | None:
        """The number of a key; None where the release lacks it or leaves it undefined."""

    def paired(self, a: str, b: str) -> Estimate | None:
        """The difference of two keys' values on the same windows, or None where it was not measured."""

    def every(self, last: str = "") -> Sequence[str]:
        """All keys, or those whose last part is `last`."""


class Undefined(Exception):
    """What the release does not have or leaves undefined: a key, an interval, a quotient."""


@dataclass(frozen=True)
class Outcome:
    """What became of a comparison or a claim.

    Attributes:
        holds: whether the release bears it out.
        margin: how far it is from turning, in the unit of what is compared; negative where it does not hold.
        why: the numbers, and what would turn it.
    """

    holds: bool
    margin: float
    why: str


@dataclass(frozen=True)
class Verdict:
    """`true`, `false`, or `missing` where the release lacks a key; and the outcome, or which key."""

    state: str
    margin: float
    why: str


def judge(claim: Claim, values: Values) -> Verdict:
    """Evaluate a claim on the numbers of a release."""
    try:
        verdict = _all([_clause(clause, values) for clause in claim.clauses])
    except Undefined as error:
        return Verdict("missing", math.nan, f"not in this release: {error}")
    return Verdict("true" if verdict.holds else "false", verdict.margin, verdict.why)


def _all(outcomes: Sequence[Outcome]) -> Outcome:
    """Every one of them: the weakest decides."""
    return min(outcomes, key=lambda o: (o.holds, o.margin))


def _clause(clause: Clause, values: Values) -> Outcome:
    if isinstance(clause, Chain):
        return _chain(clause, values)
    verdicts = [
        (value, _all([_chain(chain, values, value) for chain in clause.chains])) for value in domain(clause, values)
    ]
    outcomes = [Outcome(o.holds, o.margin, f"{value}: {o.why}") for value, o in verdicts]
    if clause.quantifier == "all":
        return _all(outcomes)
    if clause.quantifier == "any":
        return max(outcomes, key=lambda o: (o.holds, o.margin))
    count = sum(o.holds for o in outcomes)
    holds = _COUNTS[clause.relation](count, clause.number)
    nearest = min(outcomes, key=lambda o: abs(o.margin))
    distance = abs(nearest.margin) if holds else -abs(nearest.margin)
    return Outcome(holds, distance, f"{count} of {len(outcomes)} hold; nearest to turning: {nearest.why}")


_COUNTS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt, "<=": operator.le, "=": operator.eq, ">=": operator.ge, ">": operator.gt,
}  # fmt: skip


def domain(clause: Each, values: Values) -> list[str]:
    """List what `@` runs over, in order: parts of keys that the release has for any key of the clause and that match a value."""
    templates = [key for key in Claim((clause,)).keys if "@" in key]
    parts = set()
    for template in templates:
        before, _, after = template.partition("@")
        pattern = re.compile(re.escape(before) + r"([a-z0-9_]+)" + re.escape(after).replace("@", r"\1"))
        keys = values.every(_last(template))
        parts |= {match[1] for key in keys if (match := pattern.fullmatch(key))}
    for value in clause.values:
        if not any(fnmatch.fnmatchcase(part, value) for part in parts):
            raise Undefined(f"{value} of {templates[0]}")
    return sorted(part for part in parts if any(fnmatch.fnmatchcase(part, value) for value in clause.values))


def _chain(chain: Chain, values: Values, at: str = "") -> Outcome:
    pairs = zip(itertools.pairwise(chain.sides), chain.relations, strict=True)
    return _all([_compare(left, relation, right, values, at) for (left, right), relation in pairs])


#: how far a difference is from turning a relation
_RELATIONS: dict[str, Callable[[float], float]] = {
    "<": lambda d: -d, "<=": lambda d: -d, ">": lambda d: d, ">=": lambda d: d, "=": lambda d: -abs(d) or 0.0,
}  # fmt: skip


def _compare(left: Side, relation: str, right: Side, values: Values, at: str) -> Outcome:
    a, b = _side(left, values, at), _side(right, values, at)
    comparison = f"{left} {relation} {right}: {a} {relation} {b}".replace("@", at)
    if isinstance(a.value, str) or isinstance(b.value, str):
        if relation != "=":
            raise Undefined(f"{left} {relation} {right}: texts are equal or not")
        same = a.value == b.value
        return Outcome(same, 0.0 if same else -1.0, comparison)
    if relation == "=":
        apart = abs(a.value - b.value)
        return Outcome(
            apart <= 1e-9 * max(abs(a.value), abs(b.value)),
            -apart or 0.0,
            f"{comparison}; any change of either turns it",
        )
    between = difference(left, right, values, at)
    if relation == "~":
        if all(side.low == side.high for side in (a, b)):
            raise Undefined(f"{left} ~ {right}: neither has an interval, so that they cannot be called alike")
        margin = min(ALIKE - (between.high - between.low) / 2, -between.low, between.high)
        return Outcome(
            margin >= 0, margin, f"{comparison}; apart {between}, turns where that leaves zero or widens over ±{ALIKE}"
        )
    end = between.low if relation in (">", ">=") else between.high
    margin = _RELATIONS[relation](end)
    resolved = between.p is None or between.p < LEVEL
    holds = resolved and (margin > 0 or (margin == 0 and relation in ("<=", ">=")))
    why = (
        f"{comparison}; apart {between}, turns where {end:.4g} passes zero"
        if resolved
        else f"{comparison}; apart {between}, corrected p {between.p:.2g}"
    )
    return Outcome(holds, margin if resolved else -abs(margin), why)


def difference(left: Side, right: Side, values: Values, at: str = "") -> Estimate:
    """Left minus right: paired where that was measured, else what their intervals leave."""
    if left.how == right.how == "value" and not left.operator and not right.operator:
        return _minus(left.first, right.first, values, at)
    return _subtract(_side(left, values, at), _side(right, values, at))


def _minus(a: Term, b: Term, values: Values, at: str) -> Estimate:
    if isinstance(a, Key) and isinstance(b, Key):
        paired = values.paired(a.name.replace("@", at), b.name.replace("@", at))
        if paired is not None:
            return paired
    return _subtract(_term(a, values, at), _term(b, values, at))


def _subtract(a: Estimate, b: Estimate) -> Estimate:
    if isinstance(a.value, str) or isinstance(b.value, str):
        raise Undefined(f"{a} and {b}: a text cannot be subtracted")
    return Estimate(a.value - b.value, a.low - b.high, a.high - b.low, a.p if b.low == b.high == 0 else None)


def _side(side: Side, values: Values, at: str) -> Estimate:
    if side.how in ("min", "max"):
        return _extreme(side, values, at)
    if side.second is None:
        estimate = _term(side.first, values, at)
    elif side.operator == "-":
        estimate = _minus(side.first, side.second, values, at)
    else:
        a, b = _term(side.first, values, at), _term(side.second, values, at)
        if isinstance(a.value, str) or isinstance(b.value, str) or b.low <= 0 or a.low < 0:
            raise Undefined(f"{side}: a quotient is of numbers over zero")
        estimate = Estimate(a.value / b.value, a.low / b.high, a.high / b.low)
    return exact(estimate.high - estimate.low) if side.how == "width" else estimate


def _extreme(side: Side, values: Values, at: str) -> Estimate:
    pattern = str(side.first).replace("@", at)
    keys = values.every(_last(pattern))
    estimates = [n for key in keys if matches(key, pattern) and (n := values.number(key)) is not None]
    numbers = [n for n in estimates if not isinstance(n.value, str)]
    if not numbers:
        raise Undefined(pattern)
    return (min if side.how == "min" else max)(numbers, key=lambda n: float(n.value))


def _last(pattern: str) -> str:
    """The last part of a pattern of keys, which rules out nearly all of a release's many; nothing where it has wildcards."""
    last = pattern.rpartition(".")[2]
    return "" if set("@*?[") & set(last) else last


def matches(key: str, pattern: str) -> bool:
    """Say whether a key is one of a pattern's, whose `*` stands for (a piece of) one part."""
    parts, patterns = key.split("."), pattern.split(".")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def _term(term: Term, values: Values, at: str) -> Estimate:
    if not isinstance(term, Key):
        return exact(term.value)
    name = term.name.replace("@", at)
    estimate = values.number(name)
    if estimate is None:
        raise Undefined(name)
    return estimate


def turned_by(clause: Clause, values: Values) -> str:
    """Say which change of a number turns a part of a claim that holds; empty where none does, so that it claims nothing."""
    alone = Claim((clause,))
    changes = [(key, by, 0.0, word) for key in alone.keys for by, word in ((-1e6, "lower"), (1e6, "higher"))]
    changes += [(key, 0.0, 1e6, "less certain") for key in alone.keys]
    for key, by, widen, word in changes:
        if judge(alone, Changed(values, key, by, widen)).state == "false":
            return f"{key} {word}"
    return ""


class Changed:
    """The numbers of a release with some of them moved and widened: how a release would look that breaks a claim."""

    def __init__(self, values: Values, pattern: str, by: float, widen: float = 0.0) -> None:
        self.values, self.pattern, self.by, self.widen = values, pattern.replace("@", "*"), by, widen

    def _moved(self, key: str) -> bool:
        return matches(key, self.pattern)

    def number(self, key: str) -> Estimate | None:
        """The number, changed where the pattern holds its key."""
        estimate = self.values.number(key)
        return estimate.shift(self.by, self.widen) if estimate is not None and self._moved(key) else estimate

    def paired(self, a: str, b: str) -> Estimate | None:
        """The difference, as the changes of both leave it."""
        estimate = self.values.paired(a, b)
        steps = self._moved(a) - self._moved(b)
        widen = self.widen * (self._moved(a) or self._moved(b))
        return estimate.shift(steps * self.by, widen) if estimate is not None and (steps or widen) else estimate

    def every(self, last: str = "") -> Sequence[str]:
        """All keys, or those whose last part is `last`."""
        return self.values.every(last)
