"""What is drawn of the tables of a source: each view takes tables and a selection, and gives a plot or a data frame.

A view raises `KdgatError` where it has nothing to draw, which the app shows in the plot's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.reference import labels
from analysis.views.sources import Tables
from kdgat.errors import KdgatError

if TYPE_CHECKING:
    from pandas import DataFrame

#: width of a plot (pixels)
WIDTH = 720


def _rows(all_tables: Tables, table: str, **where: str | int) -> DataFrame:
    """Rows of a table with the given values; raises `KdgatError` where there are none."""
    if table not in all_tables:
        raise KdgatError(f"no table {table!r} yet")
    rows = all_tables[table]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    if rows.empty:
        raise KdgatError(f"no rows in {table!r} with " + ", ".join(f"{c} {v}" for c, v in where.items()))
    return rows


def leaderboard(all_tables: Tables, dataset: str, protocol: str, metric: str) -> Any:
    """One metric of every model and seed, one panel per scenario: single seeds, not an interval."""
    rows = _rows(all_tables, "metrics", dataset=dataset, protocol=protocol, metric=metric, attack="all")
    rows = rows.assign(colour=rows["model"].map(labels.color))
    return rows.hvplot.scatter(
        x="value", y="model", color="colour", groupby="scenario", dynamic=False, hover_cols=["seed"],
        height=90 + 20 * rows["model"].nunique(), width=WIDTH, xlabel=labels.metric(metric), size=60,
    ).layout().cols(1)  # fmt: skip


def curves(all_tables: Tables, dataset: str, metric: str, dash: str = "solid") -> Any:
    """A training metric by epoch, one line per run, coloured by model and drawn with `dash`."""
    rows = _rows(all_tables, "curves", dataset=dataset, metric=metric).sort_values("epoch")
    models = labels.sort_models(rows["model"].unique())
    lines = [
        of_run.hvplot.line(
            x="epoch", y="value", color=labels.color(str(model)), label=str(model), ylabel=metric, line_dash=dash
        )
        for model in models
        for _, of_run in rows[rows["model"] == model].groupby("run")
    ]
    plot = lines[0]
    for line in lines[1:]:
        plot = plot * line
    return plot.opts(width=WIDTH, height=360, legend_position="right")


def scores(all_tables: Tables, dataset: str, protocol: str, model: str) -> Any:
    """Histogram of a model's scores by scenario, attacked windows against benign ones."""
    rows = _rows(all_tables, "predictions", dataset=dataset, protocol=protocol)
    if model not in rows or not len(rows := rows.dropna(subset=[model])):
        raise KdgatError(f"no window scores of {model} with dataset {dataset}, protocol {protocol}")
    rows = rows.assign(window=(rows["injected"] > 0).map({True: "attacked", False: "benign"}), score=rows[model])
    return rows.hvplot.hist(
        y="score", by="window", groupby="scenario", dynamic=False, bins=50, alpha=0.6, normed=True,
        color=[labels.palette()["labels"]["attack"], labels.palette()["labels"]["benign"]], height=180, width=WIDTH,
    ).layout().cols(1)  # fmt: skip


def timeline(all_tables: Tables, dataset: str) -> Any:
    """When each run began and when it ended, in seconds after the first."""
    import holoviews as hv
    import pandas as pd

    rows = _rows(all_tables, "runs", dataset=dataset)
    started = pd.to_datetime(rows["started"])
    begin = (started - started.min()).dt.total_seconds()
    name = rows["model"].where(rows["model"] != "", rows["stage"]) + ", seed " + rows["seed"].astype(str)
    rows = rows.assign(begin=begin, end=begin + rows["seconds"], name=name, again=name).sort_values("begin")
    ends = hv.Segments(rows, ["begin", "name", "end", "again"], ["run", "commit", "seconds"])
    return ends.opts(width=WIDTH, height=80 + 22 * len(rows), line_width=8, tools=["hover"], xlabel="s", ylabel="")


