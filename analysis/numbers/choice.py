"""What was measured when the settings were chosen: what candidates found, and the attacks on virtual cars that the student found.

Keys `choice.<kind>.<cars>.<protocol>`: recall at 1 % false positives in the fold of each car left out, mean over cars and seeds, from
`data/choice.toml`. `recorded`: traffic of the car left out, its identifiers renamed; `drawn`: buses drawn at random.
`choice.alarm_events_per_hour`: at the threshold chosen, far from attacks in all training captures of the cars left out.
`choice.screening.<candidate>.recall_at_fpr_1pct` and `….alarm_events_far_per_hour`: what a candidate was screened by, with one seed
on two platforms; `choice.ranking.…`: the best two with all seeds on all platforms. `readings.before_choice`: evaluations that had
read test folders when the choice was written.
"""

from __future__ import annotations

from datetime import UTC
from functools import cache, partial
from itertools import product
from typing import Any

from analysis.numbers.number import Makers, Number
from analysis.reference.format import by_metric, count, slug
from analysis.releases.release import Release
from kdgat import presets
from kdgat.config import Config, override
from kdgat.presets import Choice

_CARS = {"cut": "recorded", "drawn": "drawn"}
_SOURCE = "data/choice.toml"
_RECALL, _ALARMS = "recall_at_fpr_1pct", "alarm_events_far_per_hour"


@cache
def document() -> Choice:
    """Read the file of the choice.

    Raises:
        KdgatError: it is not there, or holds none.
    """
    return presets.choice()[0]


def recalls() -> dict[tuple[str, str, str], float]:
    """Recall of the chosen candidate by kind of attack, cars and protocol: mean over the cars left out."""
    values: dict[tuple[str, str, str], list[float]] = {}
    for case, value in document().winner.recall.items():
        place, protocol = case.split(" · ")
        _, cars, kind = place.split(" ")
        if cars in _CARS:  # the others are recordings of the car itself, which the release judges
            values.setdefault((kind, _CARS[cars], protocol), []).append(value)
    return {key: sum(v) / len(v) for key, v in values.items()}


def _cited(key: str, text: str, value: float, where: str) -> Number:
    return Number(key, f'[{text}]{{.cited data-source="{_SOURCE}"}}', value, f"{_SOURCE}, {where}", span=False)


def covers(release: Release) -> bool:
    """Whether a run of the release was trained with every setting of the choice."""
    return any(_has_settings(configuration) for configuration in release.manifest["configurations"].values())


def keys(release: Release) -> Makers:
    """Yield every number by key, for a release that was trained with the settings chosen."""
    if not covers(release):
        return
    for (kind, cars, protocol), value in recalls().items():
        key = ".".join(("choice", *map(slug, (kind, cars, protocol))))
        where = f"[[ranking]] {document().candidate}: mean of `{kind} · {protocol}` over the cars left out"
        yield key, partial(_cited, key, by_metric("recall", value), value, where)
    point = document().point
    key = "choice.alarm_events_per_hour"
    where = f"[[points]] threshold {point.name}"
    yield key, partial(_cited, key, by_metric(_ALARMS, point.alarms), point.alarms, where)
    for table, rows in (("screening", document().screening), ("ranking", document().ranking)):
        for row, (metric, field) in product(rows, ((_RECALL, "mean"), (_ALARMS, "alarms"))):
            key, value = f"choice.{table}.{slug(row.candidate)}.{metric}", getattr(row, field)
            yield key, partial(_cited, key, by_metric(metric, value), value, f"[[{table}]] {row.candidate}: {field}")
    key = "readings.before_choice"
    yield key, partial(_readings_before, release, key)


def _readings_before(release: Release, key: str) -> Number:
    chosen = document().chosen.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    sql = f"select count(distinct reader) as n from readings where time < '{chosen}'"
    (row,) = release.rows(sql)
    return Number(key, count(row["n"]), row["n"], sql)


def _has_settings(configuration: dict[str, Any]) -> bool:
    """Whether a run's configuration has every setting of the choice."""
    trained = Config.model_validate(configuration)
    return override(trained, document().settings) == trained
