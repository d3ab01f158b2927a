"""Claims where they stand: spans, blocks and alt texts of the sources that carry an assertion.

[The student misses fewer attacks.]{holds="…"}                 a span, also in captions, titles and the abstract
::: {holds="…"} … :::                                           a block
![Caption](figure.svg){#fig-a fig-alt="…" alt-holds="…"}        an alternative text
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kdgat.errors import KdgatError

_HOLDS = re.compile(r'(?<![\w-])(alt-)?holds="([^"]*)"')
_ALT = re.compile(r'fig-alt="([^"]*)"')
_FENCE = re.compile(r"^\s*(:{3,})\s*(\S?)", re.M)


@dataclass(frozen=True)
class Stated:
    """A sentence, or a part of one, with what it asserts.

    Attributes:
        file: the source.
        line: where it begins.
        text: as it is written.
        assertion: in the language of `analysis.claims.grammar`, with single spaces.
        begin, end: characters of the source that the text covers.
        alt: whether it is an alternative text, which no page shows.
    """

    file: Path
    line: int
    text: str
    assertion: str
    begin: int
    end: int
    alt: bool


def stated(files: Iterable[Path]) -> Iterator[Stated]:
    """Every claim of some sources, in order.

    Raises:
        KdgatError: an assertion belongs to no span, block or alternative text.
    """
    for file in files:
        source = file.read_text(encoding="utf-8")
        for match in _HOLDS.finditer(source):
            begin, end = _covered(source, match, file)
            line = source.count("\n", 0, begin) + 1
            text = " ".join(source[begin:end].split())
            yield Stated(file, line, text, " ".join(match[2].split()), begin, end, bool(match[1]))


def _covered(source: str, match: re.Match[str], file: Path) -> tuple[int, int]:
    opening = source.rfind("{", 0, match.start())
    line = source.rfind("\n", 0, opening) + 1
    if match[1]:
        alt = _ALT.search(source, opening, _closing(source, opening))
        if alt:
            return alt.span(1)
    elif source[line:opening].strip().startswith(":::"):
        return _block(source, opening)
    elif opening and source[opening - 1] == "]":
        return _bracket(source, opening - 1), opening - 1
    number = source.count("\n", 0, match.start()) + 1
    raise KdgatError(f"{file.name}:{number}: holds=… stands at no span, block or fig-alt")


def _closing(source: str, opening: int) -> int:
    """End of the attributes that begin with a brace: the brace outside of quotes that closes them."""
    quoted = False
    for at in range(opening, len(source)):
        if source[at] == '"':
            quoted = not quoted
        elif source[at] == "}" and not quoted:
            return at
    return len(source)


def _bracket(source: str, closing: int) -> int:
    """First character inside the bracket that closes at `closing`."""
    depth = 0
    for at in range(closing, -1, -1):
        depth += (source[at] == "]") - (source[at] == "[")
        if depth == 0:
            return at + 1
    return closing


def _block(source: str, opening: int) -> tuple[int, int]:
    begin = source.find("\n", _closing(source, opening)) + 1
    depth = 1
    for fence in _FENCE.finditer(source, begin):
        depth += 1 if fence[2] else -1
        if depth == 0:
            return begin, fence.start()
    return begin, len(source)


_SHORTCODE = re.compile(r"\{\{<\s*var\s+(\S+)\s*>\}\}")
#: what becomes other text when it is rendered: citations, references, mathematics, addresses
_RENDERED = re.compile(r"\[@[^\]]*\]|@[\w-]+|\$[^$]*\$|\]\([^)]*\)")


def plain(text: str, values: Callable[[str], str] = str) -> str:
    """Source text as a reader sees it, with `values` of the keys in it and without the marks of Markdown."""
    text = _SHORTCODE.sub(lambda match: values(match[1]), text)
    text = re.sub(r"\]\{(?:[^{}\"]|\"[^\"]*\")*\}", "]", text)
    return " ".join(re.sub(r"(?<!\\)[*`\[\]]", "", text).split())


def pieces(text: str, values: Callable[[str], str]) -> list[str]:
    """Split a source's text where the renderer writes something of its own; a page holds each part unchanged."""
    parts = (letters(plain(piece, values)) for piece in _RENDERED.split(text))
    return [piece for piece in parts if piece]


def letters(text: str) -> str:
    """Letters and digits alone: the same for a page, a PDF with its hyphens, and a source."""
    return "".join(c for c in unicodedata.normalize("NFKC", text) if c.isalnum())
