"""The documents' sources: where they use numbers, and what they must not hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kdgat.provenance import sha256

_VAR = re.compile(r"\{\{<\s*var\s+([^\s>]+)\s*>\}\}")
_SKIP = {".venv", "node_modules", "_site", ".quarto", ".git"}
_FENCE = re.compile(r"^\s*(```+|~~~+)")
#: what holds digits but is not text: shortcodes, attributes, link targets, inline code, math, comments
_NOT_TEXT = re.compile(r"\{\{<.*?>\}\}|\{[^{}]*\}|\]\([^)]*\)|<!--.*?-->|`[^`]*`|\$[^$]*\$|https?://\S+|@[\w:.-]+")
DECIMAL = re.compile(r"(?<![\w.])\d+[.,]\d+(?![\w.]*\.\d)|(?<![\w.])\d+\s*(?:%|percent)")
#: the level of every interval in this project, and the rate that names a metric: conventions, no results
LEVEL = re.compile(r"\b95\s*%|(?<=\bat\s)(?:0\.)?1\s*%(?=\s+false\s+positives)")


def sources(project: Path) -> list[Path]:
    """All .qmd, .md and Quarto metadata files that may hold a `var`, sorted."""
    files = [p for p in project.glob("_*.yml") if p.name != "_variables.yml"]
    for top in sorted(project.glob("*.qmd")):
        files.append(top)
    if (project / "paper").is_dir():
        for pattern in ("*.qmd", "*.md", "_*.yml"):
            files += [p for p in (project / "paper").rglob(pattern) if not _SKIP & set(p.parts)]
    return sorted(set(files))


def uses(files: Iterable[Path]) -> Iterator[tuple[str, Path, int]]:
    """(key, file, line) of every `{{< var key >}}`."""
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            for match in _VAR.finditer(line):
                yield match[1], file, number


def source_hashes(project: Path) -> dict[str, str]:
    """Relative path → sha256 of every document source, so that a rendered output can be told to be stale."""
    return {f.relative_to(project).as_posix(): sha256(f.read_bytes()) for f in sources(project)}


def results_sections(project: Path) -> list[Path]:
    """Sources that state results: there, every number must come from the release."""
    paper = project / "paper"
    return sorted([*paper.glob("sections/*results*.qmd"), *paper.glob("results/*.qmd")])


def typed_numbers(file: Path) -> list[tuple[int, str]]:
    """(line, text) of decimals and percentages typed by hand in a results section."""
    numbers = []
    lines = file.read_text(encoding="utf-8").splitlines()
    fence: str | None = None
    yaml = bool(lines) and lines[0].strip() == "---"
    for number, line in enumerate(lines, 1):
        if yaml:
            yaml = number == 1 or line.strip() != "---"
            continue
        mark = _FENCE.match(line)
        if fence is None and mark:
            fence = mark[1]
        elif fence is not None:
            if mark and mark[1].startswith(fence):
                fence = None
        else:
            text = LEVEL.sub(" ", _NOT_TEXT.sub(" ", line))
            numbers += [(number, m[0]) for m in DECIMAL.finditer(text)]
    return numbers
