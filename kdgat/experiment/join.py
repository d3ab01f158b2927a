"""Means over seeds and their intervals, from the scores of all tasks of a flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from kdgat import records
from kdgat.evaluation.summary import Scored


def summarise(parts: Sequence[tuple[list[Scored], list[dict[str, Any]]]], draws: int) -> dict[str, bytes]:
    """Summarise over seeds: the table `summary` of all (dataset, scenario, protocol), and `readings`.

    Args:
        parts: scores and metric rows of each (dataset, seed).
        draws: bootstrap draws.
    """
    from kdgat.evaluation.summary import summary_rows
    from kdgat.experiment.readings import readings

    groups: dict[tuple[str, str, str], list[Scored]] = {}
    metrics: list[dict[str, Any]] = []
    for scored, rows in parts:
        metrics += rows
        for s in scored:
            groups.setdefault((s.dataset, s.scenario, s.protocol), []).append(s)
    tables: list[pa.Table] = []
    for (dataset, scenario, protocol), group in sorted(groups.items()):
        print(f"intervals: {dataset} {scenario} {protocol}", flush=True)
        tables.append(records.table("summary", summary_rows(group, metrics, draws)))
    read = records.table("readings", readings({dataset for dataset, _, _ in groups}))
    return records.dump({"summary": pa.concat_tables(tables), "readings": read})
