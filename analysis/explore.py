"""`kdgat explore`: the site's views over runs that are not frozen yet, over releases and over W&B's mirror of runs.

Served by Panel in a browser, or in Jupyter; in a notebook of one's own: `from analysis.explore import app; app()`. Unfinished runs
show what their tasks have left so far.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NoReturn

from analysis.reference.queries import queries
from analysis.views import plots
from analysis.views.sources import Tables, sources, tables
from kdgat import atomic, terminal
from kdgat.errors import KdgatError
from kdgat.front_door import start
from kdgat.runtime import work_folder

#: rows of a table that are shown at once
SHOWN = 500
#: the notebook's cells
CELLS = (
    ("markdown", "# KD-GAT: runs and releases\nThe views of `kdgat explore`; below them the tables are data frames."),
    ("code", "from analysis.explore import app\n\napp()"),
    ("code", "from analysis.views.sources import sources, tables\n\ntables(sources()[0])['runs'].head()"),
)


def app() -> Any:
    """The views as one Panel object: the source, and one tab per view.

    Raises:
        KdgatError: the `explore` extra is missing, or there is neither a run nor a release.
    """
    try:
        import holoviews
        import panel as pn

        holoviews.extension.inline = True  # a notebook gets the scripts themselves, and asks for no address outside
        import hvplot.pandas  # noqa: F401  (gives data frames their plots)
    except ModuleNotFoundError as error:
        raise KdgatError(
            f"this needs the `explore` extra (pip install -e '.[explore]'): {error.name} is missing"
        ) from None
    choices = sources()
    if not choices:
        raise KdgatError("there is neither a run nor a release: run the flow first")
    pn.extension(sizing_mode="stretch_width", inline=True)
    source = pn.widgets.Select(label="Source", options=choices)

    def views(choice: str) -> Any:
        return guarded(pn, lambda: Tabs(pn, tables(choice), choices).all())

    return pn.Column("# KD-GAT: runs and releases", source, pn.bind(views, source))


def guarded(pn: Any, view: Callable[[], Any]) -> Any:
    """What a view draws, or the message why it cannot."""
    try:
        return view()
    except KdgatError as error:
        return pn.pane.Alert(str(error), alert_type="warning")


class Tabs:
    """The tabs over the tables of one source.

    Args:
        pn: Panel.
        data: the tables.
        choices: sources that can be compared with this one.
    """

    def __init__(self, pn: Any, data: Tables, choices: list[str]) -> None:
        self.pn, self.data, self.choices = pn, data, choices

    def all(self) -> Any:
        """One tab per view."""
        return self.pn.Tabs(*self.training(), *self.models(), *self.comparisons(), *self.rows(), dynamic=True)

    def values(self, table: str, column: str) -> list[Any]:
        """Values of a column, sorted; none where there is no such table."""
        return sorted(self.data[table][column].unique()) if table in self.data else []

    def select(self, label: str, options: Any, first: Any = None) -> Any:
        """A choice of options, a list or label → value."""
        return self.pn.widgets.Select(label=label, options=options, value=first if first in list(options) else None)

    def pick(self, label: str, table: str, first: str = "") -> Any:
        """A choice of the values of the column `label` of a table."""
        return self.select(label, self.values(table, label), first)

    def tab(self, view: Callable[..., Any], **inputs: Any) -> Any:
        """A view with the widgets of its arguments above it."""
        pane = self.pn.bind(lambda **values: guarded(self.pn, lambda: view(self.data, **values)), **inputs)
        return self.pn.Column(self.pn.Row(*inputs.values()), pane)

    def dataset(self) -> Any:
        """The choice of a dataset."""
        return self.pick("dataset", "runs")

    def protocol(self) -> Any:
        """The choice of a protocol."""
        return self.pick("protocol", "metrics", "zero-shot")

    def training(self) -> list[tuple[str, Any]]:
        """What was trained and how well it does."""
        # a run may have an operating point of a model whose window scores it does not keep
        predictions = self.data.get("predictions", ())
        scored = [m for m in self.values("operating_points", "model") if m in predictions]
        metric = self.pick("metric", "metrics", "f1")
        return [
            ("Leaderboard", self.tab(plots.leaderboard, dataset=self.dataset(), protocol=self.protocol(), metric=metric)),
            ("Curves", self.tab(plots.curves, dataset=self.dataset(), metric=self.pick("metric", "curves", "train_loss"))),
            ("Scores", self.tab(plots.scores, dataset=self.dataset(), protocol=self.protocol(), model=self.select("model", scored))),
            ("Runs", self.tab(plots.timeline, dataset=self.dataset())),
        ]  # fmt: skip

    def models(self) -> list[tuple[str, Any]]:
        """What the models do inside."""
        kind = self.select("color", ["attack", "vehicle", "score"])
        layer = self.select("layer", self.values("attention", "layer"))
        graph = self.select("graph", plots.examples(self.data))
        choice = self.select("color", ["alpha", "score", "regret"])
        return [
            ("Embeddings", self.tab(plots.embeddings, dataset=self.dataset(), color=kind)),
            ("Attention", self.tab(plots.attention, graph=graph, layer=layer)),
            ("Policy", self.tab(plots.policy, dataset=self.dataset(), color=choice)),
            ("CKA", self.tab(plots.similarity, dataset=self.dataset(), model=self.pick("model", "cka", "gat-student"))),
        ]

    def comparisons(self) -> list[tuple[str, Any]]:
        """This source against another."""

        def against(view: Callable[..., Any], **inputs: Any) -> Any:
            def both(data: Tables, other: str, **values: Any) -> Any:
                return view(data, tables(other), **values)

            return self.tab(both, other=self.select("other", self.choices), dataset=self.dataset(), **inputs)

        metric, loss = self.pick("metric", "metrics", "f1"), self.pick("metric", "curves", "train_loss")
        return [
            ("Compare metrics", against(plots.compared_metrics, protocol=self.protocol(), metric=metric)),
            ("Compare curves", against(plots.compared_curves, metric=loss)),
        ]

    def rows(self) -> list[tuple[str, Any]]:
        """The tables themselves."""
        first = next(iter(queries().values())).sql if "summary" in self.data else "select * from runs"
        query = self.pn.widgets.TextAreaInput(label="query", value=first, rows=8)
        return [
            ("Tables", self.tab(lambda data, table: data[table].head(SHOWN), table=self.select("table", sorted(self.data)))),
            ("SQL", self.tab(lambda data, query: plots.sql(data, query).head(SHOWN), query=query)),
        ]  # fmt: skip


def run(port: int, *, in_notebook: bool = False) -> int:
    """Serve the app on a port of this machine (0: any free one), by Panel or in Jupyter, until Control-C."""
    if not 0 <= port < 1 << 16:
        raise KdgatError(f"no port {port}: 0 to 65535")
    if in_notebook:
        notebook(port)
    terminal.note("reading runs and releases; the address follows")
    app()  # what is wrong is said here, before a server starts
    import panel as pn

    server = pn.serve(app, port=port, address="127.0.0.1", show=False, start=False, title="KD-GAT", verbose=False)
    print(f"http://localhost:{server.port}/ (stop with Ctrl-C)", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.io_loop.start()
    return 0


def notebook(port: int) -> NoReturn:
    """Become a JupyterLab with the same views, on a port of this machine (0: any free one).

    The notebook lies in the work folder; one that is there already is opened as it is.

    Raises:
        KdgatError: the extra `notebook` is missing, or there is neither a run nor a release.
    """
    if find_spec("jupyterlab") is None:
        raise KdgatError("this needs the `notebook` extra (pip install -e '.[notebook]'): jupyterlab is missing")
    app()
    file = work_folder() / "explore.ipynb"
    if not file.exists():
        atomic.write_text(file, json.dumps(document(), indent=1) + "\n")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", str(file)]
    # nor does Jupyter look for newer versions of itself
    command.append("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate")
    # in containers one often is root, which Jupyter otherwise refuses
    command += ["--allow-root"] if os.geteuid() == 0 else []
    os.chdir(file.parent)
    os.execv(sys.executable, command)


def document() -> dict[str, Any]:
    """The notebook, in Jupyter's format 4.5."""
    cells: list[dict[str, Any]] = [
        {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source}
        | ({"execution_count": None, "outputs": []} if kind == "code" else {})
        for number, (kind, source) in enumerate(CELLS)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


if __name__ == "__main__":
    start("explore")
