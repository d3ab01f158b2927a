"""How far a plain timer gets on the recordings of a scenario: what their schedule gives away, whatever is on the bus.

Keys `<dataset>.<scenario>.timer_f1`: F1 of a timer that repeats the first attack at the distance of the second, over the windows after the
second of all recordings with at least three attacks together (query `schedule`).
"""

from __future__ import annotations

from functools import cache, partial

from analysis.numbers.number import Makers, Number
from analysis.reference.format import NA, by_metric, slug
from analysis.reference.queries import query
from analysis.releases.release import Release

_F1 = (
    "2.0 * sum(hits) filter (where timer_f1 is not null) / sum(alarms + positives) filter (where timer_f1 is not null)"
)


def keys(release: Release) -> Makers:
    """Yield every number by key."""
    schedule = query("schedule").sql

    @cache
    def values() -> dict[tuple[str, str], float | None]:
        """Run the query once for all keys."""
        rows = release.rows(f"select dataset, scenario, {_F1} as value from ({schedule}) group by 1, 2")
        return {(row["dataset"], row["scenario"]): row["value"] for row in rows}

    def number(key: str, dataset: str, scenario: str) -> Number:
        value = values().get((dataset, scenario))
        sql = f"select {_F1} from ({schedule}) where dataset = '{dataset}' and scenario = '{scenario}'"
        return Number(key, NA if value is None else by_metric("f1", value), value, sql, where={"dataset": dataset})

    attacked = {(r["dataset"], r["split"]) for r in release.table("datasets").to_pylist() if r["injected"]}
    for dataset, scenario in sorted(attacked):
        if "train" not in scenario:
            key = f"{slug(dataset)}.{slug(scenario)}.timer_f1"
            yield key, partial(number, key, dataset, scenario)
