"""What a flow runs (datasets, seeds, configuration) and how its results are joined."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from kdgat import catalog, records
from kdgat.config import Config, preset
from kdgat.errors import KdgatError


def plan(
    datasets: str, seeds: str, preset_name: str, data: str
) -> tuple[Path | None, Config, list[tuple[str, str, int]]]:
    """Folder of captures, configuration, and (dataset, data kind, seed) of every task.

    Raises:
        KdgatError: a name that is unknown, a seed that is no number, a folder that is not there.
    """
    config = preset(preset_name)
    root = Path(data).resolve() if data else None
    if root is not None and not root.is_dir():
        raise KdgatError(f"no folder {data}")
    if os.environ.get("KDGAT_DATA") and root is None:
        # absolute, since tasks need not run where the flow was started
        root = Path(os.environ["KDGAT_DATA"]).resolve()
        if not root.is_dir():
            raise KdgatError(f"KDGAT_DATA names no folder: {os.environ['KDGAT_DATA']}")
    wanted = on_disk(root) if datasets == "auto" else [d.strip() for d in datasets.split(",") if d.strip()]
    try:
        numbers = sorted({int(s) for s in seeds.split(",")})
    except ValueError:
        raise KdgatError(f"seeds are whole numbers, comma-separated; got {seeds!r}") from None
    if not wanted or numbers[0] < 0:
        raise KdgatError("nothing to run: at least one dataset and seeds from 0 on")
    tasks = []
    for name in wanted:
        kinds = {c.data_kind for c in catalog.captures(name, root)}
        if kinds == {"synthetic"}:
            print(f"{name}: SYNTHETIC data; every result is marked as such", flush=True)
        tasks += [(name, "synthetic" if "synthetic" in kinds else "real", seed) for seed in numbers]
    return root, config, tasks


def on_disk(root: Path | None) -> list[str]:
    """Datasets that have training and test captures in the folder; the synthetic one if there is none."""
    found = []
    for name in catalog.names():
        if name == "synthetic":
            continue
        try:
            splits = {c.split for c in catalog.captures(name, root)}
        except KdgatError:
            continue
        if "train" in splits and len(splits) > 1:
            found.append(name)
        else:
            print(f"{name}: found, but without {'test' if 'train' in splits else 'training'} captures: left out")
    if not found:
        print("no captures found ($KDGAT_DATA, data/raw): running on the built-in synthetic bus", flush=True)
    return found or ["synthetic"]


def summarise(parts: Sequence[tuple[list[Any], list[dict[str, Any]]]], draws: int) -> dict[str, bytes]:
    """The table `summary` of all (dataset, scenario, protocol), from each seed's scores and metric rows; and `readings`."""
    from kdgat.evaluate import readings
    from kdgat.evaluation.summary import Scored, summary_rows

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
