"""The rendered pages in a real browser: figures are there, nothing comes from outside, they fit a phone."""

from __future__ import annotations

import json

import pytest

from tests.rendering import NODE_MODULES

PAGES = {
    "index.html": 0,
    "paper/index.html": 0,
    "paper/results/leaderboard.html": 1,
    "paper/results/curves.html": 1,
    "paper/results/graph.html": 2,
}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "color_scheme": "dark"}
SHOWN = ".kdgat-figure svg, .kdgat-figure canvas"


@pytest.mark.parametrize("visit", [DESKTOP, PHONE], indirect=True, ids=["desktop", "phone-dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_its_figures_and_fits(visit, path: str):
    visit.open(path)
    if PAGES[path]:
        visit.page.wait_for_selector(SHOWN)
    assert visit.page.locator(".kdgat-figure").count() == PAGES[path]
    assert visit.page.locator(".kdgat-error").count() == 0
    assert visit.page.locator("main svg, main canvas, main img").count() >= PAGES[path]
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    broken = "[...document.images].filter((i) => !i.complete || !i.naturalWidth).map((i) => i.src)"
    assert visit.page.evaluate(broken) == []


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(visit, path: str):
    visit.open(path)
    visit.page.wait_for_timeout(300)
    visit.page.add_script_tag(path=str(NODE_MODULES / "axe-core" / "axe.min.js"))
    found = visit.page.evaluate("axe.run()")["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:120]) for v in found] == []


def test_an_input_redraws_and_stands_in_the_address(visit):
    visit.open("paper/results/leaderboard.html?dataset=synthetic&metric=recall")
    visit.page.wait_for_selector(SHOWN)
    assert "recall" in visit.page.locator(".kdgat-chart").get_attribute("aria-label")
    visit.page.get_by_label("metric").select_option(label="precision")
    visit.page.wait_for_selector('.kdgat-chart[aria-label^="precision"]')
    assert "dataset=synthetic" in visit.page.url
    assert "metric=precision" in visit.page.url


def test_the_data_table_behind_a_chart_holds_the_release(visit):
    visit.open("paper/results/leaderboard.html?dataset=hcrl-sa")
    visit.page.locator(".kdgat-data summary").click()
    rows = visit.page.locator(".kdgat-data tbody tr")
    rows.first.wait_for()
    cells = rows.first.locator("td").all_text_contents()
    assert cells[0] == "test_01"
    key = "hcrl_sa.test_01." + cells[1].replace("-", "_") + ".zero_shot.f1"
    trace = json.loads(visit.page.evaluate("fetch('../../assets/trace.json').then((r) => r.text())"))
    assert abs(float(cells[3]) - trace["numbers"][key]["value"]) < 1e-3


def test_the_same_window_is_drawn_the_same_way_twice(visit):
    drawn = []
    for _ in range(2):
        visit.open("paper/results/graph.html")
        visit.page.wait_for_selector(".kdgat-graph")
        drawn.append(visit.page.locator(".kdgat-graph").inner_html())
    assert drawn[0] == drawn[1]


def test_the_scheme_can_be_switched_and_is_kept(visit):
    visit.open("index.html")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = visit.page.evaluate(ground)
    visit.page.get_by_role("button", name="Switch between light and dark").click()
    dark = visit.page.evaluate(ground)
    assert light != dark
    visit.open("paper/results/curves.html")
    assert visit.page.evaluate(ground) == dark
