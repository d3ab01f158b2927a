"""What a copy editor would mark: misspellings, undefined abbreviations, overlong captions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import prose

#: known to every reader of such a paper, names, or symbols
COMMON = {
    "ORNL",
    "ID",
    "IDs",
    "HTML",
    "PDF",
    "SQL",
    "API",
    "CSV",
    "CPU",
    "ROC",
    "OBD",
    "GATv2",
    "LinUCB",
    "ISO",
    "UTC",
    "KiB",
}
ACRONYM = re.compile(r"\b[A-Z][A-Za-z]?[A-Z]{1,5}\b")
MAX_CAPTION_WORDS = 45


@pytest.fixture(scope="module")
def manuscript(repo: Path) -> str:
    """Abstract and sections in reading order, without code, math, metadata and citations."""
    index = (repo / "paper" / "index.qmd").read_text()
    names = re.findall(r"\{\{< include (sections/\S+) >\}\}", index)
    abstract = re.search(r"^abstract: \|\n((?:  .*\n)+)", index, re.M)
    text = "\n".join([abstract[1], *((repo / "paper" / name).read_text() for name in names)])
    text = text.replace("KD-GAT", "")  # a name
    for pattern in (
        r"```.*?```",
        r"`[^`]*`",
        r"\$\$.*?\$\$",
        r"\$[^$]*\$",
        r"\{\{<.*?>\}\}",
        r"\[@[^\]]*\]",
        r"\{[#.][^}]*\}",
        r"\]\([^)]*\)",
    ):
        text = re.sub(pattern, " ", text, flags=re.S)
    return text


def undefined(text: str) -> list[str]:
    """Abbreviations that are used before they are defined, or never are."""
    names = []
    for name in dict.fromkeys(ACRONYM.findall(text)):
        defined = text.find(f"({name})")
        if name not in COMMON and (defined < 0 or text.index(name) < defined):
            names.append(name)
    return names


def overlong(text: str) -> list[str]:
    """Captions of a source that are longer than a reader takes in."""
    captions = re.findall(r"^!\[([^\]]+)\]", text, re.M)
    captions += re.findall(r'-cap: "([^"]+)"', text) + re.findall(r"^: (.+?) \{#", text, re.M)
    return [caption for caption in captions if len(caption.split()) > MAX_CAPTION_WORDS]


def misspelt(repo: Path, *sources: str) -> str:
    """What codespell prints of some files."""
    pytest.importorskip("codespell_lib", reason="codespell is not installed")
    return subprocess.run(
        [sys.executable, "-m", "codespell_lib", *sources], cwd=repo, capture_output=True, text=True
    ).stdout


def test_abbreviations_are_defined_before_they_are_used(manuscript: str):
    assert undefined(manuscript) == []
    assert undefined(f"{manuscript}\nThe XQZ is new.") == ["XQZ"]
    assert undefined(f"GAT first. {manuscript}") == ["GAT"]


def test_captions_are_short(repo: Path):
    text = "\n".join(path.read_text() for path in (repo / "paper" / "sections").glob("*.qmd"))
    assert overlong(text) == []
    long = "word " * MAX_CAPTION_WORDS + "end"
    for caption in (f"![{long}](a.svg){{#fig-a}}", f'#| tbl-cap: "{long}"', f": {long} {{#tbl-a}}"):
        assert overlong(f"{text}\n{caption}\n") == [long]


def test_nothing_is_misspelt(repo: Path, tmp_path: Path):
    texts = ["analysis/tables/appendix.py", "analysis/reference/equations.toml"]
    assert (
        misspelt(repo, "index.qmd", "paper/index.qmd", "paper/talk.qmd", "paper/sections", "paper/results", *texts)
        == ""
    )
    (tmp_path / "a.qmd").write_text("This is teh end.\n")
    assert "teh ==> the" in misspelt(repo, str(tmp_path / "a.qmd"))


def test_the_prose_is_plain(repo: Path):
    pytest.importorskip("proselint", reason="proselint is not installed")
    assert prose.main() == 0
    assert list(prose.linted({"a.qmd": "---\ntitle: x\n---\n\nThis is very unique, `very unique`.\n"})) == [
        "a.qmd:5: uncomparables: Comparison of an uncomparable: 'very unique' is not comparable.",
        *(breach for breach in prose.linted({"a.qmd": "\n\n\n\nThis is very unique.\n"}) if "weasel" in breach),
    ]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("One panel a scenario is drawn as a panel a scenario.", "one … for each"),
        ("Low in test 02, with one in no scenario.", "how many"),
        ("A succession had come to mean an attack.", "was taken for"),
        ("It is the the end.", "a word twice"),
        ("This novel method utilizes graphs.", "say what it does"),
        ("In order to detect it, we wait.", "to, because"),
        ("word " * 60 + "end.", "a sentence of 61 words"),
    ],
)
def test_what_a_reader_stumbles_over_is_named_with_its_line(text: str, advice: str):
    breaches = list(prose.breaches("a.qmd", f"---\ntitle: x\n---\n\n{text}\n"))
    assert any(problem.startswith("a.qmd:5: ") and advice in problem for problem in breaches), breaches


def test_code_and_attributes_are_no_prose():
    text = 'A `novel , value` in $x , y$.\n\n```\na mark a protocol\n```\n\n[x]{title="a row a model"} {{< var a.b >}}, so.\n'
    assert list(prose.breaches("a.qmd", text)) == []
