"""Comparing and judging words in what a reader reads, and whether each is bound to something that can be checked.

A word is bound where it stands in a claim (`holds="…"`), in a span that names the test which shows it (`test="tests/…"`), or in a
sentence that cites a source. Prose, headings, captions, alternative texts, titles, descriptions and the abstract
are read; code, mathematics, addresses and tables of definitions are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.claims.prose import stated

#: what compares, ranks, judges or generalises a result
WORDS = (
    r"(?:better|best|worse|worst|superior|inferior|optimal|stronger|strongest|weaker|weakest|higher|highest|lower|lowest"
    r"|larger|largest|smaller|smallest|simplest|cheapest|closest|nearest|greater|greatest|faster|fastest|slower|slowest|fewer|fewest|easier|harder|hardest|closer"
    r"|more|most|less|least|mostly|nearly|perfect|perfectly|only|always|never|nothing|everything|every time"
    r"|ahead|behind|outperform\w*|beats?|beaten|exceed\w*|surpass\w*|improv\w+|degrad\w+|worsen\w*|gains?|gained|win|wins"
    r"|fails?|failed|failure|succeeds?|robust\w*|significant\w*|substantial\w*|indistinguishable|comparable|alike|equally"
    r"|falls? to|drops?|rises?|collaps\w+|transfers?|generali[sz]e\w*|earns?|pays?|helps?|hurts?|as good as|as well as"
    r"|near-perfect|advantages?|dominat\w+|excels?|matches|lowers|reduces?|increases?|decreases?|reliabl\w+|accurate\w*|effective\w*|efficient\w*|state of the art)"
)
_WORD = re.compile(rf"\b{WORDS}\b", re.IGNORECASE)
_TESTED = re.compile(r'(?<![\w-])test="([^"]*)"')
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)|\n\s*\n|\n(?=[-:#|] ?|\d+\. )")
#: what is no prose, in order
_MASKED = (
    re.compile(r"^```.*?^```", re.M | re.S),
    re.compile(r"\$\$.*?\$\$", re.S),
    re.compile(r"^\|.*$", re.M),
    re.compile(r"<!--.*?-->", re.S),
    re.compile(r"\{\{<.*?>\}\}"),
    re.compile(r"`[^`\n]*`"),
    re.compile(r"\$[^$\n]*\$"),
    re.compile(r"\]\([^)]*\)"),
    re.compile(r"https?://\S+"),
)
_ATTRIBUTES = re.compile(r'\{(?=[#.\w=])(?:[^{}"]|"[^"]*")*\}')
_ALT = re.compile(r'fig-alt="([^"]*)"')
_CAPTION = re.compile(r"""^#\| (?:tbl|fig)-cap: (["'])(.*)\1$""", re.M)
_READ = ("title", "subtitle", "description", "abstract")


@dataclass(frozen=True)
class Word:
    """A comparing word, where it stands, and what binds it: `claim`, `test`, `citation` or nothing."""

    file: Path
    line: int
    text: str
    sentence: str
    bound: str


def readable(source: str) -> str:
    """Replace all that is no prose by spaces, so that every character keeps its place."""
    characters = list(source)

    def hide(begin: int, end: int) -> None:
        characters[begin:end] = [c if c == "\n" else " " for c in source[begin:end]]

    spans: list[tuple[int, int]] = [match.span(2) for match in _CAPTION.finditer(source)]
    for pattern in _MASKED:
        for match in pattern.finditer(source):
            hide(*match.span())
    for match in _ATTRIBUTES.finditer(source):
        hide(*match.span())
        spans += [(match.start() + a, match.start() + b) for a, b in [m.span(1) for m in _ALT.finditer(match[0])]]
    if source.startswith("---\n"):
        end = source.find("\n---", 4)
        hide(0, end + 4)
        spans += _metadata(source[:end])
    for begin, end in spans:
        characters[begin:end] = source[begin:end]
        for pattern in (*_MASKED[3:], _ATTRIBUTES):
            for match in pattern.finditer(source, begin, end):
                hide(*match.span())
    return "".join(characters)


def _metadata(front: str) -> Iterator[tuple[int, int]]:
    for match in re.finditer(rf"^({'|'.join(_READ)}):(.*(?:\n  .*)*)", front, re.M):
        yield match.span(2)


def words(files: Iterable[Path], repository: Path) -> list[Word]:
    """Every comparing word of some sources, and what binds it."""
    out = []
    for file in files:
        source = file.read_text(encoding="utf-8")
        text = readable(source)
        claims = [(claim.begin, claim.end) for claim in stated([file])]
        tested = list(_tested(source, repository))
        for match in _WORD.finditer(text):
            begin, end = _sentence(text, match.start())
            bound = ""
            if any(a <= match.start() < b for a, b in claims):
                bound = "claim"
            elif any(a <= match.start() < b for a, b in tested):
                bound = "test"
            elif re.search(r"\[@|(?<!\w)@(?!fig-|tbl-|eq-|sec-)[a-z]+\d{4}", source[begin:end]):
                bound = "citation"
            line = source.count("\n", 0, match.start()) + 1
            out.append(Word(file, line, match[0], " ".join(text[begin:end].split()), bound))
    return out


def _sentence(text: str, at: int) -> tuple[int, int]:
    begin = max((match.end() for match in _SENTENCE_END.finditer(text, 0, at)), default=0)
    after = _SENTENCE_END.search(text, at)
    return begin, after.end() if after else len(text)


def _tested(source: str, repository: Path) -> Iterator[tuple[int, int]]:
    """Spans that name a test which exists."""
    for match in _TESTED.finditer(source):
        opening = source.rfind("{", 0, match.start())
        if opening < 1 or source[opening - 1] != "]" or not named_test(match[1], repository):
            continue
        depth = 0
        for at in range(opening - 1, -1, -1):
            depth += (source[at] == "]") - (source[at] == "[")
            if depth == 0:
                yield at + 1, opening - 1
                break


def named_test(name: str, repository: Path) -> bool:
    """Say whether `tests/file.py::test` (or `tests/file.py`) exists."""
    path, _, test = name.partition("::")
    file = repository / path
    return (
        path.startswith("tests/")
        and file.is_file()
        and (not test or f"def {test}(" in file.read_text(encoding="utf-8"))
    )
