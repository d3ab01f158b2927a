"""What one table repeats of another, row by row: scores, labels, counts, settings. Sentences name the first row that differs.

`cross_sums` recomputes results; here are the tables that show them: examples, embeddings, curves, ablations, settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from kdgat.config import Config

if TYPE_CHECKING:
    import duckdb

#: a metric's mean is that of another table, float32 in both
_TOLERANCE = 2e-6

_NO_SCORES = """select '' as dataset, '' as scenario, 0 as seed, '' as capture, 0 as "window", '' as attack,
    0 as injected, '' as model, 0.0 as score where false"""
#: what is said of it → query of the rows that contradict each other; a row is shown as it comes
_RULES = {
    # scores that pages draw are those that were scored, by the seed that they name
    "embeddings: scores, labels and vehicles are those of predictions and datasets": """
        select e.capture, e."window", e.model, e.score, s.score from embeddings e
        left join scores s using (dataset, scenario, model, seed, capture, "window")
        left join datasets d using (dataset, capture)
        where s.score is distinct from e.score or s.attack is distinct from e.attack or d.vehicle is distinct from e.vehicle""",
    "reconstruction: scores and labels are those of predictions": """
        select r.capture, r."window", r.model, r.score, s.score from reconstruction r
        left join scores s using (dataset, scenario, model, seed, capture, "window")
        where s.score is distinct from r.score or s.attack is distinct from r.attack""",
    "policy: scores and labels are those of predictions": """
        select p.capture, p."window", p.model, p.score, s.score from policy p
        left join scores s using (dataset, scenario, model, seed, capture, "window")
        left join scores g on (g.dataset, g.scenario, g.seed, g.capture, g."window", g.model)
          = (p.dataset, p.scenario, p.seed, p.capture, p."window", 'gat-student')
        left join scores v on (v.dataset, v.scenario, v.seed, v.capture, v."window", v.model)
          = (p.dataset, p.scenario, p.seed, p.capture, p."window", 'vgae-student')
        where s.score is distinct from p.score or s.attack is distinct from p.attack
          or g.score is distinct from p.p_attack or v.score is distinct from p.anomaly
          or abs(p.score - (p.alpha * p.p_attack + (1 - p.alpha) * p.anomaly)) > 1e-6""",
    "graphs: scores, labels and vehicles are those of predictions and datasets": """
        with seeds as (select dataset, min(seed) as seed from policy group by all),
          told as (select graph, dataset, scenario, capture, "window", vehicle, attack, score, sum(label) as injected,
            count(*) as frames, max(frame) + 1 as last, sum((frame = 0 and "offset" <> 0)::int) as late
            from graphs group by all)
        select t.graph, t.capture, t."window", t.score, s.score from told t join seeds using (dataset)
        left join scores s on (s.dataset, s.scenario, s.seed, s.capture, s."window", s.model)
          = (t.dataset, t.scenario, seeds.seed, t.capture, t."window", 'gat-student')
        left join datasets d on (d.dataset, d.capture) = (t.dataset, t.capture)
        where s.score is distinct from t.score or s.attack is distinct from t.attack or s.injected is distinct from t.injected
          or d.vehicle is distinct from t.vehicle or t.frames <> t.last or t.late > 0""",
    "graphs: one row per frame, in the order of time": """
        select graph, frame, "offset", before from (select graph, frame, "offset",
          lag("offset") over (partition by graph order by frame) as before from graphs) where "offset" < before""",
    "graphs: a graph is one window": """
        select graph, count(*) from (select distinct graph, dataset, scenario, capture, "window", vehicle, attack, score from graphs)
        group by graph having count(*) > 1""",
    "attention: weights that enter a node add up to 1": """
        select graph, layer, head, target, sum(weight) as total from attention group by all having abs(total - 1) > 1e-4""",
    "attention: edges join identifiers of their graph": """
        select graph, source, target from attention
        where (graph, source) not in (select graph, id from graphs) or (graph, target) not in (select graph, id from graphs)""",
    "attention: every layer and head has the same edges": """
        with edges as (select graph, layer, head, count(*) as n from attention group by all)
        select graph, min(n), max(n) from edges group by graph having min(n) <> max(n)""",
    "attention: layers and heads are counted from 0": """
        with heads as (select graph, layer, count(distinct head) as n, max(head) + 1 as last from attention group by all)
        select graph, count(*), max(layer) + 1, min(n), max(last) from heads group by graph
        having count(*) <> max(layer) + 1 or min(n) <> max(n) or max(last) <> max(n)""",
    "attributions: identifiers are those of their graph": """
        select graph, kind, source, target, feature from attributions
        where (graph, source) not in (select graph, id from graphs) or (graph, target) not in (select graph, id from graphs)
          or (kind = 'node' and source <> target)""",
    "attributions: every node and edge of a graph has the same features": """
        with held as (select graph, kind, source, target, count(*) as n, string_agg(feature order by feature) as names
          from attributions group by all)
        select graph, kind, min(n), max(n) from held group by graph, kind having count(distinct names) > 1""",
    # what was trained
    "curves: epochs are counted from 0": """
        select run, metric, count(*), max(epoch) + 1 from curves group by all having count(*) <> max(epoch) + 1""",
    "curves: a model is that of its run": """
        select c.run, c.model, r.model from curves c join runs r using (run) where c.model <> r.model""",
    "runs: a value that a run may be selected by is one of its curve": """
        select r.run, r.selection_metric, r.selection_value from runs r
        where r.run in (select run from curves where metric = r.selection_metric) and not exists
          (select 1 from curves c where (c.run, c.metric) = (r.run, r.selection_metric) and c.value = r.selection_value)""",
    "runs: a run belongs to the flow that it names": """
        select run, flow_run from runs where not starts_with(run, flow_run || '/')""",
    "runs: a mirrored run has an id there, no other has": """
        select run, tracker, tracker_id from runs where (tracker = 'none') <> (tracker_id = '')""",
    "runs: the kind of data is that of the captures": """
        select r.run, r.data_kind, d.data_kind from runs r join (select distinct dataset, data_kind from datasets) d
        using (dataset) where r.data_kind <> d.data_kind""",
    "parameters: a count is what its shape holds": """
        select dataset, model, layer, shape, count from parameters
        where count <> list_product(list_transform(string_split(shape, 'x'), lambda n: try_cast(n as bigint)))""",
    # what was compared
    "ablations: a difference is that from the reference": """
        select a.factor, a.level, a.scenario, a.difference, a.mean - b.mean from ablations a join ablations b
        using (dataset, factor, scenario, protocol, metric) where b.reference and abs(a.difference - (a.mean - b.mean)) > 2e-6""",
    "ablations: a factor has one reference level": """
        select dataset, factor, scenario, protocol, metric, sum(reference::int) as n from ablations group by all having n <> 1""",
    "ablations: an interval holds its value": """
        select factor, level, scenario, ci_low, mean, ci_high, difference_low, difference, difference_high from ablations
        where not (mean between ci_low - 1e-6 and ci_high + 1e-6)
          or not (difference between difference_low - 1e-6 and difference_high + 1e-6)
          or (reference and (difference_low <> 0 or difference_high <> 0))""",
    "ablations: parameters are those of the runs": """
        select a.factor, a.level, a.parameters, max(r.parameters) as most from ablations a join runs r
        on r.dataset = a.dataset and r.stage = 'ablation' and ends_with(r.model, ' (' || a.factor || ': ' || a.level || ')')
        group by all having a.parameters <> most""",
    "ablations: a level was run as often as it has seeds": """
        select a.factor, a.level, a.n_seeds, count(distinct r.seed) as n
        from (select distinct dataset, factor, level, n_seeds from ablations) a join runs r
        on r.dataset = a.dataset and r.stage = 'ablation' and ends_with(r.model, ' (' || a.factor || ': ' || a.level || ')')
        group by all having a.n_seeds <> n""",
    "differences: a difference is that of the means": """
        select d.scenario, d.metric, d.model, d.other, d.difference, a.mean - b.mean from differences d
        join summary a on (a.dataset, a.scenario, a.protocol, a.metric, a.model, a.attack)
          = (d.dataset, d.scenario, d.protocol, d.metric, d.model, 'all')
        join summary b on (b.dataset, b.scenario, b.protocol, b.metric, b.model, b.attack)
          = (d.dataset, d.scenario, d.protocol, d.metric, d.other, 'all')
        where abs(d.difference - (a.mean - b.mean)) > 2e-6 or d.n_seeds is distinct from a.n_seeds
          or not (d.difference between d.ci_low - 1e-6 and d.ci_high + 1e-6)""",
    "differences: comparisons are those of the dataset and metric": """
        select scenario, metric, model, other, comparisons, n from (select *, count(*) over (partition by dataset, metric) as n
          from differences) where comparisons <> n""",
    # what was read
    # frames behind a capture's last whole window are in none; a preset may cap the windows
    "datasets: every window of a test capture is scored, with no more injected frames than were counted": """
        with scored as (select dataset, capture, seed, count(*) as n, sum((injected > 0)::int) as positives,
            sum(injected) as injected from predictions where protocol = 'zero-shot' group by all),
        capped as (select exists (select 1 from hyperparameters where name = 'windows.max_windows' and value <> 'null') as yes)
        select d.capture, d.windows, s.n, d.positives, s.positives, d.injected, s.injected from datasets d cross join capped
        left join scored s using (dataset, capture) where d.split <> 'train' and d.duplicate_of = '' and (s.n is null
          or s.injected > d.injected or s.n > d.windows or s.positives > d.positives
          or (not yes and (d.windows, d.positives) is distinct from (s.n, s.positives)))""",
    "datasets: a scenario is that of its predictions": """
        select distinct p.capture, p.scenario, d.split from predictions p join datasets d using (dataset, capture)
        where p.scenario <> d.split""",
    "datasets: windows lie within their capture": """
        select p.capture, max(p.t0 + p.duration) as last, d.seconds from predictions p join datasets d using (dataset, capture)
        group by all having last > d.seconds * 1.000001 + 1e-3""",
    "readings: what a run of the release read, it read with its configuration and commit": """
        select r.reader, r.config_hash, r.commit from readings r
        join (select distinct flow_run from runs) f on starts_with(r.reader, f.flow_run || '/')
        where r.config_hash not in (select config_hash from runs) or r.commit not in (select commit from runs)""",
    "readings: captures are those of datasets": """
        select r.capture, r.scenario, d.split from readings r left join datasets d using (dataset, capture)
        where d.split is distinct from r.scenario""",
}


def repeats(con: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> list[str]:
    """All rows that say otherwise than another table, as sentences.

    Args:
        con: a connection that has every table.
        tables: the same, those without rows may lack.
    """
    con.execute("create or replace temp view scores as " + _scores(tables))
    problems = []
    for rule, query in _RULES.items():
        of_scores = " scores " in query or " predictions " in query
        if rule.partition(":")[0] not in tables or (of_scores and "predictions" not in tables):
            continue
        if rows := con.execute(f"select * from ({query}) order by all").fetchall():
            problems.append(f"{rule}: not in {len(rows)} cases, first {' · '.join(map(str, rows[0]))}")
    checks = (_settings, _data, _corrections, _methods, _regrets)
    return problems + [sentence for check in checks for sentence in check(tables)]


def _scores(tables: Mapping[str, pa.Table]) -> str:
    """Query of the zero-shot scores, one row per model."""
    if "predictions" not in tables:
        return _NO_SCORES
    from kdgat.records import scored_models

    place = 'dataset, scenario, seed, capture, "window", attack, injected'
    parts = [
        f"""select {place}, '{model}' as model, "{model}" as score from predictions where protocol = 'zero-shot'"""
        for model in scored_models(tables["predictions"])
    ]
    return " union all ".join(parts) or _NO_SCORES


#: begin of the names of what a training fitted itself, which no configuration has
FITTED = "fitted."


def _settings(tables: Mapping[str, pa.Table]) -> Iterator[str]:
    """Hyper-parameters are the configuration of their run, flat; settings that its text leaves out are at their defaults."""
    if "hyperparameters" not in tables:
        return
    settings: dict[str, dict[str, str]] = {}
    for row in tables["hyperparameters"].to_pylist():
        if not row["name"].startswith(FITTED):
            settings.setdefault(row["run"], {})[row["name"]] = row["value"]
    whole: dict[str, dict[str, Any]] = {}
    for run in tables["runs"].to_pylist():
        text, have = run["config"], settings.get(run["run"], {})
        if text not in whole:
            whole[text] = Config.model_validate_json(text).flat()
        settings_of_run = dict(_flat("", json.loads(text)))
        want = {name: json.dumps(whole[text].get(name)) for name in have} | {
            n: json.dumps(v) for n, v in settings_of_run.items()
        }
        if odd := sorted(want.items() ^ have.items()):
            yield f"hyperparameters: {odd[0][0]} of {run['run']} is not that of its configuration"


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{prefix}{name}.", inner)
    else:
        yield prefix[:-1], value


def _data(tables: Mapping[str, pa.Table]) -> Iterator[str]:
    """The hash of the training data is that of the training captures: `kdgat.dataset.sources.data_hash`."""
    if "datasets" not in tables:
        return
    lines: dict[str, list[str]] = {}
    for row in tables["datasets"].to_pylist():
        if row["split"] == "train" and not row["duplicate_of"]:
            lines.setdefault(row["dataset"], []).append(f"{row['capture']} {row['sha256']}")
    for row in tables["runs"].to_pylist():
        want = hashlib.sha256("\n".join(sorted(lines.get(row["dataset"], []))).encode()).hexdigest()
        if row["data_hash"] != want:
            yield f"runs: data_hash of {row['run']} is not that of its dataset's training captures"


def _corrections(tables: Mapping[str, pa.Table]) -> Iterator[str]:
    """p-values are corrected for all comparisons of a dataset and metric."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in tables["differences"].to_pylist() if "differences" in tables else []:
        groups.setdefault((row["dataset"], row["metric"]), []).append(row)
    for (dataset, metric), rows in groups.items():
        for row, want in zip(rows, _holm([r["p"] for r in rows]), strict=True):
            who = f"{row['model']} and {row['other']} ({dataset}, {row['scenario']}, {metric})"
            if abs(row["p_holm"] - want) > _TOLERANCE:
                yield f"differences: p_holm of {who} is {row['p_holm']}, Holm's correction gives {want}"
            phrase = "indistinguishable" if row["ci_high"] - row["ci_low"] <= 0.02 else "not resolved by this data"
            if row["p_holm"] < 0.05:
                phrase = "more" if row["difference"] > 0 else "less"
            if row["verdict"] != phrase:
                yield f"differences: {who} are {row['verdict']!r}, the interval and p say {phrase!r}"


