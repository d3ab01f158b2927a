"""What cannot be loaded is said in its place, with what to do, and nothing throws: each kind of file is kept from the page once."""

from __future__ import annotations

import pytest

#: the browser's own line about the request that was refused
REFUSED = "console: Failed to load resource"
#: page → files that are kept from it, and the name of the one that it then misses
TABLES = {
    "leaderboard": ("summary/*.parquet", "hcrl-sa.zero-shot.parquet"),
    "errors": ("release/predictions{.parquet,/**}", "predictions.parquet"),
    "graph": ("release/graphs.parquet", "graphs.parquet"),
    "live": ("release/runs.parquet", "runs.parquet"),
}


def without(visit, pattern: str, path: str) -> None:
    """Open a page while requests that match `pattern` fail."""
    visit.page.route(pattern, lambda route: route.abort())
    visit.page.goto(visit.site + path)


def only_refused(visit) -> None:
    """Nothing went wrong but the refused requests."""
    assert [line for line in visit.wrong if not line.startswith(REFUSED)] == []
    visit.wrong.clear()


@pytest.mark.parametrize(("page", "files", "missed"), [(page, *told) for page, told in TABLES.items()])
def test_a_table_that_does_not_come_is_named_where_its_figure_would_be(visit, page: str, files: str, missed: str):
    without(visit, f"**/{files}", f"paper/results/{page}.html")
    sentence = visit.page.locator(".kdgat-error").first
    sentence.wait_for()
    assert f"{missed} cannot be read" in sentence.text_content()
    assert "Load the page again" in sentence.text_content()
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    only_refused(visit)


@pytest.mark.parametrize("page", ["errors", "sql", "live"])
def test_without_a_manifest_the_release_is_said_to_be_unreadable(visit, page: str):
    without(visit, "**/release/manifest.json", f"paper/results/{page}.html")
    visit.page.locator(".kdgat-error", has_text="manifest.json cannot be read").first.wait_for()
    only_refused(visit)


def test_speeds_of_other_releases_that_do_not_come_leave_the_rest_as_it_is(visit):
    without(visit, "**/releases/index.json", "paper/results/runs.html")
    visit.page.locator(".kdgat-error", has_text="index.json").first.wait_for()
    visit.page.wait_for_selector(".kdgat-figure svg")
    only_refused(visit)


def test_without_the_figures_code_pictures_stand_for_them(visit):
    without(visit, "**/assets/kdgat.js", "paper/results/leaderboard.html")
    visit.page.locator("main > .kdgat-error", has_text="The figures cannot be loaded").wait_for()
    assert visit.page.locator(".static-twin img").is_visible()
    assert visit.page.locator(".ojs-cell:visible").count() == 0
    # the cells' own runtime tells of them, too
    visit.wrong[:] = [line for line in visit.wrong if "dynamically imported module" not in line]
    only_refused(visit)


@pytest.mark.parametrize("file", ["duckdb-eh.wasm", "duckdb-browser-eh.worker.js", "runs.parquet"])
def test_a_database_that_cannot_start_says_so(visit, file: str):
    without(visit, f"**/{file}", "paper/results/sql.html?q=select+1+as+n")
    visit.page.get_by_role("button", name="Run").click()
    sentence = visit.page.locator(".kdgat-result .kdgat-error")
    sentence.wait_for(timeout=20_000)
    assert "Load the page again" in sentence.text_content()
    only_refused(visit)


@pytest.mark.parametrize("pattern", ["**/*.onnx", "**/onnx/*.wasm"])
def test_a_detector_that_cannot_start_says_so(visit, pattern: str):
    without(visit, pattern, "paper/results/live.html")
    visit.page.get_by_role("button", name="Start").click()
    sentence = visit.page.locator(".kdgat-live .kdgat-error")
    sentence.wait_for(timeout=20_000)
    assert "Load the page again" in sentence.text_content()
    only_refused(visit)


def test_a_browser_without_webassembly_is_told_so(visit):
    visit.page.add_init_script("delete globalThis.WebAssembly")
    visit.page.goto(f"{visit.site}paper/results/sql.html?q=select+1+as+n")
    visit.page.get_by_role("button", name="Run").click()
    visit.page.locator(".kdgat-result .kdgat-error", has_text="needs WebAssembly").wait_for()
    visit.page.goto(f"{visit.site}paper/results/live.html")
    visit.page.get_by_role("button", name="Start").click()
    visit.page.locator(".kdgat-live .kdgat-error", has_text="needs WebAssembly").wait_for()


def test_a_number_whose_trace_does_not_come_says_so(visit):
    without(visit, "**/traces/*", "index.html")
    number = visit.page.locator(".num[role=button]").first
    number.click()
    panel = visit.page.get_by_role("dialog", name="Where this number comes from")
    panel.wait_for()
    panel.get_by_text("shared-facts.json cannot be read").wait_for()
    only_refused(visit)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("leaderboard.html?models=none", "nothing was selected"),
        ("curves.html?models=none", "No training curve was selected"),
        ("ablations.html?factors=none", "no ablations for the selection"),
    ],
)
def test_a_choice_that_matches_nothing_says_so(visit, address: str, sentence: str):
    visit.page.goto(f"{visit.site}paper/results/{address}")
    visit.page.locator(".kdgat-empty", has_text=sentence).wait_for()


@pytest.mark.parametrize(
    "address",
    [
        "errors.html?threshold=x&seed=9",
        "graph.html?graph=x",
        "curves.html?epochs=7-x",
    ],
)
def test_an_address_that_makes_no_sense_shows_the_page_as_it_is(visit, address: str):
    visit.page.goto(f"{visit.site}paper/results/{address}")
    visit.page.wait_for_selector(".kdgat-figure svg, .kdgat-figure canvas")
    assert visit.page.locator(".kdgat-error").count() == 0
