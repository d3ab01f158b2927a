"""`python -m analysis.explore`: the site's views over runs that are not frozen yet, and over releases, in a browser or in Jupyter.

In a notebook: `from analysis.explore import app; app()`. Nothing is written; unfinished runs show what their tasks have left so far.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analysis.reference import labels
from analysis.reference.queries import queries
from analysis.releases import runs
from analysis.releases.assemble import concatenate
from analysis.releases.release import Release, names
from kdgat.errors import KdgatError
from kdgat.front_door import start

if TYPE_CHECKING:
    from pandas import DataFrame

Tables = dict[str, "DataFrame"]
#: rows of a table that are shown at once
SHOWN = 500


def sources() -> list[str]:
    """List what can be opened: `run <id>` of the store, newest first, then `release <name>`."""
    return [*(f"run {run}" for run in runs.everything()), *(f"release {name}" for name in names())]


def tables(source: str) -> Tables:
    """Every table of a source of `sources()` as a data frame.

    Raises:
        KdgatError: an unknown source, or a run without records so far.
    """
    kind, _, name = source.partition(" ")
    if kind == "release":
        release = Release.open(name)
        return {table: release.table(table).to_pandas() for table in release.tables}
    content: dict[str, pa.Table] = concatenate(runs.read([runs.unfinished_too(name)])[0])
    if not content:
        raise KdgatError(f"{source} has left no records yet")
    return {table: rows.to_pandas() for table, rows in content.items()}


def _rows(all_tables: Tables, table: str, **where: str) -> DataFrame:
    """Rows of a table with the given values; raises `KdgatError` where there are none, which the app shows in place."""
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
        height=90 + 20 * rows["model"].nunique(), width=720, xlabel=labels.metric(metric), size=60,
    ).layout().cols(1)  # fmt: skip


def curves(all_tables: Tables, dataset: str, metric: str) -> Any:
    """A training metric by epoch, one line per run, coloured by model."""
    rows = _rows(all_tables, "curves", dataset=dataset, metric=metric).sort_values("epoch")
    models = labels.sort_models(rows["model"].unique())
    lines = [
        of_run.hvplot.line(x="epoch", y="value", color=labels.color(str(model)), label=str(model), ylabel=metric)
        for model in models
        for _, of_run in rows[rows["model"] == model].groupby("run")
    ]
    plot = lines[0]
    for line in lines[1:]:
        plot = plot * line
    return plot.opts(width=720, height=360, legend_position="right")


def scores(all_tables: Tables, dataset: str, protocol: str, model: str) -> Any:
    """Histogram of a model's scores by scenario, attacked windows against benign ones."""
    rows = _rows(all_tables, "predictions", dataset=dataset, protocol=protocol)
    if model not in rows or not len(rows := rows.dropna(subset=[model])):
        raise KdgatError(f"no window scores of {model} with dataset {dataset}, protocol {protocol}")
    rows = rows.assign(window=(rows["injected"] > 0).map({True: "attacked", False: "benign"}), score=rows[model])
    return rows.hvplot.hist(
        y="score", by="window", groupby="scenario", dynamic=False, bins=50, alpha=0.6, normed=True,
        color=[labels.palette()["labels"]["attack"], labels.palette()["labels"]["benign"]], height=180, width=720,
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
    return ends.opts(width=720, height=80 + 22 * len(rows), line_width=8, tools=["hover"], xlabel="s", ylabel="")


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


def app() -> Any:
    """The views as one Panel object: the source, and one tab per view.

    Raises:
        KdgatError: the `explore` extra is missing, or there is neither a run nor a release.
    """
    try:
        import hvplot.pandas  # noqa: F401  (gives data frames their plots)
        import panel as pn
    except ModuleNotFoundError as error:
        raise KdgatError(
            f"this needs the `explore` extra (pip install -e '.[explore]'): {error.name} is missing"
        ) from None
    choices = sources()
    if not choices:
        raise KdgatError("there is neither a run nor a release: run the flow first")
    pn.extension(sizing_mode="stretch_width")
    source = pn.widgets.Select(name="Source", options=choices)

    def guarded(view: Callable[[], Any]) -> Any:
        try:
            return view()
        except KdgatError as error:
            return pn.pane.Alert(str(error), alert_type="warning")

    def views(choice: str) -> Any:
        return guarded(lambda: _tabs(pn, guarded, tables(choice)))

    return pn.Column("# KD-GAT: runs and releases", source, pn.bind(views, source))


def _tabs(pn: Any, guarded: Callable[[Callable[[], Any]], Any], data: Tables) -> Any:
    """One tab per view over the tables of one source."""

    def options(table: str, column: str) -> list[str]:
        return sorted(data[table][column].unique()) if table in data else []

    def pick(name: str, table: str, column: str, first: str = "") -> Any:
        values = options(table, column)
        return pn.widgets.Select(name=name, options=values, value=first if first in values else None)

    def tab(view: Callable[..., Any], **inputs: Any) -> Any:
        pane = pn.bind(lambda **values: guarded(lambda: view(data, **values)), **inputs)
        return pn.Column(pn.Row(*inputs.values()), pane)

    def dataset() -> Any:
        return pick("dataset", "runs", "dataset")

    def protocol() -> Any:
        return pick("protocol", "metrics", "protocol", "zero-shot")

    # a run may have an operating point of a model whose window scores it does not keep
    scored = [m for m in options("operating_points", "model") if "predictions" in data and m in data["predictions"]]
    table = pn.widgets.Select(name="table", options=sorted(data))
    query = pn.widgets.TextAreaInput(name="query", value=next(iter(queries().values())).sql, rows=8)
    model = pn.widgets.Select(name="model", options=scored)
    return pn.Tabs(
        ("Leaderboard", tab(leaderboard, dataset=dataset(), protocol=protocol(), metric=pick("metric", "metrics", "metric", "f1"))),
        ("Curves", tab(curves, dataset=dataset(), metric=pick("metric", "curves", "metric", "train_loss"))),
        ("Scores", tab(scores, dataset=dataset(), protocol=protocol(), model=model)),
        ("Runs", tab(timeline, dataset=dataset())),
        ("Tables", tab(lambda all_tables, table: all_tables[table].head(SHOWN), table=table)),
        ("SQL", tab(lambda all_tables, query: sql(all_tables, query).head(SHOWN), query=query)),
        dynamic=True,
    )  # fmt: skip


def run(port: int) -> int:
    """Serve the app on a port of this machine (0: any free one) until Control-C."""
    if not 0 <= port < 1 << 16:
        raise KdgatError(f"no port {port}: 0 to 65535")
    app()  # what is wrong is said here, before a server starts
    import panel as pn

    server = pn.serve(app, port=port, address="127.0.0.1", show=False, start=False, title="KD-GAT", verbose=False)
    print(f"http://localhost:{server.port}/ (stop with Ctrl-C)", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.io_loop.start()
    return 0


if __name__ == "__main__":
    start("explore")
