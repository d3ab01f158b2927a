"""The PDF against the page it shares its source with: the same numerals, in the same order, none of them off the paper."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from analysis.reference.sources import DECIMAL
from kdgat.errors import KdgatError

#: numerals of results: one digit and three or four decimals, so that section numbers, dates and DOIs are left out
_RESULT = re.compile(r"(?<![\d.,/])\d\.\d{3,4}(?![\d.])")


#: points from the lower edge of the paper below which stands nothing but the page's number
_FOOT = 50.0


def read(pdf: Path) -> tuple[str, list[str]]:
    """All text in the order in which it was set (row by row within a table; floats where they were placed), and what runs off a page."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    pages, off = [], []
    try:
        for number, page in enumerate(PdfReader(pdf).pages, 1):
            low: list[str] = []

            def place(text: str, matrix: list[float], tm: list[float], *_: object, low: list[str] = low) -> None:
                height = tm[4] * matrix[1] + tm[5] * matrix[3] + matrix[5]
                if height < _FOOT and text.strip() and not text.strip().isdecimal():
                    low.append(text.strip())

            pages.append(page.extract_text(visitor_text=place))
            if low:
                off.append(f"page {number} of the PDF is too full, this lies below its edge: {' '.join(low)[:80]}")
    except (PyPdfError, OSError, ValueError) as error:
        raise KdgatError(f"{pdf.name} cannot be read: {error}") from None
    return "\n".join(pages), off


def numerals(text: str) -> list[str]:
    """Decimals and percentages of a text, in order, without the space or line end before a sign."""
    return ["".join(m[0].split()) for m in DECIMAL.finditer(text)]


def differences(pdf_text: str, rows: Sequence[str], sentences: Sequence[str], page_text: str) -> list[str]:
    """List where the PDF differs from the page.

    Args:
        pdf_text: text of the PDF.
        rows: table rows of the page's results sections; each must stand in the PDF in one piece.
        sentences: of the same sections; a float or the end of a column may stand between two parts of one.
        page_text: all text of the page.
    """
    problems = []
    have = numerals(pdf_text)
    places: dict[str, list[int]] = {}
    for place, numeral in enumerate(have):
        places.setdefault(numeral, []).append(place)

    def begin(want: list[str], after: int = -1) -> int | None:
        """First place after `after` where the PDF has these numerals one after the other."""
        at = (i for i in places.get(want[0], []) if i > after and have[i : i + len(want)] == want)
        return next(at, None)

    for text, cuts in [*((row, 1) for row in rows), *((sentence, 2) for sentence in sentences)]:
        want = numerals(text)
        if not want or begin(want) is not None:
            continue
        halves = ((want[:k], want[k:]) for k in range(1, len(want)) if cuts == 2)
        if not any((i := begin(a)) is not None and begin(b, i) is not None for a, b in halves):
            problems.append(f"the PDF has not, in this order, the numerals of: {' '.join(text.split())[:160]}")
    here, there = Counter(_RESULT.findall(page_text)), Counter(_RESULT.findall(pdf_text))
    problems += [
        f"the PDF has {numeral} {n} times more often than the page" for numeral, n in sorted((there - here).items())
    ]
    problems += [
        f"the PDF has {numeral} {n} times less often than the page" for numeral, n in sorted((here - there).items())
    ]
    return problems
