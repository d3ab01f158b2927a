"""The language of claims: finite, without recursion, and parsed into the classes below; nothing of it is Python.

    claim     = clause { "and" clause }
    clause    = chain | ("all" | "any") each | "count" each relation integer
    each      = "(" value { value } ":" chain { "and" chain } ")"
    chain     = side relation side { relation side }
    side      = "width" "(" term [ "-" term ] ")"  |  ("min" | "max") "(" pattern ")"  |  term [ ("-" | "/") term ]
    term      = key | [ "-" ] number | "'" text "'"
    relation  = "<" | "<=" | "=" | ">=" | ">" | "~"

A key is one of `analysis.numbers`. In an `each`, `@` stands for one part of a key, and the values before the colon, which
may hold `*`, say what it runs over. A pattern is a key that may hold `*`. `analysis.claims.evaluate` says what each means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kdgat.errors import KdgatError

MAX_LENGTH = 2000
_TOKEN = re.compile(
    r"\s+|(?P<key>[a-z][a-z0-9_]*(?:\.[a-z0-9_@*]+)+)|(?P<number>\d+(?:\.\d+)?)|'(?P<text>[^']*)'"
    r"|(?P<relation><=|>=|<|>|=|~)|(?P<mark>[():/-])|(?P<word>[a-z0-9_*]+)"
)
_FUNCTIONS = ("width", "min", "max")
_QUANTIFIERS = ("all", "any", "count")


class ClaimError(KdgatError):
    """An assertion that the grammar does not know, with the place in it."""


@dataclass(frozen=True)
class Key:
    """The number of a key; `@` in it is replaced by what a quantifier runs over."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Literal:
    """A number or a text that the claim itself gives."""

    value: float | str

    def __str__(self) -> str:
        return f"{self.value:g}" if isinstance(self.value, float) else f"'{self.value}'"


