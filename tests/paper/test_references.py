"""Every reference says where it was seen, is cited, and is there once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ENTRY = re.compile(r"@(\w+)\{([\w-]+),\n(.*?)\n\}", re.S)
FIELD = re.compile(r"^\s*(\w+) = \{(.*)\},?$", re.M)


@pytest.fixture(scope="module")
def entries(repo: Path) -> dict[str, dict[str, str]]:
    text = (repo / "paper" / "references.bib").read_text()
    found = {key: dict(FIELD.findall(body)) for _, key, body in ENTRY.findall(text)}
    assert len(found) == text.count("\n@")
    return found


def test_every_entry_has_what_a_reader_needs(entries):
    for key, fields in entries.items():
        assert {"author", "title", "year", "url"} <= fields.keys(), key
        assert re.fullmatch(r"(19|20)\d\d", fields["year"]), key
        assert fields["url"].startswith("http"), key


def test_dois_are_well_formed_and_unique(entries):
    dois = [fields["doi"] for fields in entries.values() if "doi" in fields]
    assert all(re.fullmatch(r"10\.\d{4,9}/\S+", doi) for doi in dois)
    assert len(set(dois)) == len(dois)
    titles = [fields["title"].lower() for fields in entries.values()]
    assert len(set(titles)) == len(titles)


def cited(text: str) -> set[str]:
    """Keys that a text cites."""
    return set(re.findall(r"@([a-z]+\d{4}\w*)", text))


def test_what_is_cited_is_there_and_what_is_there_is_cited(entries, repo: Path):
    text = "".join(path.read_text() for path in (repo / "paper").rglob("*.qmd") if "node_modules" not in path.parts)
    assert cited(text) == set(entries)
    assert len(entries) >= 20
    assert cited(f"{text} as [see @nobody2020never, p. 3] says") - set(entries) == {"nobody2020never"}


def test_a_citation_that_the_bibliography_lacks_stops_the_rendering(repo: Path):
    from tools.draft.__main__ import pandoc
    from tools.draft.project import DraftError

    arguments = ["--to=html5", "--citeproc", f"--bibliography={repo / 'paper' / 'references.bib'}"]
    assert "Song" in pandoc("Seen [@song2016intervals].", arguments, "a.qmd")
    with pytest.raises(DraftError, match="nobody2020never"):
        pandoc("Seen [@nobody2020never].", arguments, "a.qmd")
