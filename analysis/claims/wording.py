"""What sentences are made of: lists of words, signs of intervals, and short ways to the numbers of a release's first dataset."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.numbers import Number, Numbers
from analysis.reference import labels


def enumerate_words(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def among(found: Sequence[str], whole: int, every: str = "every scenario") -> str:
    """The scenarios found, by name, or `every` where they are all of `whole`, if these are several."""
    return every if len(found) == whole > 1 else enumerate_words(found)


def sign(difference: Number) -> str:
    """`ahead`, `behind` or `level`: whether the interval of a difference lies over zero, under it, or holds it."""
    if difference.low is None or difference.high is None:
        return "level"
    return "ahead" if difference.low > 0 else "behind" if difference.high < 0 else "level"


def slugged(name: str) -> str:
    """A model or protocol as a segment of a key."""
    return name.replace("-", "_")


def under(a: Number, b: Number) -> bool:
    """Whether the interval of `a` lies under that of `b`."""
    return a.high is not None and b.low is not None and a.high < b.low


class Main:
    """Short ways to the numbers of a release's first dataset."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers
        rows = numbers.release.table("summary").to_pylist()
        mine = [r for r in rows if r["dataset"] == numbers.main_dataset and r["attack"] == "all"]
        self.scenarios = sorted({r["scenario"] for r in mine if "test" in r["scenario"]})

    def key(self, scenario: str, model: str, protocol: str = "zero-shot", metric: str = "f1") -> str:
        """Key of one metric of one model on the release's first dataset."""
        return f"main.{scenario}.{slugged(model)}.{slugged(protocol)}.{metric}"

    def known(self, key: str) -> bool:
        """Whether the release defines the number."""
        return key in self.numbers and self.numbers[key].value is not None

    def shown(self, key: str) -> str:
        """The number with its interval."""
        return self.numbers.with_interval(key)

    def by_sign(self, pair: str, middle: str) -> dict[str, dict[str, str]]:
        """Sign of the difference in F1 → scenario in words → key; only what is known.

        `pair` and `middle` are the segments of the difference's key between scenario and metric.
        """
        found: dict[str, dict[str, str]] = {}
        for scenario in self.scenarios:
            key = f"main.{scenario}.{pair}.{middle}.f1"
            if self.known(key):
                found.setdefault(sign(self.numbers[key]), {})[labels.scenario(scenario)] = key
        return found

    def differences(self, pair: str, middle: str) -> str:
        """`is ahead in test 01 (by +0.1 (…)), is behind in …, and cannot be told from it in test 04`; empty if unknown.

        `pair` and `middle` are as in `by_sign`.
        """
        found = self.by_sign(pair, middle)
        parts = []
        for name in ("ahead", "behind"):
            if name in found:
                by = [f"{scenario} (by {self.shown(key)})" for scenario, key in found[name].items()]
                parts.append(f"is {name} in {enumerate_words(by)}")
        if "level" in found:
            whole = sum(map(len, found.values()))
            parts.append(f"cannot be told from it in {among(list(found['level']), whole, 'any scenario')}")
        return enumerate_words(parts) if parts else ""
