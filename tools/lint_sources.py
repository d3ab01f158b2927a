"""`python -m tools.lint_sources`: holds the .qmd files to the rules that keep both renderers in agreement.

Quarto exits 0 for an unknown variable, a dangling reference or an OJS syntax error, drops a citation that follows a
cross-reference, and fetches from a CDN for some OJS features. Each rule below names one such trap; a breach is printed
as `file:line: rule`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdgat.errors import cli_without_arguments
from kdgat.paths import REPO

MAX_CELL = 4
FENCE = re.compile(r"^(`{3,}|~{3,})\s*(\{?[\w=.]*\}?)")
CROSS = r"@(?:fig|tbl|eq|sec)-[\w-]+"


@dataclass(frozen=True)
class Rule:
    """A pattern that must not occur in lines of one kind."""

    where: str  # text, ojs, python, raw
    pattern: re.Pattern[str]
    message: str


def _rule(where: str, pattern: str, message: str) -> Rule:
    return Rule(where, re.compile(pattern), message)


RULES = (
    _rule(
        "text",
        rf"{CROSS}\]?\s*\[?@(?!fig-|tbl-|eq-|sec-)",
        "a citation right after a cross-reference is dropped in PDF",
    ),
    _rule("text", r"\]\s*\[@|@[\w-]+\s+@[\w-]+", "two citation keys side by side need a separator inside one bracket"),
    _rule("text", r"\$\{", "`${…}` in text loads from a CDN"),
    _rule("text", r"^(?!\{\{< include \S+ >\}\}$).*\{\{< include", "an include stands on its own line"),
    _rule("text", r"\{\{<(?! *(?:var|include) )", "only the shortcodes var and include are used"),
    _rule("text", r"^#+ .*\{\{< var(?!.*\{#)", "a heading with a variable needs an explicit id"),
    _rule("text", r"\$(?=\S)[^$]*\{\{<[^$]*>\}\}[^$]*(?<=\S)\$", "a variable inside math is not replaced"),
    _rule("text", r"`[^`]*\{\{< var", "a variable inside code is not replaced"),
    _rule("text", r"<script|<iframe|src=[\"']https?:", "no scripts or outside sources in pages"),
    _rule("text", r"\.callout|\.panel-tabset", "callouts and tabsets are not used"),
    _rule("ojs", r"\{\{<", "a variable in an OJS cell is not replaced"),
    _rule(
        "ojs", r"^\s*import\b(?!\s*\()", "a static import loads from a CDN: use `import(new URL(…, document.baseURI))`"
    ),
    _rule("ojs", r"\?\.", "the OJS compiler does not know `?.`"),
    _rule("ojs", r"\bthis\.#|^\s*#\w", "private fields do not work in OJS cells"),
    _rule("ojs", r"(?<![\w.])(?:Plot|d3|Inputs|htl|md|tex|DuckDBClient|require)\b", "a builtin that loads from a CDN"),
    _rule("ojs", r"\.arrow\(|\.parquet\(", "`.arrow()` loads from a CDN, `.parquet()` does not exist"),
    _rule("python", r"\{\{<", "a variable in a cell is not replaced"),
    _rule("raw", r"\{\{<", "a variable in raw output is not replaced"),
    _rule("raw", r"https?://", "no outside addresses in raw parts"),
)
MANUSCRIPT = (
    _rule(
        "text",
        r"layout-ncol|layout=|\.column-|\.aside|\.column-margin",
        "no subfigures, columns or margin content in the manuscript",
    ),
)
PAGE_LINK = re.compile(r"\]\([^)\s]+\.qmd[)#]")


def lines(text: str) -> Iterator[tuple[int, str, str]]:
    """(line number, kind, line) of a source: kind is text, ojs, python, raw, code or front."""
    kind, fence = "text", ""
    for number, line in enumerate(text.split("\n"), 1):
        mark = FENCE.match(line)
        if number == 1 and line == "---":
            kind = "front"
        elif kind == "front":
            if line == "---":
                kind = "text"
        elif fence:
            if mark and mark[1] == fence:
                kind, fence = "text", ""
            else:
                yield number, kind, line
        elif mark:
            fence = mark[1]
            kind = {"{ojs}": "ojs", "{python}": "python"}.get(mark[2], "raw" if mark[2].startswith("{=") else "code")
        else:
            yield number, kind, line


def problems(name: str, text: str) -> Iterator[str]:
    """Breaches in one source, as `file:line: rule`."""
    manuscript = name == "paper/index.qmd" or name.startswith("paper/sections/")
    rules = RULES + MANUSCRIPT if manuscript else RULES
    only_html, cell, previous = 0, 0, (0, "")  # depth of divs for HTML; lines of the cell so far; last line seen
    for number, kind, line in lines(text):
        for rule in rules:
            if rule.where == kind and rule.pattern.search(line):
                yield f"{name}:{number}: {rule.message}"
        if kind == "text" and line.startswith(":::"):
            only_html = (
                only_html + 1 if "{" in line and (only_html or 'when-format="html"' in line) else max(only_html - 1, 0)
            )
        if manuscript and kind == "text" and not only_html and PAGE_LINK.search(line):
            yield f'{name}:{number}: a link to a page of the site stands inside `when-format="html"`'
        if kind in ("ojs", "python"):
            cell = (cell if (number - 1, kind) == previous else 0) + (not line.startswith(("#|", "//|")))
            if cell > MAX_CELL:
                yield f"{name}:{number}: what takes more than {MAX_CELL} lines of a cell belongs in a module"
        previous = (number, kind)


def sources() -> list[Path]:
    """Every .qmd of the project."""
    return sorted([*REPO.glob("*.qmd"), *(p for p in (REPO / "paper").rglob("*.qmd") if "node_modules" not in p.parts)])


def main() -> int:
    """Print every breach; 1 if there are any."""
    breaches = [
        p for path in sources() for p in problems(str(path.relative_to(REPO)), path.read_text(encoding="utf-8"))
    ]
    for problem in breaches:
        print(problem, file=sys.stderr)
    return 1 if breaches else 0


if __name__ == "__main__":
    cli_without_arguments(main)