def _holm(p: list[float]) -> list[float]:
    """p-values of m comparisons, adjusted (Holm 1979): the k-th smallest times m − k, never under the one before."""
    out, highest = [0.0] * len(p), 0.0
    for k, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, (len(p) - k) * p[i])
        out[i] = min(highest, 1.0)
    return out


def _methods(tables: Mapping[str, pa.Table]) -> Iterator[str]:
    """Every interval of a release is made in the same way."""
    methods = {r for t in ("summary", "differences") if t in tables for r in set(tables[t]["interval"].to_pylist())}
    if len(methods) > 1:
        yield f"summary: intervals are made in {len(methods)} ways: {', '.join(sorted(map(str, methods)))}"


def _regrets(tables: Mapping[str, pa.Table]) -> Iterator[str]:
    """What the chosen weight of each window lost: rewards as in `kdgat.models.fusion_input.rewards`, a capture at a time."""
    if "policy" not in tables:
        return
    costs: dict[str, set[float]] = {}
    for run in tables["runs"].to_pylist():
        if run["model"] == "fusion-dqn-student":
            costs.setdefault(run["dataset"], set()).add(json.loads(run["config"])["fusion_student"]["false_alarm_cost"])
    columns = {name: tables["policy"][name].to_numpy(zero_copy_only=False) for name in tables["policy"].column_names}
    weights = np.linspace(0, 1, 21)
    for dataset, capture in sorted(set(zip(columns["dataset"], columns["capture"], strict=True))):
        here = np.flatnonzero((columns["dataset"] == dataset) & (columns["capture"] == capture))
        y = (columns["attack"][here] != "benign")[:, None]
        anomaly, attack = (columns[name][here].astype(np.float64)[:, None] for name in ("anomaly", "p_attack"))
        fused, share = (1 - weights) * anomaly + weights * attack, max(float(y.mean()), 1e-9)
        if len(costs.get(dataset, ())) != 1:
            continue
        cost = np.where(y, 0.5 / share, 0.5 * min(costs[dataset]) / max(1 - share, 1e-9))
        reward = cost * (((fused >= 0.5) == y) - np.abs(y - fused))
        reward_of_choice = np.take_along_axis(reward, np.rint(columns["alpha"][here] * 20).astype(int)[:, None], 1)[
            :, 0
        ]
        apart = np.abs(np.maximum(reward.max(1) - reward_of_choice, 0.0) - columns["regret"][here])
        # a fused score that float32 rounds to the decision's other side is another decision
        close = (np.abs(fused - 0.5) < 1e-6).any(1)
        wrong = np.flatnonzero((apart > 1e-4 * cost.max(1)) & ~close)
        if len(wrong):
            yield f"policy: regret of {capture}, window {columns['window'][here[wrong[0]]]}, does not follow from its scores"
