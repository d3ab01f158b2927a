"""Today's sources render every committed release: each variable is known, each cell of the manuscript makes a table."""

from __future__ import annotations

import json
import os
import re

import pytest

from analysis import prerender
from analysis.claims import judged
from analysis.numbers import Numbers
from analysis.reference.sources import sources, uses
from analysis.releases.release import Release
from kdgat.paths import REPO

CELL = re.compile(r"^```\{python\}\n(.*?)^```", re.M | re.S)
#: the oldest has the least; the others, a quarter of a minute each, in `make soak`
RELEASES = sorted(json.loads((REPO / "data" / "frozen" / "index.json").read_text()))


@pytest.mark.parametrize("name", RELEASES if os.environ.get("KDGAT_SOAK") else RELEASES[:1])
def test_every_variable_and_cell_of_the_paper_has_a_value(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KDGAT_RELEASE", name)
    numbers = Numbers(Release.open())
    prerender.variables(numbers, list(uses(sources(REPO))), REPO)
    states = [j.verdict.state for j in judged.of_project(numbers, REPO)]
    assert set(states) == {"true"} if Release.open().current else "true" in states
    index = (REPO / "paper" / "index.qmd").read_text()
    included = re.findall(r"\{\{< include (sections/\S+) >\}\}", index)
    text = "\n".join((REPO / "paper" / file).read_text() for file in included)
    cells, names = CELL.findall(text), {}
    assert len(cells) > 10
    for cell in cells:
        *setup, shown = [line for line in cell.splitlines() if line and not line.startswith("#|")]
        exec("\n".join(setup), names)  # as the kernel does, whose cells share their names
        rows = eval(shown.replace("Markdown", "str", 1), names).splitlines()
        assert rows[1].startswith("| :--") and len(rows) > 2, cell
