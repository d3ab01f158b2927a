"""Means over seeds and their intervals, from the scores of all tasks of a flow."""

from __future__ import annotations

from collections.abc import Sequence
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
    from kdgat.evaluation.differences import corrected, differences
    from kdgat.evaluation.methods import METHOD
    from kdgat.evaluation.summary import summary_rows
    from kdgat.experiment.readings import readings

    groups: dict[tuple[str, str, str], list[Scored]] = {}
    metrics: list[dict[str, Any]] = []
    for scored, rows in parts:
        metrics += rows
        for s in scored:
            groups.setdefault((s.dataset, s.scenario, s.protocol), []).append(s)
    tables: list[pa.Table] = []
    apart: list[dict[str, Any]] = []
    rule = AlarmRule(*config.alarm)
    for (dataset, scenario, protocol), group in sorted(groups.items()):
        print(f"intervals: {dataset} {scenario} {protocol}", flush=True)
        rows = summary_rows(group, metrics, config.bootstrap_draws, METHOD, rule)
        tables.append(records.table("summary", rows))
        apart += differences(group, config.bootstrap_draws)
    read = records.table("readings", readings({dataset for dataset, _, _ in groups}))
    told = {"summary": pa.concat_tables(tables), "readings": read}
    if apart:
        told["differences"] = records.table("differences", corrected(apart))
    return records.dump(told)
