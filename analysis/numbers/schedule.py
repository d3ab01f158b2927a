"""How far a plain timer gets on the recordings of a scenario: what their schedule gives away, whatever is on the bus.

Keys `<dataset>.<scenario>.<name>`, over the recordings with at least three attacks (query `schedule`):

    timer_f1          F1 of a timer that repeats the first attack at the distance of the second, over their windows after the second together
    timed_recordings  recordings
"""

from __future__ import annotations

from functools import cache, partial

from analysis.numbers.number import Makers, Number
from analysis.reference.format import NA, by_metric, count, slug
from analysis.reference.queries import query
from analysis.releases.release import Release

#: name → what is selected from the rows of a scenario
NAMES = {
    "timer_f1": "2.0 * sum(hits) filter (where timer_f1 is not null) / sum(alarms + positives) filter (where timer_f1 is not null)",
    "timed_recordings": "count(timer_f1)",
}


def keys(release: Release) -> Makers:
    """Yield every number by key."""

    @cache
    def values() -> dict[tuple[str, str], dict[str, float | None]]:
        """Run the query once for all keys."""
        what = ", ".join(f"{sql} as {name}" for name, sql in NAMES.items())
        rows = release.rows(f"select dataset, scenario, {what} from ({query('schedule').sql}) group by 1, 2")
        return {(row["dataset"], row["scenario"]): row for row in rows}

    def number(key: str, dataset: str, scenario: str, name: str) -> Number:
        value = values().get((dataset, scenario), {}).get(name)
        sql = f"select {NAMES[name]} from (<schedule>) where dataset = '{dataset}' and scenario = '{scenario}'"
        text = NA if value is None else count(int(value)) if name == "timed_recordings" else by_metric("f1", value)
        return Number(key, text, value, sql.replace("<schedule>", query("schedule").sql), where={"dataset": dataset})

    attacked = {(r["dataset"], r["split"]) for r in release.table("datasets").to_pylist() if r["injected"]}
    for dataset, scenario in sorted(attacked):
        for name in NAMES if "train" not in scenario else ():
            key = f"{slug(dataset)}.{slug(scenario)}.{name}"
            yield key, partial(number, key, dataset, scenario, name)
