"""The views over runs and releases for day-to-day work, as objects and served once in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analysis import explore
from kdgat.errors import KdgatError

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def tables(request: pytest.FixtureRequest) -> explore.Tables:
    """Tables of a made-up run, as data frames with plots."""
    import hvplot.pandas  # noqa: F401

    from tests.analysis.fake_run import make

    return {name: table.to_pandas() for name, table in make()[0].items()}


def test_views_hold_the_rows_of_their_selection(tables):
    board = explore.leaderboard(tables, "hcrl-sa", "zero-shot", "f1")
    rows = tables["metrics"].query("protocol == 'zero-shot' and metric == 'f1' and attack == 'all'")
    assert sum(len(panel) for panel in board) == len(rows)
    assert len(explore.curves(tables, "hcrl-sa", "train_loss")) == tables["curves"]["run"].nunique()
    assert len(explore.scores(tables, "hcrl-sa", "zero-shot", "gat-student")) == 4
    assert len(explore.timeline(tables, "hcrl-sa")) == len(tables["runs"])


def test_what_is_not_there_is_said(tables):
    with pytest.raises(KdgatError, match="no rows in 'metrics' with dataset other"):
        explore.leaderboard(tables, "other", "zero-shot", "f1")
    with pytest.raises(KdgatError, match="no table 'curves' yet"):
        explore.curves({"runs": tables["runs"]}, "hcrl-sa", "train_loss")
    with pytest.raises(KdgatError, match="no window scores of frequency-baseline"):
        explore.scores(tables, "hcrl-sa", "zero-shot", "frequency-baseline")


def test_a_run_without_window_scores_of_a_model_opens_all_the_same(tables):
    import pandas as pd
    import panel as pn

    points = tables["operating_points"]
    more = points.iloc[:1].assign(model="frequency-baseline")
    tabs = explore._tabs(pn, lambda view: view(), tables | {"operating_points": pd.concat([points, more])})
    offered = next(w for w in tabs[2].select(pn.widgets.Select) if w.name == "model").options
    assert offered
    assert "frequency-baseline" not in offered


def test_sql_runs_over_the_tables(tables):
    assert explore.sql(tables, "select count(*) as n from runs")["n"].tolist() == [len(tables["runs"])]
    with pytest.raises(KdgatError, match="nonsense"):
        explore.sql(tables, "select nonsense from runs")


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
