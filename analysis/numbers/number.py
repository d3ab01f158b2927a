"""One number: its key, its value, how it is written, and how it came about."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from analysis.reference.format import interval, signed
from kdgat.errors import KdgatError

#: a key and how its number is made, which is done when somebody asks for it
Maker: TypeAlias = "tuple[str, Callable[[], Number]]"
Makers: TypeAlias = "Iterable[Maker]"


class KeyUnknown(KdgatError):
    """A key that the release does not have, with the nearest ones that it has: looked for when it is shown, since that takes a second."""

    def __init__(self, release: str, key: str, known: Collection[str]) -> None:
        super().__init__(f"release {release} has no number {key!r}")
        self._key, self._known = key, known

    def __str__(self) -> str:
        close = difflib.get_close_matches(self._key, self._likely(), n=3, cutoff=0.5)
        return super().__str__() + (f"; nearest: {', '.join(close)}" if close else "")

    def _likely(self) -> list[str]:
        """A hundred keys with most of the parts that were meant: comparing all as texts would take half a minute."""
        parts = {part for key in self._known for part in key.split(".")}
        meant = {
            close for part in self._key.split(".") for close in difflib.get_close_matches(part, parts, n=1) or [part]
        }
        return heapq.nlargest(100, self._known, key=lambda key: len(meant.intersection(key.split("."))))


@dataclass(frozen=True)
class Number:
    """One value and how it came about.

    Attributes:
        key: its name.
        text: how it is written.
        value: the value (None: not defined, written n/a).
        low, high: 95 % interval, if it has one.
        query: SQL over the release's tables whose result it is.
        where: whose runs it rests on: the `dataset`, the `model` if it is of one, and the `other` model of a difference.
        n_seeds: seeds it is the mean of.
        p: p-value of a difference, corrected for how many the release looked at.
        span: False for texts, which render without a span.
    """

    key: str
    text: str
    value: Any
    query: str
    low: float | None = None
    high: float | None = None
    where: dict[str, Any] = field(default_factory=dict)
    n_seeds: int | None = None
    span: bool = True
    p: float | None = None

    @property
    def interval(self) -> str:
        """`0.981–0.995`, empty without an interval."""
        if self.low is None or self.high is None:
            return ""
        if "_minus_" in self.key:
            return f"{signed(self.low)} to {signed(self.high)}"
        return interval(self.key.rsplit(".", 1)[-1], self.low, self.high)
