"""Every reference says where it was seen, is cited, and is there once."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from analysis.reference import PUBLISHED

ENTRY = re.compile(r"@(\w+)\{([\w-]+),\n(.*?)\n\}", re.S)
FIELD = re.compile(r"^\s*(\w+) = \{(.*)\},?$", re.M)


@pytest.fixture(scope="module")
def entries(repo: Path) -> dict[str, tuple[str, dict[str, str]]]:
    text = (repo / "paper" / "references.bib").read_text()
    references = {key: (kind, dict(FIELD.findall(body))) for kind, key, body in ENTRY.findall(text)}
    assert len(references) == text.count("\n@")
    return references


#: publishers and societies, arXiv, DOI's resolver, and the one repository that is a cited document itself
HOSTS = {"doi.org", "arxiv.org", "www.usenix.org", "static.usenix.org"}
REPOSITORIES = {"https://github.com/frenken-lab/kd-gat-paper"}
#: what an entry of a kind must name besides author, title, year and url
NEEDED = {"article": {"journal", "doi"}, "inproceedings": {"booktitle"}, "misc": set()}


def faults(kind: str, fields: dict[str, str]) -> list[str]:
    """What is wrong with an entry."""
    problems = [f"no {name}" for name in ({"author", "title", "year", "url"} | NEEDED[kind]) - fields.keys()]
    url = urlsplit(fields.get("url", ""))
    if (url.scheme, url.netloc in HOSTS) != ("https", True) and fields.get("url") not in REPOSITORIES:
        problems.append(f"{url.netloc} is no publisher, arXiv or DOI")
    if not re.fullmatch(r"(19|20)\d\d", fields.get("year", "")):
        problems.append("no year")
    if not fields.get("doi") and not fields.get("eprint") and "usenix" not in url.netloc and "note" not in fields:
        problems.append("neither DOI nor arXiv number")
    if "others" in fields.get("author", ""):
        problems.append("authors are left out")
    if url.netloc == "doi.org" and url.path != f"/{fields.get('doi')}":
        problems.append("the address is that of another DOI")
    if "eprint" in fields and fields["url"] != f"https://arxiv.org/abs/{fields['eprint']}":
        problems.append("the address is that of another eprint")
    return problems


def test_every_entry_has_what_a_reader_needs(entries):
    assert {key: problems for key, (kind, fields) in entries.items() if (problems := faults(kind, fields))} == {}
    whole = {
        "author": "A",
        "title": "T",
        "year": "2020",
        "journal": "J",
        "doi": "10.1/x",
        "url": "https://doi.org/10.1/x",
    }
    assert faults("article", whole) == []
    assert faults("article", whole | {"url": "https://mirror.example/10.1/x"}) == [
        "mirror.example is no publisher, arXiv or DOI"
    ]
    assert faults("article", whole | {"url": "https://doi.org/10.1/y"}) == ["the address is that of another DOI"]
    assert faults("article", whole | {"author": "A and others"}) == ["authors are left out"]
    assert faults("misc", {k: v for k, v in whole.items() if k != "doi"} | {"url": "https://arxiv.org/abs/1"})


def test_published_numbers_name_document_table_and_version(entries):
    for table in json.loads(PUBLISHED.read_text()).values():
        assert entries.keys() >= {row["cite"] for row in table["rows"]}
        (cited_once,) = {row["cite"] for row in table["rows"]}
        fields = entries[cited_once][1]
        assert table["document"] == fields["url"]
        assert table["table"].replace("_", "\\_") in fields["note"]
        assert re.fullmatch(r"[0-9a-f]{40}", table["version"]) and table["version"][:7] in fields["note"]


def test_dois_are_well_formed_and_unique(entries):
    dois = [fields["doi"] for _, fields in entries.values() if "doi" in fields]
    assert all(re.fullmatch(r"10\.\d{4,9}/\S+", doi) for doi in dois)
    assert len(set(dois)) == len(dois)
    titles = [fields["title"].lower() for _, fields in entries.values()]
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
