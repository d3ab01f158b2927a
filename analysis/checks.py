"""Cross-sums: what one table says must follow from another. Each check yields sentences that name the row.

They recompute with other code than the one that made the numbers (SQL here, numpy there), so that they catch a slip in
either as well as a row that was changed together with its hash.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from kdgat import records

#: float32 in the tables, double here
TOLERANCE = 2e-6

_CONFUSION_METRICS = {
    "f1": "case when tp + fp + fn > 0 then 2.0 * tp / (2 * tp + fp + fn) end",
    "precision": "case when tp + fp > 0 then 1.0 * tp / (tp + fp) end",
    "recall": "case when tp + fn > 0 then 1.0 * tp / (tp + fn) end",
    "accuracy": "case when tp + fp + tn + fn > 0 then 1.0 * (tp + tn) / (tp + fp + tn + fn) end",
}


def cross_sums(tables: Mapping[str, pa.Table]) -> list[str]:
    """All contradictions between the tables, as sentences; empty if they agree."""
    import duckdb

    con = duckdb.connect(config={"threads": 2})
    for name in records.TABLES:
        con.register(name, tables.get(name, records.schema(name).arrow.empty_table()))
    found: list[str] = []
    for check in (_confusion_from_predictions, _metrics_from_confusion, _summary_from_metrics, _known_runs, _counts):
        found += check(con)
    return found


def _confusion_from_predictions(con) -> list[str]:
    """Confusion counts follow from window scores and operating points."""
    found = []
    for model in records.SCORED_MODELS:
        sql = f"""
            with called as (
              select p.dataset, p.scenario, p.protocol, p.seed,
                p.injected > 0 as attacked, "{model}" >= threshold as alarm
              from predictions p join operating_points o
                on o.dataset = p.dataset and o.protocol = p.protocol and o.seed = p.seed and o.model = '{model}'
              where "{model}" is not null),
            counted as (
              select dataset, scenario, protocol, seed,
                count(*) filter (where attacked and alarm) as tp,
                count(*) filter (where not attacked and alarm) as fp,
                count(*) filter (where not attacked and not alarm) as tn,
                count(*) filter (where attacked and not alarm) as fn
              from called group by all)
            select c.dataset, c.scenario, c.protocol, c.seed, c.tp, c.fp, c.tn, c.fn, d.tp, d.fp, d.tn, d.fn
            from confusion c left join counted d using (dataset, scenario, protocol, seed)
            where c.model = '{model}' and c.attack = 'all' and c.scenario in (select distinct scenario from predictions)
              and (c.tp, c.fp, c.tn, c.fn) is distinct from (d.tp, d.fp, d.tn, d.fn)
            order by all"""
        for d, s, p, seed, *counts in con.execute(sql).fetchall():
            found.append(
                f"confusion of {model} ({d}, {s}, {p}, seed {seed}) says tp, fp, tn, fn = {counts[:4]}, "
                f"the predictions give {counts[4:]}"
            )
    return found


def _metrics_from_confusion(con) -> list[str]:
    """Threshold metrics follow from the confusion counts; `n` is their sum."""
    found = []
    for metric, formula in _CONFUSION_METRICS.items():
        sql = f"""
            select m.dataset, m.scenario, m.attack, m.model, m.protocol, m.seed, m.value, {formula} as want, m.n,
              tp + fp + tn + fn
            from metrics m join confusion c using (dataset, scenario, attack, model, protocol, seed)
            where m.metric = '{metric}' and ((m.value is null) <> (want is null) or abs(m.value - want) > {TOLERANCE}
              or m.n <> tp + fp + tn + fn)
            order by all"""
        for d, s, a, model, p, seed, value, want, n, total in con.execute(sql).fetchall():
            what = f"{metric} of {model} ({d}, {s}, {a}, {p}, seed {seed})"
            found.append(f"{what} is {value} over {n} windows, its confusion gives {want} over {total}")
    return found


def _summary_from_metrics(con) -> list[str]:
    """A summary's mean is the mean over the seeds' metrics; its interval holds the mean."""
    sql = f"""
        with over_seeds as (
          select dataset, scenario, attack, model, protocol, metric, avg(value) as mean, count(*) as seeds
          from metrics group by all)
        select s.dataset, s.scenario, s.attack, s.model, s.protocol, s.metric, s.mean, o.mean, s.n_seeds, o.seeds
        from summary s left join over_seeds o using (dataset, scenario, attack, model, protocol, metric)
        where (s.mean is null) <> (o.mean is null) or abs(s.mean - o.mean) > {TOLERANCE} * greatest(1, abs(o.mean))
          or s.n_seeds is distinct from o.seeds
        order by all"""
    found = [
        f"summary of {metric} of {model} ({d}, {s}, {a}, {p}) is {mean} over {n} seeds, "
        f"the metrics give {want} over {seeds}"
        for d, s, a, model, p, metric, mean, want, n, seeds in con.execute(sql).fetchall()
    ]
    sql = f"""select dataset, scenario, attack, model, protocol, metric, ci_low, mean, ci_high from summary
        where ci_low > mean + {TOLERANCE} * greatest(1, abs(mean))
          or ci_high < mean - {TOLERANCE} * greatest(1, abs(mean))
        order by all"""
    found += [
        f"summary of {metric} of {model} ({d}, {s}, {a}, {p}): interval {low}–{high} does not hold {mean}"
        for d, s, a, model, p, metric, low, mean, high in con.execute(sql).fetchall()
    ]
    return found


def _known_runs(con) -> list[str]:
    """Every row that names a run names one of `runs`, of the same dataset and seed."""
    found = []
    for name in ("metrics", "curves", "operating_points", "confusion", "cka"):
        sql = f"""select distinct t.run, t.dataset, t.seed, r.dataset, r.seed from {name} t left join runs r using (run)
            where r.run is null or r.dataset <> t.dataset or r.seed <> t.seed order by all"""
        for run, dataset, seed, d, s in con.execute(sql).fetchall():
            found.append(f"{name} has rows of run {run} ({dataset}, seed {seed}), `runs` says {d}, seed {s}")
    sql = "select distinct run from hyperparameters where run not in (select run from runs) order by all"
    found += [f"hyperparameters has rows of unknown run {run}" for (run,) in con.execute(sql).fetchall()]
    return found


def _counts(con) -> list[str]:
    """Windows scored are windows of known captures, none twice, none more than the capture has."""
    sql = """
        with scored as (select dataset, capture, protocol, seed, count(*) as n, max("window") as last,
            sum((injected > 0)::int) as positives from predictions group by all)
        select s.dataset, s.capture, s.protocol, s.seed, s.n, s.last, s.positives, d.windows, d.positives
        from scored s left join datasets d using (dataset, capture)
        where d.windows is null or s.n > d.windows or s.last >= d.windows or s.positives > d.positives
          or (s.protocol = 'zero-shot' and s.n <> d.windows)
        order by all"""
    return [
        f"{dataset}/{capture} ({p}, seed {seed}): {n} windows scored up to {last}, {pos} attacked; "
        f"the capture has {windows}, {positives} attacked"
        for dataset, capture, p, seed, n, last, pos, windows, positives in con.execute(sql).fetchall()
    ]
