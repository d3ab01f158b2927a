"""Cross-sums: what one table says must follow from another. Each check yields sentences that name the row.

They recompute with other code than the one that made the numbers (SQL here, numpy there), so that they catch a slip in
either as well as a row that was changed together with its hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from analysis.checks import metrics, repeats
from kdgat import records

if TYPE_CHECKING:
    import duckdb

#: float32 in the tables, double here
TOLERANCE = 2e-6

#: metric → (value from tp, fp, tn, fn; windows it is computed from)
_CONFUSION_METRICS = {
    "f1": ("case when tp + fn > 0 then 2.0 * tp / (2 * tp + fp + fn) end", "tp + fp + tn + fn"),
    "precision": ("case when tp + fn > 0 and tp + fp > 0 then 1.0 * tp / (tp + fp) end", "tp + fp + tn + fn"),
    "recall": ("case when tp + fn > 0 then 1.0 * tp / (tp + fn) end", "tp + fn"),
    "false_alarms": ("case when fp + tn > 0 then 1.0 * fp end", "fp + tn"),
}


def cross_sums(tables: Mapping[str, pa.Table]) -> list[str]:
    """List all mismatches between the tables as sentences; none if they agree."""
    import duckdb

    con = duckdb.connect(config={"threads": 2})
    for name in records.TABLES:
        con.register(name, tables.get(name, records.schema(name).arrow().empty_table()))
    problems: list[str] = []
    for check in (_metrics_from_confusion, _summary_from_metrics, _known_runs, _configurations, _counts, _parameters):
        problems += check(con)
    return problems + repeats.repeats(con, tables) + metrics.mismatches(tables)


def _metrics_from_confusion(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Threshold metrics follow from the confusion counts, also of models whose scores are not released."""
    problems = []
    for metric, (formula, total) in _CONFUSION_METRICS.items():
        sql = f"""
            with wanted as (
              select m.dataset, m.scenario, m.attack, m.model, m.protocol, m.seed, m.value, {formula} as want,
                m.n, {total} as total
              from metrics m left join confusion c using (dataset, scenario, attack, model, protocol, seed)
              where m.metric = '{metric}')
            select * from wanted
            where (value is null) <> (want is null) or abs(value - want) > {TOLERANCE} or n is distinct from total
            order by all"""
        for d, s, a, model, p, seed, value, want, n, total_n in con.execute(sql).fetchall():
            what = f"{metric} of {model} ({d}, {s}, {a}, {p}, seed {seed})"
            problems.append(f"{what} is {value} over {n} windows, its confusion gives {want} over {total_n}")
    return problems


def _summary_from_metrics(con: duckdb.DuckDBPyConnection) -> list[str]:
    """A summary's mean is that of its seeds (undefined if one of them is), and every metric is summarised."""
    sql = f"""
        with over_seeds as (
          select dataset, scenario, attack, model, protocol, metric, count(*) as seeds,
            case when count(value) = count(*) then avg(value) end as mean
          from metrics group by all)
        select dataset, scenario, attack, model, protocol, metric, s.mean, o.mean, s.n_seeds, o.seeds
        from summary s full join over_seeds o using (dataset, scenario, attack, model, protocol, metric)
        where (s.mean is null) <> (o.mean is null) or abs(s.mean - o.mean) > {TOLERANCE} * greatest(1, abs(o.mean))
          or s.n_seeds is distinct from o.seeds
        order by all"""
    problems = [
        f"summary of {metric} of {model} ({d}, {s}, {a}, {p}) is {mean} over {n} seeds, "
        f"the metrics give {want} over {seeds}"
        for d, s, a, model, p, metric, mean, want, n, seeds in con.execute(sql).fetchall()
    ]
    sql = """select dataset, scenario, attack, model, protocol, metric, ci_low, mean, ci_high from summary
        where ci_low > ci_high or (ci_low is null) <> (ci_high is null) or (mean is null and ci_low is not null)
        order by all"""
    problems += [
        f"summary of {metric} of {model} ({d}, {s}, {a}, {p}): {low}–{high} is no interval of {mean}"
        for d, s, a, model, p, metric, low, mean, high in con.execute(sql).fetchall()
    ]
    return problems


def _known_runs(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Every row that names a run names one of `runs`, of the same dataset, seed and model."""
    problems = []
    for name in ("metrics", "curves", "operating_points", "confusion", "cka"):
        # a model without a run of its own (a weighted mean, say) is listed under the run that it belongs to
        sql = f"""select distinct t.run, t.dataset, t.seed, t.model, r.dataset, r.seed, r.model
            from {name} t left join runs r using (run)
            where r.run is null or r.dataset <> t.dataset or r.seed <> t.seed or (r.model <> t.model and exists
              (select 1 from runs o where o.dataset = t.dataset and o.seed = t.seed and o.model = t.model))
            order by all"""
        for run, dataset, seed, model, *facts in con.execute(sql).fetchall():
            problems.append(f"{name} has rows of {model} ({dataset}, seed {seed}) under run {run}, `runs` says {facts}")
    sql = "select distinct run from hyperparameters where run not in (select run from runs) order by all"
    problems += [f"hyperparameters has rows of unknown run {run}" for (run,) in con.execute(sql).fetchall()]
    return problems


def _configurations(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The hash of a configuration is that of the text that was recorded, whatever today's fields are."""
    sql = "select run, config_hash, sha256(config) from runs where sha256(config) <> config_hash order by all"
    return [
        f"run {run} names configuration {have}, its text has {want}" for run, have, want in con.execute(sql).fetchall()
    ]


def _counts(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Windows scored are windows of known captures, none twice, none more than the capture has."""
    sql = """
        with scored as (select dataset, capture, protocol, seed, count(*) as n, max("window") as last,
            sum((injected > 0)::int) as positives from predictions group by all)
        select s.dataset, s.capture, s.protocol, s.seed, s.n, s.last, s.positives, d.windows, d.positives
        from scored s left join datasets d using (dataset, capture)
        where d.windows is null or s.n > d.windows or s.last >= d.windows or s.positives > d.positives
        order by all"""
    return [
        f"{dataset}/{capture} ({p}, seed {seed}): {n} windows scored up to {last}, {pos} attacked; "
        f"the capture has {windows}, {positives} attacked"
        for dataset, capture, p, seed, n, last, pos, windows, positives in con.execute(sql).fetchall()
    ]


def _parameters(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Layers add up to what the run counted."""
    sql = """
        with counted as (select dataset, model, sum(count) as total from parameters group by all)
        select r.run, r.dataset, r.model, r.parameters, c.total from runs r join counted c using (dataset, model)
        where r.parameters <> c.total order by all"""
    return [
        f"run {run} counted {have} parameters of {model} ({dataset}), its layers add up to {total}"
        for run, dataset, model, have, total in con.execute(sql).fetchall()
    ]
