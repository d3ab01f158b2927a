"""The SQL page over the committed release at its full size: what a made-up one is too small to show."""

from __future__ import annotations

import json
import math
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest

from analysis.releases.release import current_name, frozen_root

MODELS = ("gat-student", "published-student")
MEANS = ", ".join(f'avg("{model}")' for model in MODELS)
SCORES = f"""select dataset, scenario, seed, count(*) as windows, sum(injected) as injected, {MEANS}
from predictions group by 1, 2, 3 order by 1, 2, 3"""


@pytest.fixture
def current(pages: Path) -> Path:
    """The folder of the current release, which the pages below `current/` then read."""
    release = frozen_root() / current_name()
    assets = pages / "current" / "assets"
    assets.mkdir(parents=True)
    for file in (pages / "assets").iterdir():
        (assets / file.name).symlink_to(release if file.name == "release" else file)
    for folder in ("paper", "theme"):
        (pages / "current" / folder).symlink_to(pages / folder)
    return release


def natively(release: Path) -> list[list[str | float]]:
    """Answer `SCORES` part by part, with the DuckDB that is installed and no view."""
    answers: list[list[str | float]] = []
    for part in json.loads((release / "manifest.json").read_text())["tables"]["predictions"]["parts"]:
        table = duckdb.read_parquet(str(release / part["file"]))
        for seed in part["seeds"]:
            held = [next((c for c in (m, f"{m}@{seed}") if c in table.columns), None) for m in MODELS]
            means = ", ".join(f'avg("{column}")' if column else "null" for column in held)
            (row,) = table.aggregate(f"count(*), sum(injected), {means}").fetchall()
            numbers = [math.nan if value is None else value for value in row]
            answers.append([part["dataset"], part["scenario"], seed, *numbers])
    return sorted(answers, key=lambda row: row[:3])


def test_a_query_over_the_scores_of_all_datasets_answers_as_duckdb_does(visit, current: Path):
    visit.open(f"current/paper/results/sql.html?q={quote(SCORES)}&view=table")
    visit.page.get_by_role("button", name="Run").click()
    visit.page.locator(".kdgat-result td").first.wait_for(timeout=60_000)
    rows = visit.page.locator(".kdgat-result tbody tr").evaluate_all(
        "(all) => all.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    answers = natively(current)
    assert len(rows) == len(answers)
    for cells, answer in zip(rows, answers, strict=True):
        assert cells[:2] == answer[:2]
        shown = [math.nan if cell == "n/a" else float(cell) for cell in cells[2:]]
        assert shown == pytest.approx(answer[2:], rel=1e-3, nan_ok=True)  # a cell shows four figures
