"""How values are written: one rule per kind of number, the same in text, tables and figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from kdgat.evaluation import registry

NA = "n/a"


@cache
def slug(name: str) -> str:
    """A name as a segment of a key: lower-case, `-` and spaces as `_`, no dots."""
    return re.sub(r"[^a-z0-9_]+", "_", name.lower())


def enumerate_words(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def count(value: Any) -> str:
    """Whole numbers with a comma at the thousands: 1,598,906."""
    return NA if value is None else f"{int(value):,}"


def plain(value: float | None) -> str:
    """A measured quantity with three significant digits: 401, 0.55, 12.3, 98,400."""
    if value is None:
        return NA
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    digits = f"{value:.3g}"
    return digits if "e" not in digits else f"{value:.6f}".rstrip("0").rstrip(".")


def by_metric(metric: str, value: float | None) -> str:
    """A metric's value: shares with three decimals, and never 1.000 for what is not exactly 1."""
    if value is None:
        return NA
    decimals = registry.metric(metric).decimals
    if decimals is not None:
        return f"{value:,.{decimals if abs(value) < 100 else 0}f}"
    text = f"{value:.3f}"
    if text == "1.000" and value < 1:
        text = f"{min(value, 0.9999):.4f}"
    return text


def signed(value: float | None) -> str:
    """A difference with its sign: +0.012, −0.003, 0.000."""
    if value is None:
        return NA
    text = f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")
    return "0.000" if text[1:] == "0.000" else text


def interval(metric: str, low: float | None, high: float | None) -> str:
    """An interval with an en dash: 0.981–0.995."""
    if low is None or high is None:
        return NA
    return f"{by_metric(metric, low)}–{by_metric(metric, high)}"