Term = Key | Literal


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        how: `value`, `width` (of the interval), `min` or `max` (over the keys of a pattern).
        first: the only term, or the left one.
        operator: `-`, `/`, or empty for a single term.
        second: the right term.
    """

    how: str
    first: Term
    operator: str = ""
    second: Term | None = None

    @property
    def terms(self) -> tuple[Term, ...]:
        """Its terms."""
        return (self.first,) if self.second is None else (self.first, self.second)

    def __str__(self) -> str:
        inner = f" {self.operator} ".join(map(str, self.terms))
        return inner if self.how == "value" else f"{self.how}({inner})"


@dataclass(frozen=True)
class Chain:
    """Sides with the relations between neighbours: `a > b`, `a > b > c`."""

    sides: tuple[Side, ...]
    relations: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.sides[0]) + "".join(
            f" {r} {side}" for r, side in zip(self.relations, self.sides[1:], strict=True)
        )


@dataclass(frozen=True)
class Each:
    """Chains over every value of `@`: of all of them, of any, or of a number of them that a relation limits."""

    quantifier: str
    values: tuple[str, ...]
    chains: tuple[Chain, ...]
    relation: str = ""
    number: int = 0

    def __str__(self) -> str:
        inner = f"{self.quantifier}({' '.join(self.values)}: {' and '.join(map(str, self.chains))})"
        return f"{inner} {self.relation} {self.number}" if self.relation else inner


Clause = Chain | Each


@dataclass(frozen=True)
class Claim:
    """What a sentence asserts: all of its clauses."""

    clauses: tuple[Clause, ...]

    def __str__(self) -> str:
        return " and ".join(map(str, self.clauses))

    @property
    def keys(self) -> list[str]:
        """Keys and patterns as they are written, each once, in order."""
        return list(dict.fromkeys(term.name for term in self._terms if isinstance(term, Key)))

    @property
    def numbers(self) -> set[str]:
        """Numbers that it gives itself, as they are written: bounds that its sentence may name."""
        return {str(term) for term in self._terms if isinstance(term, Literal)}

    @property
    def _terms(self) -> list[Term]:
        chains = [c for clause in self.clauses for c in (clause.chains if isinstance(clause, Each) else (clause,))]
        return [term for chain in chains for side in chain.sides for term in side.terms]


class _Parser:
    """Recursive descent over a list of (kind, text, place)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.at = 0

    def claim(self) -> Claim:
        clauses = [self._clause()]
        while self._word("and"):
            clauses.append(self._clause())
        if self.at < len(self.tokens):
            raise self._error("`and` or the end")
        return Claim(tuple(clauses))

    def _clause(self) -> Clause:
        quantifier = next((name for name in _QUANTIFIERS if self._word(name)), None)
        if quantifier is None:
            return self._chain(bound=False)
        self._mark("(")
        values = []
        while not self._is("mark", ":"):
            values.append(self._take("word", "a value that `@` runs over"))
        if not values:
            raise self._error("a value that `@` runs over")
        self._mark(":")
        chains = [self._chain(bound=True)]
        while self._word("and"):
            chains.append(self._chain(bound=True))
        self._mark(")")
        if quantifier != "count":
            return Each(quantifier, tuple(values), tuple(chains))
        relation = self._take("relation", "a relation")
        number = self._take("number", "a whole number")
        if relation == "~" or not number.isdecimal():
            raise ClaimError(f"{self.text!r}: a count is compared with a whole number")
        return Each(quantifier, tuple(values), tuple(chains), relation, int(number))

    def _chain(self, *, bound: bool) -> Chain:
        begin = self.at
        sides = [self._side()]
        relations: list[str] = []
        while not relations or self._is("relation"):
            relations.append(self._take("relation", "a relation"))
            sides.append(self._side())
        chain = Chain(tuple(sides), tuple(relations))
        has_mark = any("@" in token[1] for token in self.tokens[begin : self.at] if token[0] == "key")
        if has_mark != bound:
            raise ClaimError(
                f"{self.text!r}: {f'no key of {str(chain)!r} holds `@`' if bound else '`@` stands outside of all, any and count'}"
            )
        return chain

    def _side(self) -> Side:
        how = next((name for name in _FUNCTIONS if self._word(name)), "value")
        if how == "value":
            first = self._term()
            operator = self._any_mark("-/")
            return Side(how, first, operator, self._term()) if operator else Side(how, first)
        self._mark("(")
        first = self._term(pattern=how != "width")
        operator = self._any_mark("-") if how == "width" else ""
        second = self._term() if operator else None
        self._mark(")")
        if not isinstance(first, Key):
            raise ClaimError(f"{self.text!r}: {how} is of a key")
        return Side(how, first, operator, second)

    def _term(self, *, pattern: bool = False) -> Term:
        if self._is("key"):
            name = self._take("key", "a key")
            if "*" in name and not pattern:
                raise ClaimError(f"{self.text!r}: {name} holds `*`, which only min, max and values of `@` may")
            return Key(name)
        if self._is("text"):
            return Literal(self._take("text", "a text"))
        sign = -1.0 if self._any_mark("-") else 1.0
        return Literal(sign * float(self._take("number", "a key, a number or a text")))

    def _is(self, kind: str, text: str | None = None) -> bool:
        return (
            self.at < len(self.tokens) and self.tokens[self.at][0] == kind and text in (None, self.tokens[self.at][1])
        )

    def _word(self, text: str) -> bool:
        match = self._is("word", text)
        self.at += match
        return match

    def _any_mark(self, marks: str) -> str:
        hit = next((mark for mark in marks if self._is("mark", mark)), "")
        self.at += bool(hit)
        return hit

    def _mark(self, text: str) -> None:
        if not self._any_mark(text):
            raise self._error(f"`{text}`")

    def _take(self, kind: str, name: str) -> str:
        if not self._is(kind):
            raise self._error(name)
        self.at += 1
        return self.tokens[self.at - 1][1]

    def _error(self, name: str) -> ClaimError:
        if self.at >= len(self.tokens):
            return ClaimError(f"{self.text!r}: {name} is missing at its end")
        _, text, place = self.tokens[self.at]
        return ClaimError(f"{self.text!r}: {name} is expected at character {place + 1}, not {text!r}")


def _tokens(text: str) -> list[tuple[str, str, int]]:
    if len(text) > MAX_LENGTH:
        raise ClaimError(f"a claim of {len(text)} characters; {MAX_LENGTH} are allowed")
    out, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ClaimError(f"{text!r}: {text[at]!r} at character {at + 1} means nothing in a claim")
        if match.lastgroup:
            out.append((match.lastgroup, match[match.lastgroup], at))
        at = match.end()
    return out


def parse(text: str) -> Claim:
    """Read an assertion; raises `ClaimError` with the place of what the grammar does not know."""
    return _Parser(text).claim()
