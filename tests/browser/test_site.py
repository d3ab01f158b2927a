"""The rendered pages in a real browser: figures are there, nothing comes from outside, they fit a phone."""

from __future__ import annotations

import json
from urllib.parse import quote

import duckdb
import pytest

from tests.rendering import NODE_MODULES

PAGES = {
    "index.html": 1,
    "paper/index.html": 0,
    "paper/results/leaderboard.html": 1,
    "paper/results/curves.html": 1,
    "paper/results/ablations.html": 1,
    "paper/results/graph.html": 5,
    "paper/results/datasets.html": 2,
    "paper/results/errors.html": 6,
    "paper/results/fusion.html": 3,
    "paper/results/embeddings.html": 1,
    "paper/results/distillation.html": 2,
    "paper/results/live.html": 2,
    "paper/results/runs.html": 3,
    "paper/results/sql.html": 0,
}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "color_scheme": "dark"}
SHOWN = ".kdgat-figure svg, .kdgat-figure canvas"


@pytest.mark.parametrize("visit", [DESKTOP, PHONE], indirect=True, ids=["desktop", "phone-dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_its_figures_fits_and_is_accessible(visit, path: str):
    visit.open(path)
    if PAGES[path]:
        visit.page.wait_for_selector(SHOWN)
    assert visit.page.locator(".kdgat-figure").count() == PAGES[path]
    assert visit.page.locator(".kdgat-error").count() == 0
    assert visit.page.locator("main svg, main canvas, main img").count() >= PAGES[path]
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # pictures that stand for figures where no script runs are not even fetched here
    broken = "[...document.images].filter((i) => i.checkVisibility() && !i.naturalWidth).map((i) => i.src)"
    assert visit.page.evaluate(broken) == []
    visit.page.wait_for_timeout(200)  # figures fade in, and contrast is measured
    visit.page.add_script_tag(path=str(NODE_MODULES / "axe-core" / "axe.min.js"))
    violations = visit.page.evaluate("axe.run({exclude: [['#tbl-runs'], ['#tbl-hyperparameters'], ['#tbl-alarms']]})")[
        "violations"
    ]
    assert [(v["id"], v["nodes"][0]["html"][:160]) for v in violations] == []


def test_an_input_redraws_and_stands_in_the_address(visit):
    visit.open("paper/results/leaderboard.html?dataset=synthetic&metric=recall")
    visit.page.wait_for_selector(SHOWN)
    assert "recall" in visit.page.locator(".kdgat-chart").get_attribute("aria-label")
    visit.page.get_by_label("metric").select_option(label="Precision")
    visit.page.wait_for_selector('.kdgat-chart[aria-label^="precision"]')
    assert "dataset=synthetic" in visit.page.url
    assert "metric=precision" in visit.page.url


def test_back_takes_a_filter_back(visit):
    visit.open("paper/results/leaderboard.html")
    visit.page.wait_for_selector(SHOWN)
    metric = visit.page.get_by_label("metric")
    metric.select_option(label="Precision")
    metric.select_option(label="Recall")
    visit.page.wait_for_selector('.kdgat-chart[aria-label^="recall"]')
    visit.page.go_back()
    visit.page.wait_for_selector('.kdgat-chart[aria-label^="precision"]')
    visit.page.go_back()
    visit.page.wait_for_selector('.kdgat-chart[aria-label^="f1"]')
    assert metric.locator("option:checked").text_content() == "F1"


@pytest.mark.parametrize("visit", [DESKTOP | {"color_scheme": "dark"}], indirect=True, ids=["dark"])
def test_paper_shows_the_light_scheme_and_what_was_chosen(visit):
    visit.open("paper/results/leaderboard.html?dataset=hcrl-sa&metric=recall")
    visit.page.wait_for_selector(SHOWN)
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    visit.page.emulate_media(media="print")
    ink = "getComputedStyle(document.body).getPropertyValue('--kdgat-ink')"
    assert visit.page.evaluate(ink) == "#1c2024"
    assert "metric: Recall" in visit.page.locator(".kdgat-print").inner_text()
    assert visit.page.locator(".controls:visible, .kdgat-data:visible").count() == 0


def test_pages_lead_to_the_ones_before_and_after(visit):
    visit.open("paper/results/leaderboard.html")
    joined = visit.page.get_by_role("navigation", name="Pages before and after")
    assert [link.text_content() for link in joined.locator("a").all()] == ["← Talk", "Errors and thresholds →"]


def test_the_data_table_behind_a_chart_holds_the_release(visit):
    visit.open("paper/results/leaderboard.html?dataset=hcrl-sa")
    visit.page.locator(".kdgat-data summary").click()
    rows = visit.page.locator(".kdgat-data tbody tr")
    rows.first.wait_for()
    cells = rows.first.locator("td").all_text_contents()
    assert cells[1] == "test_01"
    key = "hcrl_sa.test_01." + cells[0].replace("-", "_") + ".zero_shot.f1"
    trace = json.loads(visit.page.evaluate("fetch('../../assets/trace.json').then((r) => r.text())"))
    assert abs(float(cells[3]) - trace["numbers"][key]["value"]) < 1e-3
    rows.first.locator(".num").click()
    panel = visit.page.get_by_role("dialog", name="Where this number comes from")
    panel.locator("dl").wait_for()
    assert key in panel.text_content()


def test_the_data_table_sorts_filters_and_is_saved(visit):
    visit.open("paper/results/leaderboard.html?dataset=hcrl-sa")
    visit.page.locator(".kdgat-data summary").click()
    table = visit.page.locator(".kdgat-data table")
    table.get_by_role("button", name="mean").click()
    table.get_by_role("button", name="mean").click()
    means = [float(text) for text in table.locator("td:nth-child(4)").all_text_contents()]
    assert means == sorted(means, reverse=True)
    visit.page.get_by_role("searchbox").fill("student test_02")
    assert {text for text in table.locator("td:nth-child(2)").all_text_contents()} == {"test_02"}
    with visit.page.expect_download() as saved:
        visit.page.get_by_role("button", name="download CSV").click()
    lines = saved.value.path().read_text().splitlines()
    assert lines[0].startswith("model,scenario,protocol,mean")
    assert len(lines) == 1 + table.locator("tbody tr").count()


def test_a_row_of_the_leaderboard_leads_to_its_runs(visit):
    visit.open("paper/results/leaderboard.html?dataset=hcrl-sa")
    visit.page.locator(".kdgat-data summary").click()
    link = visit.page.locator(".kdgat-data tbody a").first
    model = link.text_content()
    link.click()
    visit.page.wait_for_selector(SHOWN)
    assert f"model={model}" in visit.page.url
    timeline = visit.page.locator(".kdgat-data").first
    timeline.locator("summary").click()
    models = timeline.locator("td:nth-child(3)")
    models.first.wait_for()  # the table is made when it is opened
    assert set(models.all_text_contents()) == {model}


def test_the_same_window_is_drawn_the_same_way_twice(visit):
    pictures = []
    for _ in range(2):
        visit.open("paper/results/graph.html")
        visit.page.wait_for_selector(".kdgat-graph")
        pictures.append([graph.inner_html() for graph in visit.page.locator(".kdgat-graph").all()])
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 2  # an attacked window and a benign one beside it
    assert pictures[0][0] != pictures[0][1]


@pytest.mark.parametrize("visit", [DESKTOP, PHONE], indirect=True, ids=["desktop", "phone-dark"])
def test_the_front_page_shows_its_finding_on_the_first_screen(visit):
    visit.open("index.html")
    line = visit.page.get_by_role("region", name="GAT student")
    line.wait_for()
    screen = "(node) => node.getBoundingClientRect().bottom <= innerHeight"
    for node in (".finding", ".kdgat-unseen", ".buttons"):
        assert visit.page.locator(node).evaluate(screen), node
    before = line.locator("dd").all_text_contents()
    slider = line.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    assert line.locator("dd").all_text_contents() != before
    links = visit.page.locator(".buttons a").evaluate_all("(all) => all.map((a) => a.getAttribute('href'))")
    assert links == ["paper/index.html", "paper/results/live.html", "#code-and-data"]


def test_the_line_on_the_front_page_leads_to_each_station_by_keyboard(visit):
    visit.open("index.html")
    stations = visit.page.locator(".line a")
    names = stations.locator("strong").all_text_contents()
    assert names == ["Captures", "Windows", "Graphs", "VGAE", "GAT", "Fusion", "Release", "Sentence"]
    for number in range(len(names)):
        visit.open("index.html")
        stations.first.focus()
        for _ in range(number):
            visit.page.keyboard.press("Tab")
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_url("**/paper/**")
        assert visit.page.locator("main h1").count() > 0, names[number]


def test_dragging_over_a_curve_zooms_and_a_button_takes_it_back(visit):
    visit.open("paper/results/curves.html?dataset=hcrl-sa")
    box = visit.page.locator(".kdgat-brush .overlay").first.bounding_box()
    mouse = visit.page.mouse
    mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 20)
    mouse.down()
    mouse.move(box["x"] + box["width"] - 2, box["y"] + 30, steps=5)
    mouse.up()
    visit.page.wait_for_function("location.search.includes('epochs=1-2')")
    assert visit.page.get_by_label("epochs, from").input_value() == "1"
    visit.page.get_by_role("button", name="all").click()
    visit.page.wait_for_function("location.search.includes('epochs=0-3')")


def test_the_scheme_can_be_switched_and_is_kept(visit):
    visit.open("index.html")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = visit.page.evaluate(ground)
    visit.page.get_by_role("button", name="Switch between light and dark").click()
    dark = visit.page.evaluate(ground)
    assert light != dark
    visit.open("paper/results/curves.html")
    assert visit.page.evaluate(ground) == dark


def facts(page) -> dict[str, str]:
    """The list of facts beside the confusion matrix."""
    names = page.locator(".kdgat-facts dt").all_text_contents()
    return dict(zip(names, page.locator(".kdgat-facts dd").all_text_contents(), strict=True))


def test_the_threshold_begins_at_the_operating_point_and_drives_everything(visit):
    visit.open("paper/results/errors.html?dataset=hcrl-sa&scenario=test_02&model=vgae-student&seed=1")
    visit.page.wait_for_selector(".kdgat-facts")
    counts = [int(cell) for cell in visit.page.locator(".kdgat-confusion td").all_text_contents()]
    rows, points = visit.page.evaluate(
        """import(new URL("../../assets/kdgat.js", document.baseURI)).then((kdgat) => {
            const release = kdgat.open(new URL("../../assets/release/", document.baseURI));
            return Promise.all([release.table("confusion"), release.table("operating_points")]);
        })"""
    )
    used = {"dataset": "hcrl-sa", "model": "vgae-student", "seed": 1, "protocol": "zero-shot"}
    (point,) = [r for r in points if all(r[k] == v for k, v in used.items())]
    assert visit.page.evaluate("document.querySelector('input[type=range]').form.value") == point["threshold"]
    used |= {"scenario": "test_02", "attack": "all"}
    (row,) = [r for r in rows if all(r[k] == v for k, v in used.items())]
    assert counts == [row["tp"], row["fn"], row["fp"], row["tn"]]

    before = facts(visit.page)
    slider = visit.page.locator("input[type=range]").first
    slider.focus()
    slider.press("Home")
    visit.page.wait_for_function(
        "(f1) => document.querySelector('.kdgat-facts dd').textContent !== f1", arg=before["F1"]
    )
    assert facts(visit.page)["recall"] == "1"
    assert "threshold=" in visit.page.url


def test_a_loop_around_points_lists_their_windows(visit):
    visit.open("paper/results/embeddings.html?dataset=hcrl-sa")
    visit.page.wait_for_selector("canvas")
    box = visit.page.locator("canvas").bounding_box()
    mouse = visit.page.mouse
    mouse.move(box["x"] + 2, box["y"] + 2)
    mouse.down()
    for x, y in ((0.5, 0.01), (0.5, 0.99), (0.01, 0.99), (0.01, 0.01)):
        mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
    mouse.up()
    visit.page.wait_for_selector('[aria-label="Data: Selected windows"]')
    attacks = visit.page.locator('[aria-label="Data: Selected windows"] td:nth-child(4)').all_text_contents()
    assert set(attacks) == {"benign"}  # made up so that attacked windows lie on the right
    visit.open(visit.page.url.removeprefix(visit.site))  # the loop stands in the address
    visit.page.wait_for_selector('[aria-label="Data: Selected windows"]')
    assert visit.page.locator('[aria-label="Data: Selected windows"] td:nth-child(4)').count() >= len(attacks) - 2


def test_a_loop_is_drawn_by_keys_alone(visit):
    visit.open("paper/results/embeddings.html?dataset=hcrl-sa")
    canvas = visit.page.locator("canvas")
    canvas.focus()
    keys = visit.page.keyboard
    for arrow, steps in (("ArrowLeft", 40), ("ArrowUp", 30), ("ArrowRight", 90), ("ArrowDown", 60), ("ArrowLeft", 90)):
        for _ in range(steps):
            keys.press(arrow)
        keys.press(" ")
    keys.press("Enter")
    visit.page.wait_for_selector('[aria-label="Data: Selected windows"]')
    assert "windows selected" in visit.page.locator(".kdgat-readout").text_content()
    assert "loop=" in visit.page.url
    keys.press("Escape")
    visit.page.get_by_text("Windows inside your loop are listed here").wait_for()


@pytest.mark.parametrize("visit", [DESKTOP | {"reduced_motion": "reduce"}], indirect=True)
def test_nothing_moves_where_less_motion_is_asked_for(visit):
    visit.open("paper/results/leaderboard.html")
    visit.page.wait_for_selector(SHOWN)
    assert visit.page.evaluate("document.getAnimations().length") == 0
    name = "getComputedStyle(document.querySelector('.kdgat-figure')).animationName"
    assert visit.page.evaluate(name) == "none"


def test_the_threshold_moves_what_is_there_and_draws_nothing_anew(visit):
    visit.open("paper/results/errors.html?dataset=hcrl-sa&model=gat-student")
    visit.page.wait_for_selector(".kdgat-facts")
    visit.page.evaluate("window.before = [...document.querySelectorAll('.kdgat-figure')]")
    line = visit.page.locator("line[stroke-dasharray='4 3']")
    place = line.get_attribute("x1")
    slider = visit.page.locator("input[type=range]").first
    slider.focus()
    slider.press("End")
    assert line.get_attribute("x1") != place
    same = "before.every((node, i) => node === document.querySelectorAll('.kdgat-figure')[i])"
    assert visit.page.evaluate(same)


def test_sql_runs_in_the_page_and_the_query_stands_in_the_address(visit):
    visit.open("paper/results/sql.html?q=select+count(*)+as+n+from+runs&view=table")
    assert visit.page.locator(".kdgat-result").text_content() == ""  # whoever wrote the address does not run it
    visit.page.get_by_role("button", name="Run").click()
    cell = visit.page.locator(".kdgat-result td")
    cell.wait_for(timeout=20_000)
    expected = visit.page.evaluate("fetch('../../assets/release/manifest.json').then((r) => r.json())")
    assert int(cell.text_content()) == expected["tables"]["runs"]["rows"]
    visit.page.get_by_role("textbox", name="Query").fill("select nonsense from runs")
    visit.page.get_by_role("button", name="Run").click()
    visit.page.locator(".kdgat-result .kdgat-error").wait_for()
    lines = visit.page.locator(".kdgat-result").inner_text().splitlines()
    assert lines[-1].index("^") == lines[-2].index("nonsense")  # DuckDB's caret stands below the place
    assert "nonsense" in visit.page.url


#: what a query asks for, and what a reader sees
TYPES = {
    "0.5": "0.5",
    "1.25::decimal(10, 2)": "1.25",
    "123456789012345678.25::decimal(20, 2)": "123456789012345678.25",
    "170141183460469231731687303715884105727::hugeint": "170141183460469231731687303715884105727",
    "9007199254740993::bigint": "9007199254740993",
    "date '2026-01-02'": "2026-01-02",
    "time '03:04:05'": "03:04:05",
    "timestamp '2026-01-02 03:04:05'": "2026-01-02 03:04:05",
    "interval 3 days": "3 days",
    "[1, 2]": "[1, 2]",
    "{'a': 1, 'b': 'x'}": "{'a': 1, 'b': x}",
    "true": "true",
    "'text'": "text",
    "'ff'::blob": "ff",
}


def test_sql_shows_every_type_as_duckdb_does(visit):
    columns = ", ".join(f"{asked} as c{i}" for i, asked in enumerate(TYPES))
    visit.open(f"paper/results/sql.html?q={quote(f'select {columns}, null as empty, 1 as n, 2 as n')}&view=table")
    visit.page.get_by_role("button", name="Run").click()
    cells = visit.page.locator(".kdgat-result td")
    cells.first.wait_for(timeout=20_000)
    assert dict(zip(TYPES, cells.all_text_contents(), strict=False)) == TYPES
    assert visit.page.locator(".kdgat-result th").all_text_contents()[-3:] == ["empty", "n", "n (2)"]
    assert cells.all_text_contents()[-2:] == ["1", "2"]


def test_sql_answers_each_statement_and_begins_anew(visit):
    visit.open("paper/results/sql.html")
    query, run = visit.page.get_by_role("textbox", name="Query"), visit.page.get_by_role("button", name="Run")
    query.fill("drop view runs; create table runs as select 7 as n; select n from runs; select ';' as text")
    run.click()
    visit.page.locator(".kdgat-statement").nth(3).wait_for(timeout=20_000)
    assert visit.page.locator(".kdgat-result td").all_text_contents()[-2:] == ["7", ";"]
    query.fill("select distinct data_kind from runs order by 1")
    run.click()
    visit.page.locator(".kdgat-result td", has_text="real").wait_for()
    with visit.page.expect_download() as saved:
        visit.page.get_by_role("button", name="download Parquet").click()
    rows = duckdb.read_parquet(str(saved.value.path())).fetchall()
    assert rows == [(text,) for text in visit.page.locator(".kdgat-result td").all_text_contents()]


def test_a_query_is_cancelled_and_the_next_one_runs(visit):
    visit.open("paper/results/sql.html")
    query, run = visit.page.get_by_role("textbox", name="Query"), visit.page.get_by_role("button", name="Run")
    query.fill("select sum(a.range * b.range) as n from range(1000000) a, range(1000000) b")
    run.click()
    visit.page.get_by_role("button", name="Cancel").click()
    visit.page.get_by_text("The query was cancelled.").wait_for()
    query.fill("select count(*) as n from runs")
    run.click()
    visit.page.locator(".kdgat-result td").wait_for(timeout=20_000)


def test_the_schema_tells_what_columns_hold_and_in_which_unit(visit):
    visit.open("paper/results/sql.html")
    table = visit.page.locator(".kdgat-schema", has=visit.page.get_by_text("runs", exact=True))
    table.locator("summary").click()
    row = table.locator("tr", has_text="wall time").locator("td")
    row.first.wait_for()
    assert row.all_text_contents() == ["seconds", "float", "s", "wall time"]


def test_every_example_query_runs_on_the_browsers_duckdb(visit):
    visit.open("paper/results/sql.html")
    for name in visit.page.locator("#kdgat-example option").evaluate_all("(all) => all.map((o) => o.value)"):
        visit.page.get_by_label("Example").select_option(name)
        visit.page.wait_for_function(
            "/rows in|failed/.test(document.querySelector('.kdgat-sql .kdgat-readout').textContent)", timeout=20_000
        )
        assert visit.page.locator(".kdgat-result .kdgat-error").all_text_contents() == [], name


def test_a_number_opens_its_trace_by_keyboard(visit):
    visit.open("paper/index.html")
    number = visit.page.locator("#tbl-main .num[data-key]").first
    number.wait_for()
    visit.page.wait_for_selector(".num[role=button]")
    number.focus()
    number.press("Enter")
    panel = visit.page.get_by_role("dialog", name="Where this number comes from")
    panel.locator("dl").wait_for()
    text = panel.text_content()
    assert number.get_attribute("data-key") in text
    assert "select mean" in text
    assert "kdgat trace" in text
    visit.page.keyboard.press("Escape")
    panel.wait_for(state="hidden")


def test_a_number_is_computed_again_in_the_page_and_leads_to_its_runs(visit):
    visit.open("index.html")
    visit.page.locator(".finding .num[role=button]").first.click()
    panel = visit.page.get_by_role("dialog", name="Where this number comes from")
    panel.get_by_role("button", name="Recompute here").click()
    panel.get_by_text("agrees with the release").wait_for()
    link = panel.locator("a[href*='runs.html']").first
    run = link.text_content()
    link.click()
    visit.page.locator(".kdgat-run caption").wait_for()
    assert visit.page.locator(".kdgat-run caption").text_content() == run


def test_pointing_at_a_citation_shows_its_entry(visit):
    visit.open("paper/index.html")
    link = visit.page.locator('main a[href^="#ref-"]').first
    entry = visit.page.locator(link.get_attribute("href")).text_content()
    link.scroll_into_view_if_needed()
    link.hover()
    preview = visit.page.get_by_role("tooltip")
    assert preview.text_content() == entry
    visit.page.keyboard.press("Escape")
    preview.wait_for(state="hidden")


def test_numbers_on_the_page_equal_their_traces(visit):
    visit.open("paper/index.html")
    trace = visit.page.evaluate("fetch('../assets/trace.json').then((r) => r.json())")["numbers"]
    texts = visit.page.locator(".num[data-key]").evaluate_all("(all) => all.map((n) => [n.dataset.key, n.textContent])")
    assert len(texts) > 100
    assert [(key, text) for key, text in texts if trace[key]["text"] != text] == []


def test_the_talk_has_its_slides_and_none_overflows(visit):
    visit.open("paper/talk.html")
    visit.page.wait_for_function("window.Reveal && Reveal.isReady()")
    total = visit.page.evaluate("Reveal.getTotalSlides()")
    assert total == 11  # the title and ten
    for number in range(total):
        visit.page.evaluate(f"Reveal.slide({number})")
        assert visit.page.evaluate("Reveal.getCurrentSlide().scrollHeight <= Reveal.getConfig().height"), number
    assert visit.page.evaluate("[...document.images].every((i) => i.naturalWidth > 0)")
