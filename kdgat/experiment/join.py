"""Means over seeds and their intervals, from the scores of all tasks of a flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from kdgat import records
from kdgat.config import Config
from kdgat.evaluation.alarms import AlarmRule
from kdgat.evaluation.summary import Scored


def summarise(parts: Sequence[tuple[list[Scored], list[dict[str, Any]]]], config: Config) -> dict[str, bytes]:
    """Summarise over seeds: `summary` and `differences` of all (dataset, scenario, protocol), and `readings`.

    Args:
        parts: scores and metric rows of each (dataset, seed).
        config: for its bootstrap draws and its alarm rule.
    """
    from kdgat.experiment.readings import readings

    groups: dict[tuple[str, str, str], list[Scored]] = {}
    metrics: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for scored, rows in parts:
        for row in rows:
            metrics.setdefault((row["dataset"], row["scenario"], row["protocol"]), []).append(row)
        for s in scored:
            groups.setdefault((s.dataset, s.scenario, s.protocol), []).append(s)

    def in_order() -> Iterator[tuple[list[Scored], list[dict[str, Any]]]]:
        for key in sorted(groups):
            print("intervals: {} {} {}".format(*key), flush=True)
            yield groups[key], metrics[key]

    tables = over_seeds(in_order(), config.bootstrap_draws, config.alarm)
    read = records.table("readings", readings({dataset for dataset, _, _ in groups}))
    return records.dump({**tables, "readings": read})


def over_seeds(
    groups: Iterable[tuple[Sequence[Scored], Sequence[dict[str, Any]]]], draws: int, alarm: tuple[int, int]
) -> dict[str, pa.Table]:
    """The tables `summary` and, where there are models to compare, `differences`.

    Args:
        groups: of each (dataset, scenario, protocol) the scores, one `Scored` a seed, and the metric rows of all of them.
        draws: bootstrap draws.
        alarm: k of n, what makes alarm events of alarms.
    """
    from kdgat.evaluation.differences import corrected, differences
    from kdgat.evaluation.methods import METHOD
    from kdgat.evaluation.summary import summary_rows

    summary: list[dict[str, Any]] = []
    apart: list[dict[str, Any]] = []
    for group, metrics in groups:
        summary += summary_rows(group, metrics, draws, METHOD, AlarmRule(*alarm))
        apart += differences(group, draws)
    tables = {"summary": records.table("summary", summary)}
    return tables | ({"differences": records.table("differences", corrected(apart))} if apart else {})
