"""Tables of many tasks as one table each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from analysis.releases import predictions
from kdgat import records
from kdgat.records import RecordError


def concatenate(parts: Sequence[Mapping[str, pa.Table]]) -> dict[str, pa.Table]:
    """Tables of all tasks by name, one row per key.

    Rows that several tasks state alike (a dataset's counts, a model's parameters) are kept once; rows that share a key
    and differ are an error of the runs. Scores that several runs give the same windows stand side by side, one column per model.
    """
    union = {}
    for name in records.TABLES:
        tables = [part[name] for part in parts if name in part and part[name].num_rows]
        if tables:
            rows = pa.concat_tables(tables, promote_options="default")
            distinct = side_by_side if name == predictions.NAME else _distinct_rows
            union[name] = records.validate(name, distinct(rows))
    unknown = {name for part in parts for name in part} - set(records.TABLES)
    if unknown:
        raise RecordError(f"no table is called {sorted(unknown)[0]!r}")
    return union


def standing(extended: Mapping[str, pa.Table], tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """What stands of a release's tables once `tables` are added to it.

    Ablations of a dataset are measured anew as a whole, for their p-values are corrected together: they fall, with their
    runs, where `tables` have each of their levels with more seeds.
    """
    held = dict(extended)
    if "ablations" not in held or "ablations" not in tables:
        return held
    before, after = (_seeds_of_levels(t["ablations"]) for t in (held, tables))
    kept = {level[0] for level, seeds in before.items() if after.get(level, 0) <= seeds}
    anew = pa.array({dataset for dataset, *_ in before} - kept, pa.string())
    runs = held["runs"]
    fallen = runs.filter(pc.and_(pc.is_in(runs["dataset"], anew), pc.equal(runs["stage"], "ablation")))
    names = fallen["run"].combine_chunks()
    held["ablations"] = held["ablations"].filter(pc.invert(pc.is_in(held["ablations"]["dataset"], anew)))
    for name, table in held.items():
        if "run" in table.column_names:
            held[name] = table.filter(pc.invert(pc.is_in(table["run"], names)))
    return {name: table for name, table in held.items() if table.num_rows}


def _seeds_of_levels(ablations: pa.Table) -> dict[tuple[str, str, str], int]:
    """Least number of seeds of each (dataset, factor, level)."""
    level = ["dataset", "factor", "level"]
    least = ablations.group_by(level).aggregate([("n_seeds", "min")])
    return {tuple(row[name] for name in level): row["n_seeds_min"] for row in least.to_pylist()}


def _distinct_rows(table: pa.Table) -> pa.Table:
    return table.group_by(table.column_names, use_threads=False).aggregate([]).cast(table.schema)


def side_by_side(scores: pa.Table) -> pa.Table:
    """Join rows of one window that hold the scores of different models; raises `RecordError` where two give one model's."""
    models = records.scored_models(scores)
    window = [name for name in scores.column_names if name not in models]
    ends = [(model, end) for model in models for end in ("min", "max")]
    # as bits: the least of numbers passes over NaN, and -0 is no less than 0
    bits = {name: scores[name].combine_chunks().view(pa.int32()) for name in models}
    whole = pa.table({name: bits.get(name, scores[name]) for name in scores.column_names})
    joined = whole.group_by(window, use_threads=False).aggregate(ends)
    for model in models:
        low, high = joined[f"{model}_min"], joined[f"{model}_max"]
        if differ := pc.sum(pc.not_equal(low, high)).as_py():
            raise RecordError(f"{predictions.NAME}: two runs score {differ} windows differently with {model}")
    columns = {
        name: joined[f"{name}_min"].combine_chunks().view(pa.float32()) if name in models else joined[name]
        for name in scores.column_names
    }
    return pa.table(columns).cast(scores.schema)
