"""`paper/claims.lua`, which both renderers run: what a reader sees of a claim that a release does not bear out."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pypandoc
import pytest
import yaml

from kdgat.paths import REPO

VERDICTS = {
    "a.t > 1": {"state": "true", "why": "2 > 1"},
    "a.f > 1": {"state": "false", "why": "0 > 1"},
    "a.m > 1": {"state": "missing", "why": "not in this release: a.m"},
}
TRUE, FALSE, MISSING = (f'{{holds="{holds}"}}' for holds in VERDICTS)


def convert(folder: Path, text: str, to: str = "html5") -> str:
    (folder / "claims.json").write_text(json.dumps(VERDICTS))
    command = [pypandoc.get_pandoc_path(), "--from=markdown", f"--to={to}", "--wrap=none", "--standalone"]
    command += [f"--lua-filter={REPO / 'paper' / 'claims.lua'}", "--metadata=title:T"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("</header>")[-1]


def test_a_claim_that_holds_is_shown_as_it_is_with_what_it_asserts(tmp_path: Path):
    page = convert(tmp_path, f"It is [*more* than one]{TRUE}.")
    assert (
        '<span class="claim" data-holds="a.t &gt; 1" data-state="true" title="2 &gt; 1"><em>more</em> than one</span>.'
        in page
    )
    assert "more" in convert(tmp_path, f"It is [more]{TRUE}.", "typst") and "#strike" not in convert(
        tmp_path, f"[x]{TRUE}", "typst"
    )


@pytest.mark.parametrize(("mark", "note"), [(FALSE, "not borne out by this release"), (MISSING, "not in this release")])
def test_another_is_struck_and_says_why_in_page_and_pdf(tmp_path: Path, mark: str, note: str):
    text = f"First. It is [more]{mark}. [True.]{TRUE} [True.]{TRUE} [True.]{TRUE}"
    page = convert(tmp_path, text)
    assert f'<del>more</del> <span class="claim-note">[{note}]</span>' in page
    assert f"#strike[more] \\[{note}\\]" in convert(tmp_path, text, "typst")


def test_blocks_captions_titles_and_alternative_texts(tmp_path: Path):
    claims = f"[True.]{TRUE} " * 5
    assert re.search(r"<p><del>All of it\.</del> <span", convert(tmp_path, f"{claims}\n\n::: {FALSE}\nAll of it.\n:::"))
    assert (
        "<h1" in (page := convert(tmp_path, f"# A [better]{FALSE} one {{#a}}\n\n{claims}"))
        and "<del>better</del>" in page
    )
    figure = f'{claims}\n\n![The [best]{FALSE}.](a.svg){{#fig-a fig-alt="It wins." alt-holds="a.f > 1"}}'
    page = convert(tmp_path, figure)
    assert "<del>best</del>" in page
    assert (
        'fig-alt="[not borne out by this release] It wins."' in page
        or "[not borne out by this release] It wins." in page
    )
    assert "alt-holds" not in page
    front = f"---\nabstract: It is [more]{FALSE}.\n---\n\nText.\n"
    assert "<del>more</del>" in subprocess.run(
        [pypandoc.get_pandoc_path(), "--to=html5", "--standalone", f"--lua-filter={REPO / 'paper' / 'claims.lua'}", "--metadata=title:T"],
        input=front, capture_output=True, text=True, cwd=tmp_path,
    ).stdout  # fmt: skip


SECTION = """# One

[A.]{a} [B.]{b} [C.]{c}

- a list

::: {{#tbl-a}}

| x |
|---|
| 1 |

A caption.

:::

$$
x
$$

![F.](f.svg){{#fig-f}}

# Two

[D.]{d} stays.
"""


@pytest.mark.parametrize(("b", "gone"), [(TRUE, False), (FALSE, True), (MISSING, True)])
def test_a_section_that_loses_over_half_gives_way_to_its_tables(tmp_path: Path, b: str, gone: bool):
    page = convert(tmp_path, SECTION.format(a=TRUE, b=b, c=FALSE, d=TRUE))
    assert ("gave-way" in page) == gone
    assert ("a list" not in page) == gone
    for element in ("tbl-a", "A caption", "f.svg", "stays", ">Two<", "math"):
        assert element in page, element


def test_exactly_half_is_not_over_half(tmp_path: Path):
    page = convert(tmp_path, f"# One\n\n[A.]{TRUE} [B.]{FALSE}\n")
    assert "gave-way" not in page and "<del>B.</del>" in page


def test_a_claim_that_was_not_judged_stops_the_rendering(tmp_path: Path):
    (tmp_path / "claims.json").write_text("{}")
    done = subprocess.run(
        [pypandoc.get_pandoc_path(), "--to=html5", f"--lua-filter={REPO / 'paper' / 'claims.lua'}"],
        input='[x]{holds="a.x > 1"}', capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode and "not judged before the rendering: a.x > 1" in done.stderr


def test_both_renderers_are_told_of_it():
    project = yaml.safe_load((REPO / "_quarto.yml").read_text())
    assert project["filters"] == ["paper/claims.lua"]


@pytest.mark.parametrize("name", ["finding", "so-what"])
def test_the_line_that_says_what_a_page_is_for_takes_nothing_along(tmp_path: Path, name: str):
    page = convert(tmp_path, f"::: {{.{name}}}\n[It is more]{FALSE}.\n:::\n\nHow to read the figure.\n")
    assert "<del>It is more</del>" in page
    assert "How to read the figure." in page and "gave-way" not in page
