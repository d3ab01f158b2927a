"""Numbers of a release, and the sentences that follow from them: everything that a document may show."""

from __future__ import annotations

from functools import partial

from analysis.claims import phrases, statements
from analysis.numbers import Makers, Number, Numbers


class Sentences(Numbers):
    """All numbers of a release by key, and as `text.<name>` the sentences of `analysis.claims.phrases`."""

    def _all(self) -> Makers:
        yield from super()._all()
        for name in phrases.ALL:
            yield f"text.{name}", partial(self._sentence, name)

    def _release_keys(self) -> Makers:
        yield from super()._release_keys()
        note = statements.data_note(self.release)
        yield "release.data_note", partial(Number, "release.data_note", note, note, "manifest.json", span=False)

    def _sentence(self, name: str) -> Number:
        text = phrases.ALL[name](self)
        return Number(f"text.{name}", text, text, "chosen by intervals (analysis.claims.phrases)", span=False)
