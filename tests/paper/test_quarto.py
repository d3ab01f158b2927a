"""Where Quarto is installed: it and the draft renderer make the same text, numbers and references of the same sources."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kdgat.paths import REPO
from tests.rendering import NODE_MODULES, copy_sources, freeze_fake, render

pytestmark = [
    pytest.mark.skipif(shutil.which("quarto") is None, reason="quarto is not installed"),
    pytest.mark.skipif(not NODE_MODULES.is_dir(), reason="paper/figures/node_modules is missing: npm ci"),
]


class Text(HTMLParser):
    """Text, keyed numbers and cross-references of a page's main part."""

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.skip = 0, 0
        self.words: list[str] = []
        self.keys: list[str] = []
        self.references: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "main":
            self.depth = 1
        if tag in ("script", "style", "math", "nav", "noscript"):
            self.skip += 1
        if self.depth and "data-key" in values:
            self.keys.append(values["data-key"] or "")
        if tag == "a" and "quarto-xref" in (values.get("class") or ""):
            self.references.append(values.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "main":
            self.depth = 0
        if tag in ("script", "style", "math", "nav", "noscript"):
            self.skip -= 1

    def handle_data(self, data: str) -> None:
        if self.depth and not self.skip:
            self.words += re.findall(r"[\w.,%+−–-]+", data)


def read(page: Path) -> Text:
    text = Text()
    text.feed(page.read_text())
    return text


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """`_site` of the draft renderer and of Quarto."""
    folder = tmp_path_factory.mktemp("both")
    freeze_fake(folder / "frozen", {"hcrl-sa": "real"})
    draft, quarto = (copy_sources(REPO, folder / name) for name in ("draft", "quarto"))
    done = render(draft, frozen=folder / "frozen")
    assert done.returncode == 0, done.stderr
    done = render(quarto, frozen=folder / "frozen", command=["quarto", "render"])
    assert done.returncode == 0, done.stderr
    assert not re.search(r"Unable to resolve|\?var:|WARN", done.stderr), done.stderr
    return draft / "_site", quarto / "_site"


def test_quarto_makes_the_same_pages(both):
    draft, quarto = ({str(p.relative_to(site)) for p in site.rglob("*.html")} for site in both)
    assert draft <= quarto
    assert (both[1] / "paper" / "index.pdf").exists()


def test_the_same_numbers_and_references_on_every_page(both):
    for page in sorted(both[0].rglob("*.html")):
        name = page.relative_to(both[0])
        ours, theirs = read(page), read(both[1] / name)
        assert ours.keys == theirs.keys, name
        assert ours.references == theirs.references, name
        missing = set(ours.words) - set(theirs.words)
        assert len(missing) <= 0.02 * len(set(ours.words)) + 3, (name, sorted(missing)[:20])


def test_the_pdfs_hold_the_same_numerals(both):
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    texts = []
    for site in both:
        done = subprocess.run(["pdftotext", str(site / "paper" / "index.pdf"), "-"], capture_output=True, text=True)
        texts.append(sorted(re.findall(r"\d\.\d{3}", done.stdout)))
    assert texts[0] == texts[1]
