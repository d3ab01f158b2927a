"""Today's sources render every committed release: the current one with every claim true, the others with what they lack struck."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from analysis.checks import claims, second
from analysis.checks.extension import extension
from analysis.checks.pages import read_page
from analysis.checks.verification import verify_sources
from analysis.claims.judged import OfRelease
from analysis.numbers import Numbers
from analysis.releases.release import Release
from kdgat.paths import REPO
from tests.rendering import NODE_MODULES, copy_sources, render

FROZEN = REPO / "data" / "frozen"
CURRENT = (FROZEN / "current").read_text().strip()
#: the oldest has the least; the others in `make soak`
RELEASES = sorted(json.loads((FROZEN / "index.json").read_text()))


@pytest.mark.slow
@pytest.mark.skipif(not NODE_MODULES.is_dir(), reason="paper/figures/node_modules is missing: npm ci")
@pytest.mark.parametrize("name", RELEASES if os.environ.get("KDGAT_SOAK") else RELEASES[:1])
def test_it_is_rendered_and_says_what_it_does_not_bear_out(name: str, tmp_path: Path):
    project = copy_sources(REPO, tmp_path / "project")
    done = render(project, frozen=FROZEN, release=name)
    assert done.returncode == 0, done.stderr
    values = OfRelease(Numbers(Release(FROZEN / name)))
    all_claims = []
    for file in sorted((project / "_site").rglob("*.html")):
        text = file.read_text()
        assert not re.search(r"\?var|\?@|\{\{<", text), file
        page = read_page(file)
        assert claims.differences(page.claims, values) == [], file
        all_claims += page.claims
        assert ("not in this release" in text or "<del>" in text or page.gave_way) <= (name != CURRENT), file
    assert {claim.state for claim in all_claims} >= {"true"}
    if name == CURRENT:
        assert {claim.state for claim in all_claims} == {"true"}
    else:
        assert "false" in {claim.state for claim in all_claims}
    if os.environ.get("KDGAT_SOAK"):  # as long as all the rest
        assert second.problems(project / "_site", project, Release(FROZEN / name)) == ([], "")


def test_sources_and_current_release_agree_with_each_other_and_with_what_was_extended() -> None:
    current = Release(FROZEN / CURRENT)
    assert verify_sources(REPO, current) == []
    assert extension(current, current.contents()) == []
