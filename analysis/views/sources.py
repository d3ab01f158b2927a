"""What the views can open: runs of the store, releases, and what W&B holds of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from analysis.releases import runs
from analysis.releases.assemble import concatenate
from analysis.releases.release import Release, names
from analysis.views import mirror
from kdgat.errors import KdgatError

if TYPE_CHECKING:
    from pandas import DataFrame

#: table → its rows
Tables = dict[str, "DataFrame"]


def sources() -> list[str]:
    """List what can be opened: `run <id>` and `release <name>`, then W&B's offline and online groups; newest first."""
    return [
        *(f"run {run}" for run in runs.everything()),
        *(f"release {name}" for name in names()),
        *(f"wandb-offline {group}" for group in mirror.offline_groups()),
        *(f"wandb {group}" for group in mirror.online_groups()),
    ]


def tables(source: str) -> Tables:
    """Every table of a source of `sources()` as a data frame; of W&B `runs` and `curves` alone.

    Raises:
        KdgatError: an unknown source, or a run without records so far.
    """
    kind, _, name = source.partition(" ")
    if kind == "release":
        release = Release.open(name)
        return {table: release.table(table).to_pandas() for table in release.tables}
    if kind == "wandb-offline":
        return mirror.offline_tables(name)
    if kind == "wandb":
        return mirror.online_tables(name)
    content: dict[str, pa.Table] = concatenate(runs.read([runs.unfinished_too(name)])[0])
    if not content:
        raise KdgatError(f"{source} has left no records yet")
    return {table: rows.to_pandas() for table, rows in content.items()}
