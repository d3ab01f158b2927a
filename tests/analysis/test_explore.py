"""The views over runs and releases for day-to-day work, as objects and served once in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pandas
import pytest
from nbclient import NotebookClient

from analysis import explore
from analysis.views import plots
from analysis.views.sources import Tables
from kdgat.errors import KdgatError

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def tables(request: pytest.FixtureRequest) -> Tables:
    """Tables of a made-up run, as data frames with plots."""
    import hvplot.pandas  # noqa: F401

    from tests.analysis.fake_run import make

    return {name: table.to_pandas() for name, table in make()[0].items()}


def test_views_hold_the_rows_of_their_selection(tables):
    board = plots.leaderboard(tables, "hcrl-sa", "zero-shot", "f1")
    rows = tables["metrics"].query("protocol == 'zero-shot' and metric == 'f1' and attack == 'all'")
    assert sum(len(panel) for panel in board) == len(rows)
    assert len(plots.curves(tables, "hcrl-sa", "train_loss")) == tables["curves"]["run"].nunique()
    assert len(plots.scores(tables, "hcrl-sa", "zero-shot", "gat-student")) == 4
    assert len(plots.timeline(tables, "hcrl-sa")) == len(tables["runs"])


def test_views_into_the_models_hold_every_window_and_edge(tables):
    by_score = plots.embeddings(tables, "hcrl-sa", "score")
    assert sum(len(panel) for panel in by_score) == len(tables["embeddings"])
    by_attack = plots.embeddings(tables, "hcrl-sa", "attack")
    assert sum(len(points) for panel in by_attack for points in panel) == len(tables["embeddings"])
    assert sum(len(panel) for panel in plots.policy(tables, "hcrl-sa", "alpha")) == len(tables["policy"])
    graphs = plots.examples(tables)
    assert len(graphs) == tables["graphs"]["graph"].nunique()
    (edge,) = plots.attention(tables, graphs["1: hcrl-sa test_01, DoS, test_01/DoS-sonata.csv 35"], 0).data.to_dict(
        "records"
    )
    assert edge == {"source": "100", "target": "153", "weight": 1}, "the mean over both heads"
    layers = pandas.DataFrame(
        {"dataset": "hcrl-sa", "model": "gat-student", "seed": [0, 1], "teacher_layer": "a", "student_layer": "b", "value": [0.5, 1]}
    )  # fmt: skip
    (cell,) = plots.similarity({"cka": layers}, "hcrl-sa", "gat-student").data.to_dict("records")
    assert cell["value"] == 0.75, "the mean over seeds"


def test_two_sources_are_compared_by_their_means_over_seeds(tables):
    metrics = tables["metrics"]
    lower = metrics.assign(value=metrics["value"] - 0.25 * (metrics["model"] == "gat-student"))
    rows = plots.compared_metrics(
        tables, {"metrics": lower[lower["scenario"] != "test_04"]}, "hcrl-sa", "zero-shot", "f1"
    )
    assert set(rows["model"][:3]) == {"gat-student"} and rows["difference"][:3].round(6).tolist() == [0.25] * 3
    assert rows[rows["scenario"] == "test_04"]["difference"].isna().all(), "the other one has no such rows"
    lines = plots.compared_curves(tables, tables, "hcrl-sa", "train_loss")
    assert len(lines) == 2 * tables["curves"]["run"].nunique()


def test_what_is_not_there_is_said(tables):
    with pytest.raises(KdgatError, match="no rows in 'metrics' with dataset other"):
        plots.leaderboard(tables, "other", "zero-shot", "f1")
    with pytest.raises(KdgatError, match="no table 'curves' yet"):
        plots.curves({"runs": tables["runs"]}, "hcrl-sa", "train_loss")
    with pytest.raises(KdgatError, match="no window scores of frequency-baseline"):
        plots.scores(tables, "hcrl-sa", "zero-shot", "frequency-baseline")


def test_a_run_without_window_scores_of_a_model_opens_all_the_same(tables):
    import panel as pn

    points = tables["operating_points"]
    more = points.iloc[:1].assign(model="frequency-baseline")
    tabs = explore.Tabs(pn, tables | {"operating_points": pandas.concat([points, more])}, ["release demo-1"]).all()
    offered = next(w for w in tabs[2].select(pn.widgets.Select) if w.label == "model").options
    assert offered
    assert "frequency-baseline" not in offered


def test_every_tab_of_a_source_with_two_tables_alone_says_what_it_lacks(tables):
    """W&B's mirror has runs and curves."""
    import panel as pn

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*Widget", category=PendingDeprecationWarning)
        tabs = explore.Tabs(pn, {name: tables[name] for name in ("runs", "curves")}, ["release demo-1"]).all()
    shown = {title: tab.select(pn.pane.Alert) for title, tab in zip(tabs._names, tabs, strict=True)}
    assert [title for title, alerts in shown.items() if not alerts] == [
        "Curves",
        "Runs",
        "Compare curves",
        "Tables",
        "SQL",
    ]


def test_sql_runs_over_the_tables(tables):
    assert plots.sql(tables, "select count(*) as n from runs")["n"].tolist() == [len(tables["runs"])]
    with pytest.raises(KdgatError, match="nonsense"):
        plots.sql(tables, "select nonsense from runs")


def test_the_notebook_shows_the_same_app(release, frozen, tmp_path, monkeypatch):
    """In a kernel, as Jupyter runs it."""
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", str(tmp_path))
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    notebook = nbformat.from_dict(explore.document())
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=120).execute()
    first, second = (cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code")
    shown = [kind for output in first for kind in output.get("data", {})]
    assert "application/vnd.holoviews_exec.v0+json" in shown, shown
    assert release.table("runs")["run"][0].as_py() in second[0]["data"]["text/html"]


@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is missing: make test-system")
def test_served_it_shows_a_release_and_asks_for_nothing_outside(release, frozen, tmp_path):
    from playwright.sync_api import sync_playwright

    outside: list[str] = []

    def look(address: str) -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            page = browser.new_page()
            page.on("request", lambda r: r.url.startswith((address, "data:", "blob:")) or outside.append(r.url))
            page.goto(address)
            page.get_by_text("Leaderboard").wait_for(timeout=60_000)
            assert page.locator("select").first.locator("option").all_text_contents() == [f"release {release.name}"]
            page.locator(".bk-Figure").first.wait_for(timeout=60_000)
            browser.close()

    environment = os.environ | {"KDGAT_FROZEN": str(frozen), "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(tmp_path)}
    environment |= {"KDGAT_WORK": str(tmp_path)}  # another test's run on the checkout is a source too
    command = [sys.executable, "-m", "analysis.explore", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().split()[0]
            # the tests of the site may hold a browser open, and a thread can drive but one
            with ThreadPoolExecutor(1) as pool:
                pool.submit(look, address).result()
            assert outside == []
        finally:
            server.terminate()
