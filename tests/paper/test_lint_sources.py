"""The sources keep the rules, and every rule is able to fail."""

from __future__ import annotations

import pytest

from tools import lint_sources


def test_the_sources_keep_the_rules():
    found = [
        p
        for path in lint_sources.sources()
        for p in lint_sources.problems(str(path.relative_to(lint_sources.ROOT)), path.read_text())
    ]
    assert found == []


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
    found = list(lint_sources.problems("paper/results/x.qmd", f"---\ntitle: x\n---\n\n{line}\n"))
    assert any(message in problem for problem in found), found
    assert all(problem.startswith("paper/results/x.qmd:") for problem in found)


def test_what_is_allowed_is_not_a_breach():
    text = "---\ntitle: x\n---\n\nWith $x$ = {{< var a.b >}} and $y$ see @fig-a and @tbl-b; so [@a2020; @b2021].\n"
    assert list(lint_sources.problems("paper/sections/x.qmd", text)) == []


def test_links_to_pages_stand_in_html_only_in_the_manuscript():
    link = "See the [board](results/leaderboard.qmd).\n"
    assert any("when-format" in p for p in lint_sources.problems("paper/sections/x.qmd", link))
    assert not list(lint_sources.problems("index.qmd", link))
    wrapped = f'::: {{.content-visible when-format="html"}}\n{link}:::\n'
    assert not list(lint_sources.problems("paper/sections/x.qmd", wrapped))