def embeddings(all_tables: Tables, dataset: str, color: str) -> Any:
    """The projection of a model's graph embeddings, one panel per scenario.

    Args:
        all_tables: of the source.
        dataset: of the windows.
        color: column that colours the points: attack, vehicle or score.
    """
    rows = _rows(all_tables, "embeddings", dataset=dataset)
    named = {} if color == "score" else {"by": color, "legend": "right"}
    return rows.hvplot.scatter(
        x="x", y="y", groupby="scenario", dynamic=False, size=8, height=280, width=WIDTH, alpha=0.7,
        hover_cols=["capture", "window", "score"], **(named or {"c": "score", "cmap": "viridis"}),
    ).layout().cols(1)  # fmt: skip


def examples(all_tables: Tables) -> dict[str, int]:
    """Example graphs by what they show: `0: hcrl-sa test_01, DoS, capture window 35`."""
    if "graphs" not in all_tables:
        return {}
    first = all_tables["graphs"].drop_duplicates("graph")
    return {
        f"{r.graph}: {r.dataset} {r.scenario}, {r.attack}, {r.capture} {r.window}": r.graph for r in first.itertuples()
    }


def attention(all_tables: Tables, graph: int, layer: int) -> Any:
    """Attention on the edges of an example graph, mean over heads: columns are sources, rows are targets."""
    rows = _rows(all_tables, "attention", graph=graph, layer=layer)
    edges = rows.groupby(["source", "target"], as_index=False)["weight"].mean().sort_values(["source", "target"])
    edges = edges.assign(**{end: edges[end].map("{:03X}".format) for end in ("source", "target")})
    size = 90 + 14 * edges["target"].nunique()
    return edges.hvplot.heatmap(
        x="source", y="target", C="weight", cmap="blues", clim=(0, 1), rot=90, height=max(size, 240), width=WIDTH
    )


def policy(all_tables: Tables, dataset: str, color: str) -> Any:
    """What the fusion's agent chose for each window, by the two scores that it sees, one panel per scenario.

    Args:
        all_tables: of the source.
        dataset: of the windows.
        color: column that colours the points: alpha (the classifier's weight), score or regret.
    """
    rows = _rows(all_tables, "policy", dataset=dataset)
    return rows.hvplot.scatter(
        x="anomaly", y="p_attack", c=color, cmap="viridis", groupby="scenario", dynamic=False, size=8, height=280,
        width=WIDTH, xlabel="anomaly (VGAE)", ylabel="attack probability (GAT)", hover_cols=["attack", "regret"],
    ).layout().cols(1)  # fmt: skip


def similarity(all_tables: Tables, dataset: str, model: str) -> Any:
    """Linear CKA of a student's layers with its teacher's, mean over seeds."""
    rows = _rows(all_tables, "cka", dataset=dataset, model=model)
    layers = rows.groupby(["teacher_layer", "student_layer"], as_index=False)["value"].mean()
    return layers.hvplot.heatmap(
        x="teacher_layer", y="student_layer", C="value", cmap="viridis", clim=(0, 1), height=300, width=WIDTH // 2
    )


def compared_metrics(one: Tables, other: Tables, dataset: str, protocol: str, metric: str) -> DataFrame:
    """A metric of two sources side by side, mean over seeds; the largest difference first."""
    where = {"dataset": dataset, "protocol": protocol, "metric": metric, "attack": "all"}
    means = [
        _rows(content, "metrics", **where).groupby(["scenario", "model"])["value"].mean() for content in (one, other)
    ]
    both = means[0].to_frame("this").join(means[1].to_frame("other"), how="outer").reset_index()
    both = both.assign(difference=both["this"] - both["other"])
    return both.sort_values("difference", key=abs, ascending=False, na_position="last", ignore_index=True)


def compared_curves(one: Tables, other: Tables, dataset: str, metric: str) -> Any:
    """A training metric of two sources by epoch: this one's lines are solid, the other's dashed."""
    return curves(one, dataset, metric) * curves(other, dataset, metric, dash="dashed")


def sql(all_tables: Tables, query: str) -> DataFrame:
    """A query over the tables, by DuckDB; raises `KdgatError` with its message."""
    import duckdb

    with duckdb.connect() as connection:
        for name, frame in all_tables.items():
            connection.register(name, frame)
        try:
            return connection.execute(query).df()
        except duckdb.Error as error:
            raise KdgatError(str(error)) from None
