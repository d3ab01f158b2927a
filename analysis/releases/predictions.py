"""Window scores on disk: one part per dataset and scenario, each window once, one column per model and seed.

In memory `predictions` has a row per window and seed, which repeats every window's place and time for each seed. On disk
a score column is named `<model>@<seed>`, or `<model>` where all seeds score alike, as rules without training do: those
are stored once. Scores hardly compress; with 120,000 windows, ten models and five seeds this form takes 13.6 MB where
rows per seed take 26 and rows per model 17. A page reads the one part and the few columns that it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kdgat import records
from kdgat.records import RecordError

NAME = "predictions"
_PLACE = ("dataset", "scenario")
#: of the rows of a part
_ORDER = ("protocol", "capture", "window")
_WINDOW = ("protocol", "capture", "window", "t0", "duration", "attack", "injected")


def pack(table: pa.Table) -> dict[str, tuple[dict[str, Any], pa.Table]]:
    """Split a table `predictions` into parts: file → (what the manifest says of it, its columns).

    Raises:
        RecordError: two seeds of a scenario scored different windows.
    """
    parts = {}
    for dataset, scenario in sorted(set(zip(*(table[c].to_pylist() for c in _PLACE), strict=True))):
        rows = table.filter(pc.and_(pc.equal(table["dataset"], dataset), pc.equal(table["scenario"], scenario)))
        seeds = sorted(set(rows["seed"].to_pylist()))
        of_seed = [rows.filter(pc.equal(rows["seed"], seed)) for seed in seeds]
        windows = of_seed[0].select(_WINDOW)
        if any(not other.select(_WINDOW).equals(windows) for other in of_seed[1:]):
            raise RecordError(f"{NAME}: the seeds of {dataset}, {scenario} scored different windows")
        columns = {name: windows[name] for name in _WINDOW}
        for model in records.scored_models(rows):
            scores = [one[model].combine_chunks() for one in of_seed]
            if all(_same(other, scores[0]) for other in scores[1:]):
                columns[model] = scores[0]
            else:
                pairs = zip(seeds, scores, strict=True)
                columns |= {f"{model}@{seed}": column for seed, column in pairs if column.null_count < len(column)}
        about = {"dataset": dataset, "scenario": scenario, "seeds": seeds}
        parts[f"{NAME}/{dataset}/{scenario}.parquet"] = about, pa.table(columns)
    return parts


def _same(a: pa.Array, b: pa.Array) -> bool:
    """Tell whether two columns are equal to the bit; Arrow calls 0 and -0 equal."""
    return a.equals(b) and np.array_equal(*(np.signbit(x.fill_null(0).to_numpy()) for x in (a, b)))


def unpack(parts: Iterable[tuple[Mapping[str, Any], pa.Table]], models: Sequence[str]) -> pa.Table:
    """Join parts to the table that `pack` was given.

    Args:
        parts: (what the manifest says, its columns) of each.
        models: names of the models with scores, in the order of the whole table, which the manifest lists.

    Raises:
        RecordError: a part without the columns of a window, of other types or in another order, or with a score that
            belongs to no model or seed.
    """
    want = records.schema(NAME)
    arrow = want.arrow(models)
    tables = []
    for about, part in parts:
        if missing := [c for c in _WINDOW if c not in part.column_names]:
            raise RecordError(f"{NAME}: a part has no column {missing[0]!r}")
        endings = {"", *(f"@{seed}" for seed in about["seeds"])}
        for field in part.schema:
            model, at, seed = field.name.partition("@")
            if field.name not in _WINDOW and (model not in models or at + seed not in endings):
                raise RecordError(f"{NAME}: a part has the column {field.name!r}, which belongs to no model and seed")
            kind = arrow.field(field.name if field.name in _WINDOW else model).type
            if field.type != kind:
                raise RecordError(f"{NAME}: a part has {field.name!r} as {field.type}, not {kind}")
        if not part.select(_ORDER).equals(part.select(_ORDER).sort_by([(c, "ascending") for c in _ORDER])):
            raise RecordError(f"{NAME}: the rows of a part are not sorted by {', '.join(_ORDER)}")
        n = part.num_rows
        for seed in about["seeds"]:
            fixed: dict[str, Any] = {
                "dataset": pa.array([about["dataset"]] * n, pa.string()),
                "scenario": pa.array([about["scenario"]] * n, pa.string()),
                "seed": pa.array(np.full(n, seed), pa.int32()),
                **{name: part[name] for name in _WINDOW},
            }
            for model in models:
                column = next((name for name in (model, f"{model}@{seed}") if name in part.column_names), None)
                fixed[model] = part[column] if column else pa.nulls(n, pa.float32())
            tables.append(pa.table([fixed[name] for name in arrow.names], schema=arrow))
    whole = pa.concat_tables(tables) if tables else arrow.empty_table()
    return whole.sort_by([(k, "ascending") for k in want.key])
