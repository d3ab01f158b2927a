"""What a copy editor would mark: misspellings, undefined abbreviations, overlong captions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

#: known to every reader of such a paper, names, or symbols
COMMON = {"ID", "IDs", "HTML", "PDF", "SQL", "API", "CSV", "CPU", "ROC", "OBD", "GATv2", "LinUCB", "ISO", "UTC"}
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
        r"\$\$.*?\$\$",
        r"\$[^$]*\$",
        r"\{\{<.*?>\}\}",
        r"\[@[^\]]*\]",
        r"\{[#.][^}]*\}",
        r"\]\([^)]*\)",
    ):
        text = re.sub(pattern, " ", text, flags=re.S)
    return text


def test_abbreviations_are_defined_before_they_are_used(manuscript: str):
    undefined = []
    for name in dict.fromkeys(ACRONYM.findall(manuscript)):
        if name in COMMON:
            continue
        first, defined = manuscript.index(name), manuscript.find(f"({name})")
        if defined < 0 or first < defined:
            undefined.append(name)
    assert undefined == []


def test_captions_are_short(repo: Path):
    text = "\n".join(path.read_text() for path in (repo / "paper" / "sections").glob("*.qmd"))
    captions = (
        re.findall(r"^!\[([^\]]+)\]", text, re.M)
        + re.findall(r'-cap: "([^"]+)"', text)
        + re.findall(r"^: (.+?) \{#", text, re.M)
    )
    assert len(captions) > 8
    assert [caption for caption in captions if len(caption.split()) > MAX_CAPTION_WORDS] == []


def test_nothing_is_misspelt(repo: Path):
    pytest.importorskip("codespell_lib", reason="codespell is not installed")
    sources = ["index.qmd", "paper/index.qmd", "paper/sections", "paper/results", "analysis/phrases.py"]
    done = subprocess.run([sys.executable, "-m", "codespell_lib", *sources], cwd=repo, capture_output=True, text=True)
    assert done.stdout == ""
