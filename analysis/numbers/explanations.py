"""How much of the headline model's attribution lies on identifiers with injected frames, in the attacked example windows.

Keys `<dataset>.explanations.<attack>.<name>`:

    windows         attacked example windows
    identifiers     share of a window's identifiers that have injected frames, mean over windows
    attribution     share of the absolute node attribution that these hold, mean over windows
    concentrated    windows in which they hold more than their share
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from analysis.numbers.number import Makers, Number
from analysis.reference.format import NA, count, slug
from analysis.releases.release import Release
from kdgat.records import HEADLINE_MODEL

#: one row per window: identifiers with injected frames as a share of all, by number and by absolute attribution
_WINDOWS = """(select f."graph", avg(f.injected) as identifiers, sum(a.size * f.injected) / sum(a.size) as attribution
from (select "graph", id, max(label) as injected from graphs where dataset = '{dataset}' and attack = '{attack}' group by 1, 2) f
join (select "graph", source, sum(abs(value)) as size from attributions where kind = 'node' group by 1, 2) a
  on a."graph" = f."graph" and a.source = f.id
group by 1 having sum(a.size) > 0)"""


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


#: name → what is selected from the windows, how it is written
NAMES: dict[str, tuple[str, Callable[[float], str]]] = {
    "windows": ("count(*)", count),
    "identifiers": ("avg(identifiers)", _percent),
    "attribution": ("avg(attribution)", _percent),
    "concentrated": ("count(*) filter (where attribution > identifiers)", count),
}


def attacks(release: Release) -> list[tuple[str, str]]:
    """(dataset, attack) of the attacked example windows."""
    rows = release.table("graphs").to_pylist()
    return sorted({(r["dataset"], r["attack"]) for r in rows if r["attack"] != "benign"})


def keys(release: Release) -> Makers:
    """Yield every number by key."""

    def number(key: str, sql: str, write: Callable[[float], str], where: dict[str, Any]) -> Number:
        (row,) = release.rows(f"select value from ({sql})")
        value = row["value"]
        return Number(key, NA if value is None else write(value), value, sql, where=where)

    for dataset, attack in attacks(release):
        windows = " ".join(_WINDOWS.format(dataset=dataset, attack=attack).split())
        for name, (what, write) in NAMES.items():
            key = f"{slug(dataset)}.explanations.{slug(attack)}.{name}"
            sql = f"select {what} as value from {windows}"
            yield key, partial(number, key, sql, write, {"dataset": dataset, "model": HEADLINE_MODEL})


def features(release: Release, dataset: str, most: int = 3) -> list[str]:
    """Node features with the largest sum of absolute attributions over the attacked example windows, in words."""
    rows = release.rows(
        "select feature, sum(abs(value)) as size from attributions where kind = 'node' and \"graph\" in "
        f"(select \"graph\" from graphs where dataset = '{dataset}' and attack <> 'benign') "
        f"group by 1 order by 2 desc, 1 limit {most}"
    )
    return [str(r["feature"]).replace("_", " ") for r in rows]
