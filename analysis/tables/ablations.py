"""What each part of the method is worth: the headline model with one factor changed, against the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.numbers.effects import sign
from analysis.numbers.values import Numbers
from analysis.reference.format import NA, count, slug
from analysis.tables.results import Source, cell, markdown, numbers_of, scenario_label

if TYPE_CHECKING:
    from collections.abc import Iterable

METRIC = "f1"


def _rows(numbers: Numbers, protocol: str) -> list[dict[str, Any]]:
    """Rows of `ablations` of the main dataset, in the order factor, reference first, level, scenario."""
    rows = [
        row
        for row in numbers.release.table("ablations").to_pylist()
        if (row["dataset"], row["protocol"], row["metric"]) == (numbers.main_dataset, protocol, METRIC)
    ]
    return sorted(rows, key=lambda r: (r["factor"], not r["reference"], r["level"], r["scenario"]))


def _distinct(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    levels: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        levels.setdefault((row["factor"], row["level"]), []).append(row)
    return levels


def table(release: Source = None, protocol: str = "zero-shot") -> str:
    """Factor × level: F1 of the reference's level, the difference from it for the others; bold where it excludes zero."""
    numbers = numbers_of(release)
    rows = _rows(numbers, protocol)
    scenarios = sorted({row["scenario"] for row in rows})
    header = ["Factor", "Level", "Parameters", *(scenario_label(numbers, s, numbers.main_dataset) for s in scenarios)]
    if not rows:
        return markdown([*header, "F1"], [], left=2)
    body = []
    for (factor, level), of_level in _distinct(rows).items():
        by_scenario = {row["scenario"]: row for row in of_level}
        cells = []
        for scenario in scenarios:
            row = by_scenario.get(scenario)
            if row is None:
                cells.append(NA)
                continue
            key = ".".join(
                (slug(numbers.main_dataset), "ablations", *map(slug, (factor, level, scenario, protocol)), METRIC)
            )
            significant = not row["reference"] and sign(row["difference_low"], row["difference_high"]) != 0
            cells.append(cell(numbers, key if row["reference"] else f"{key}_minus_reference", bold=significant))
        name = f"{level} (reference)" if of_level[0]["reference"] else level
        body.append([factor, name, count(of_level[0]["parameters"]), *cells])
    return markdown(header, body, left=2)
