"""What real Quarto made of a version of this site, cut down: what reads or joins rendered pages works on its markup, too.

`quarto/<version>` holds a page as Quarto rendered it, without Quarto's own inline scripts, the list of the site's files, and of one version the
search index; `quarto_draft` holds the draft's pages of that version, from which verification must read the same. Scripts do not run in
them, and what a tree lacks is not checked: the test that would, is skipped and says what.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

import pytest
import yaml

from analysis.checks.pages import RenderedPage, Site, read_page
from tools.assets import HEAD

TREES = sorted((Path(__file__).parent / "quarto").iterdir())
DRAFT = Path(__file__).parent / "quarto_draft"
PAGE = "paper/results/leaderboard.html"


class Elements(HTMLParser):
    """Every element of a page with its attributes, in order, and the text of links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, {name: value or "" for name, value in attrs}))

    def having(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """Attributes of elements of a kind of which some match patterns."""
        return [a for t, a in self.all if t == tag and all(re.search(p, a.get(n, "")) for n, p in attributes.items())]


@pytest.fixture(params=TREES, ids=[tree.name for tree in TREES])
def tree(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def elements(tree: Path) -> Elements:
    return Elements((tree / "leaderboard.html").read_text())


@pytest.fixture
def page(tree: Path) -> RenderedPage:
    return read_page(tree / "leaderboard.html", results=True)


def files(tree: Path) -> set[str]:
    return set((tree / "files.txt").read_text().splitlines())


def at(address: str) -> str:
    """An address of the page, from the site's root."""
    parts: list[str] = []
    for part in (PurePosixPath(PAGE).parent / address.partition("#")[0].partition("?")[0]).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def test_verification_reads_a_page(page: RenderedPage) -> None:
    assert re.fullmatch(r"paper-3 [0-9a-f]{64}", page.release)
    assert "default-src 'self'" in page.policy
    assert [image for image in page.images if image.endswith("static/leaderboard.svg")]
    text = " ".join(" ".join(page.blocks).split())
    assert "Which model finds attacks" in text
    assert not re.search(r"\?var:|\?@", text)
    assert [" ".join(loose.split()) for _, loose in page.loose if re.search(r"(?<!\d)0?\.\d", loose)] == []


@pytest.mark.parametrize("name", ["index.html", "leaderboard.html"])
def test_verification_reads_from_quartos_page_what_it_reads_from_the_drafts(tree: Path, name: str) -> None:
    """Release, policy, pictures, keyed numbers, claims and text; Quarto shows the page's description too, the draft a switch of its own."""
    quarto, draft = (read_page(folder / name, results=name != "index.html") for folder in (tree, DRAFT))

    def text(page: RenderedPage) -> list[tuple[str, str]]:
        units = [(element, " ".join(said.split())) for element, said in page.units]
        return [unit for unit in units if unit[0] != "h1" and unit[1] not in ("", "◐")]

    assert (quarto.release, quarto.policy, quarto.images) == (draft.release, draft.policy, draft.images)
    assert text(quarto) == text(draft)
    spans = [[(span.key, span.kind, " ".join(span.text.split())) for span in page.spans] for page in (quarto, draft)]
    assert spans[0] == spans[1] and len(spans[0]) == (26 if name == "index.html" else 0)
    assert quarto.claims == draft.claims


def test_what_a_page_loads_and_links_to_is_on_the_site(tree: Path, page: RenderedPage, tmp_path: Path) -> None:
    # the files that its list names, those that it leaves out beside them
    for name in (*files(tree), "site_libs/quarto-ojs/quarto-ojs-runtime.js", "site_libs/quarto-ojs/quarto-ojs.css"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert Site(tmp_path, tmp_path)._targets(tmp_path / PAGE, page) == []


def test_pages_are_joined_in_the_order_of_the_navigation(tree: Path, elements: Elements, repo: Path) -> None:
    """`page.js` takes the links of the bar: those that end in .html, the brand apart (`page.test.js` runs it on such markup)."""
    start = next(i for i, (_, a) in enumerate(elements.all) if a.get("id") == "quarto-header")
    end = next(i for i, (_, a) in enumerate(elements.all) if a.get("id") == "quarto-content")
    assert [tag for tag, _ in elements.all[start : start + 2]] == ["header", "nav"]
    links = [a for t, a in elements.all[start:end] if t == "a" and "navbar-brand" not in a.get("class", "")]
    pages = list(dict.fromkeys(at(a["href"]) for a in links if a.get("href", "").endswith(".html")))
    bar = yaml.safe_load((repo / "_quarto.yml").read_text())["website"]["navbar"]["left"]
    sources = [entry["href"] for item in bar for entry in item.get("menu", [item])]
    assert pages == [source.replace(".qmd", ".html") for source in sources]
    assert set(pages) <= files(tree)


def test_the_head_finds_the_root_and_the_figures(elements: Elements) -> None:
    """Its script tells the site's root by Quarto's first script, and by the kind of another that figures are to be loaded early."""
    for selector in ('script[src*="site_libs/"]', 'script[type^="ojs"]'):
        assert selector in HEAD
    first, *_ = elements.having("script", src="site_libs/")
    assert at(re.sub(r"(site_libs|assets)/.*$", "assets/kdgat.js", first["src"])) == "assets/kdgat.js"
    assert elements.having("script", type="^ojs")


def test_hashes_cannot_stand_in_for_unsafe_inline(elements: Elements) -> None:
    """Quarto writes handlers into attributes, which a policy's hashes do not allow."""
    assert [a for _, a in elements.all if "quartoToggleColorScheme" in a.get("onclick", "")]


def test_both_schemes_are_marked_on_the_body(elements: Elements) -> None:
    """The project's style sheet asks for `body.quarto-dark`, which Quarto's switch sets; it begins with the light one."""
    (body,) = elements.having("body")
    assert "quarto-light" in body["class"].split()
    assert elements.having("link", rel="stylesheet", href=r"theme/site\.css")


def test_the_search_index_names_pages_of_the_site(tree: Path) -> None:
    index = tree / "search.json"
    if not index.is_file():
        pytest.skip(f"not checked: the tree of {tree.name} has no search.json")
    entries = json.loads(index.read_text())
    assert {entry["href"].partition("#")[0] for entry in entries} <= files(tree)
    assert {name for name in files(tree) if name.startswith("paper/results/")} <= {
        entry["href"].partition("#")[0] for entry in entries
    }
    for entry in entries:
        assert entry["title"]
        assert not re.search(r"\?var:|\?@|\{\{<", entry["text"])


def test_search_asks_no_other_host(tree: Path, elements: Elements) -> None:
    (options,) = elements.having("script", id="quarto-search-options")
    assert options["type"] == "application/json"
    if not any(name.startswith("site_libs/quarto-search/") for name in files(tree)):
        pytest.skip(f"not checked: search was switched off in the tree of {tree.name}, which lacks its script")
