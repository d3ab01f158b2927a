"""The draft renderer on the real sources, with each kind of release, and its refusals on broken sources."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rendering import NODE_MODULES, REPO, copy_sources, freeze_fake, render
from tools.draft import cells
from tools.draft.project import DraftError, Project

needs_node = pytest.mark.skipif(not NODE_MODULES.is_dir(), reason="paper/figures/node_modules is missing: npm ci")


@needs_node
def test_every_page_renders_with_one_dataset_and_says_that_it_is_synthetic(tmp_path: Path):
    datasets = {"synthetic": "synthetic"}  # tests/browser renders a release of two
    project = copy_sources(REPO, tmp_path / "a b--ü#'x")  # paths are neither URLs nor Markdown
    freeze_fake(tmp_path / "frozen", datasets)
    done = render(project, frozen=tmp_path / "frozen")
    assert done.returncode == 0, done.stderr
    pages = sorted((project / "_site").rglob("*.html"))
    assert [str(p.relative_to(project / "_site")) for p in pages if p.name == "index.html"] == [
        "index.html",
        "paper/index.html",
    ]
    assert (project / "_site" / "paper" / "index.pdf").read_bytes().startswith(b"%PDF")
    for page in pages:
        text = page.read_text()
        assert not re.search(r"\?var|\?@|\{\{<", text), page
        assert re.search(r'<meta name="kdgat-release" content="fake [0-9a-f]{64}">', text), page
        assert "Draft: rendered without Quarto" in text
        assert "Synthetic data:" in text, page
    paper = (project / "_site" / "paper" / "index.html").read_text()
    assert 'data-key="synthetic.test_01.gat_student.zero_shot.f1"' in paper


def page(tmp_path: Path, body: str) -> Project:
    """A project of one page."""
    (tmp_path / "_quarto.yml").write_text("project: {render: [a.qmd]}\nformat: {html: {}}\n")
    (tmp_path / "_variables.yml").write_text("a: {b: '[1]{.num}'}\n")
    (tmp_path / "a.qmd").write_text(f"---\ntitle: A {{{{< var a.b >}}}}\n---\n{body}")
    return Project(tmp_path)


def test_variables_are_replaced_in_text_and_metadata_but_not_in_code(tmp_path: Path):
    project = page(tmp_path, "x {{< var a.b >}}\n```\n{{< var a.b >}}\n```\n")
    read = project.page(Path("a.qmd"))
    assert read.meta["title"] == "A [1]{.num}"
    assert project.substitute(read.body, "a.qmd") == "x [1]{.num}\n```\n{{< var a.b >}}\n```\n"


@pytest.mark.parametrize("body", ["{{< var a.c >}}", "{{< var a >}}", "{{< video x >}}"])
def test_an_unknown_variable_or_shortcode_is_refused(tmp_path: Path, body: str):
    project = page(tmp_path, body)
    with pytest.raises(DraftError, match=r"^a\.qmd: "):
        project.substitute(project.page(Path("a.qmd")).body, "a.qmd")


def test_a_missing_include_is_refused(tmp_path: Path):
    with pytest.raises(DraftError, match=r"missing\.qmd does not exist"):
        page(tmp_path, "{{< include missing.qmd >}}\n").page(Path("a.qmd"))


def test_cells_show_markdown_and_nothing_else(tmp_path: Path):
    output = cells.run(
        '```{python}\n#| label: tbl-a\n#| tbl-cap: "A."\nfrom IPython.display import Markdown\nMarkdown("|a|")\n```\n',
        "a.qmd",
        tmp_path,
    )
    assert output.split() == [":::", "{#tbl-a}", "|a|", "A.", ":::"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [("1 / 0", "division by zero"), ("print(1)", "without Markdown"), ("#| fig-width: 3\n1", "fig-width")],
)
def test_a_cell_that_fails_or_shows_something_else_is_refused(tmp_path: Path, code: str, reason: str):
    with pytest.raises(DraftError, match=reason):
        cells.run(f"```{{python}}\n{code}\n```\n", "a.qmd", tmp_path)


@pytest.mark.parametrize(
    ("code", "reason"),
    [("import time; time.sleep(600)", r"^a\.qmd: a cell took longer than 2 s$"), ("import os; os._exit(1)", "died")],
)
def test_a_cell_that_hangs_or_dies_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
):
    monkeypatch.setattr(cells, "LIMIT", 2 if "sleep" in code else 600)
    with pytest.raises(DraftError, match=reason):
        cells.run(f"```{{python}}\n{code}\n```\n", "a.qmd", tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("See @fig-nowhere.", "unresolved reference @fig-nowhere"),
        ("::: {.callout-note}\nx\n:::", "callout-note is not supported"),
        ("![A](a.svg){#fig-a}\n\n![B](b.svg){#fig-a}", "two elements"),
        ('::: {.content-visible when-format="docx"}\nx\n:::', "when-format"),
    ],
)
def test_what_the_filter_cannot_resolve_is_refused(text: str, reason: str):
    from tools.draft.__main__ import HERE, pandoc

    with pytest.raises(DraftError, match=reason):
        pandoc(text, ["--to=html5", f"--lua-filter={HERE / 'filter.lua'}"], "a.qmd")


def test_floats_equations_and_sections_are_numbered_in_order():
    from tools.draft.__main__ import HERE, pandoc

    text = "# A {#sec-a}\n\n$$\nx\n$$ {#eq-x}\n\n| a |\n|---|\n| 1 |\n\n: T. {#tbl-t}\n\n![F.](f.svg){#fig-f}\n\n"
    text += "@eq-x, @tbl-t, @fig-f, @sec-a\n"
    page = pandoc(text, ["--to=html5", "--mathml", f"--lua-filter={HERE / 'filter.lua'}"], "a.qmd")
    assert re.findall(r'class="quarto-xref">([^<]+)<', page) == [
        f"{name}\u00a01" for name in ("Equation", "Table", "Figure", "Section")
    ]


def test_prerender_names_the_one_command_where_nothing_is_installed(tmp_path: Path):
    copy = tmp_path / "tools"
    copy.mkdir()
    (copy / "prerender.py").write_text((REPO / "tools" / "prerender.py").read_text())
    done = subprocess.run(
        [sys.executable, "-S", str(copy / "prerender.py")], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "make site" in done.stderr
