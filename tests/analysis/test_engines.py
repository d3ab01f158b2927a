"""Every named query, in DuckDB here and in the DuckDB 0.9.1 that the browser runs: the same rows."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from analysis.reference.queries import queries


@pytest.fixture(scope="module")
def browser(repo, shared_release):
    """Name → rows (lists of values) as DuckDB-WASM gives them."""
    modules = repo / "paper" / "figures" / "node_modules"
    if not (modules / "@duckdb" / "duckdb-wasm").is_dir() or shutil.which("node") is None:
        pytest.skip("node or paper/figures/node_modules is missing: npm ci")
    done = subprocess.run(
        ["node", str(Path(__file__).parent / "run_queries.cjs"), str(modules), str(shared_release.path)],
        input=json.dumps({q.name: q.sql for q in queries().values()}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_engine_is_the_one_that_the_site_ships(browser):
    assert browser["version"] == "v0.9.1"


@pytest.mark.parametrize("name", queries())
def test_both_engines_give_the_same_rows(browser, shared_release, name):
    here = [list(r.values()) for r in shared_release.rows(queries()[name].sql)]
    there = browser[name]
    assert len(here) == len(there) > 0
    for a, b in zip(here, there, strict=True):
        for x, y in zip(a, b, strict=True):
            if isinstance(x, int | float) and not isinstance(x, bool):
                assert float(x) == pytest.approx(y, rel=1e-6), (name, a, b)
            else:
                assert x == y, (name, a, b)
