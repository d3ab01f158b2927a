"""Every metric by name: `metrics.json`, the one list, which the pages of the site read too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

METRICS = Path(__file__).parent / "metrics.json"


@dataclass(frozen=True)
class Metric:
    """One entry.

    Attributes:
        name: as in the tables of a release.
        label: its name for readers.
        unit: empty for a share.
        format: `share` (three decimals, never 1.000 for what is not exactly 1) or `decimals <n>`.
        direction: which end is better; None: neither.
    """

    name: str
    label: str
    unit: str
    format: str
    direction: Literal["high", "low"] | None

    @property
    def decimals(self) -> int | None:
        """Digits after the point; None for a share."""
        return None if self.format == "share" else int(self.format.removeprefix("decimals "))


@cache
def metrics() -> dict[str, Metric]:
    """Read the list: name → entry, in its order."""
    return {m.name: m for m in (Metric(**entry) for entry in json.loads(METRICS.read_text(encoding="utf-8")))}


def metric(name: str) -> Metric:
    """Look up a metric; one that the list does not have is a share with its name in words, better when higher."""
    return metrics().get(name) or Metric(name, name.replace("_", " ").capitalize(), "", "share", "high")
