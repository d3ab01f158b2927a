"""The sources keep the rules, and every rule is able to fail."""

from __future__ import annotations

import re

import pytest
import yaml

from analysis.figures import style
from kdgat.paths import REPO
from tools import lint_sources


def test_the_sources_keep_the_rules():
    breaches = [
        p
        for path in lint_sources.sources()
        for p in lint_sources.problems(str(path.relative_to(REPO)), path.read_text())
    ]
    assert breaches == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("As @fig-window [@han2018survival] shows", "citation right after"),
        ("See [@a2020] [@b2021].", "side by side"),
        ("The value is ${x}.", "loads from a CDN"),
        ("Text {{< include a.qmd >}}", "own line"),
        ("{{< video a.mp4 >}}", "shortcodes"),
        ("# Result {{< var a.b >}}", "explicit id"),
        ("With $x = {{< var a.b >}}$ it", "inside math"),
        ("With `{{< var a.b >}}` it", "inside code"),
        ("<script>alert(1)</script>", "no scripts"),
        ("::: {.callout-note}", "not used"),
        ("```{ojs}\nx = {{< var a.b >}}\n```", "is not replaced"),
        ('```{ojs}\nimport {f} from "./x.js"\n```', "static import"),
        ("```{ojs}\ny = x?.z\n```", "does not know"),
        ("```{ojs}\nPlot.plot({})\n```", "builtin"),
        ('```{ojs}\nFileAttachment("a").arrow()\n```', "arrow"),
        ("```{ojs}\na = 1\nb = 2\nc = 3\nd = 4\ne = 5\n```", "belongs in a module"),
        ("```{=html}\n<a href='https://a.b'></a>\n```", "outside addresses"),
    ],
)
def test_a_breach_is_named_with_its_line(line: str, message: str):
    breaches = list(lint_sources.problems("paper/results/x.qmd", f"---\ntitle: x\n---\n\n{line}\n"))
    assert any(message in problem for problem in breaches), breaches
    assert all(problem.startswith("paper/results/x.qmd:") for problem in breaches)


def test_what_is_allowed_is_not_a_breach():
    text = "---\ntitle: x\n---\n\nWith $x$ = {{< var a.b >}} and $y$ see @fig-a and @tbl-b; so [@a2020; @b2021].\n"
    assert list(lint_sources.problems("paper/sections/x.qmd", text)) == []


def test_links_to_pages_stand_in_html_only_in_the_manuscript():
    link = "See the [board](results/leaderboard.qmd).\n"
    assert any("when-format" in p for p in lint_sources.problems("paper/sections/x.qmd", link))
    assert not list(lint_sources.problems("index.qmd", link))
    wrapped = f'::: {{.content-visible when-format="html"}}\n{link}:::\n'
    assert not list(lint_sources.problems("paper/sections/x.qmd", wrapped))


def test_metadata_keeps_what_both_renderers_need():
    root = REPO
    project = yaml.safe_load((root / "_quarto.yml").read_text())
    paper, talk = (
        yaml.safe_load((root / "paper" / name).read_text().split("---\n")[1]) for name in ("index.qmd", "talk.qmd")
    )
    html, pdf, slides = project["format"]["html"], paper["format"]["typst"], talk["format"]["revealjs"]
    assert project["project"]["type"] == "website"  # `manuscript` has open bugs
    assert project["execute"]["freeze"] is False  # it would not see new data
    assert "assets/**" in project["project"]["resources"]  # only what is named here is copied
    assert (html["html-math-method"], slides["html-math-method"]) == ("mathml", "mathml")  # others load fonts or code
    assert (html["tbl-colwidths"], pdf["tbl-colwidths"]) == (False, False)  # long lines of variables skew columns
    assert pdf["citeproc"] is True  # the same citations in both formats
    assert pdf["section-numbering"] == "1.1"  # unquoted it is a number
    for theme in (*html["theme"].values(), f"paper/{slides['theme']}"):
        assert not re.search(r"@import|https?:", (root / theme).read_text()), theme
    partials = [(root / "paper" / name).read_text() for name in pdf["template-partials"]]
    assert not any(re.search(r"https?:|@preview", text) for text in partials)


def test_static_figures_are_the_same_bytes_everywhere():
    assert style.STYLE["svg.fonttype"] == "path"
    assert style.STYLE["svg.hashsalt"]
