"""Rendered pages against the release whose hash they carry: numbers, figures, tables, traces, nothing stale."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from analysis.checks import claims, pdf
from analysis.claims.judged import OfRelease, of_project
from analysis.figures import statics
from analysis.numbers import KeyUnknown, Numbers, trace
from analysis.reference.sources import DECIMAL, LEVEL, source_hashes
from analysis.releases.plausible import NAME, ReleaseError, strict_json
from analysis.releases.release import Release, frozen_root
from kdgat.errors import KdgatError
from kdgat.provenance import sha256

_BLOCKS = {
    "p",
    "li",
    "td",
    "th",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "figcaption",
    "caption",
    "dd",
    "dt",
    "div",
    "section",
}
_VOID = {"meta", "link", "img", "br", "hr", "input", "source", "col", "wbr", "area", "base", "embed", "track"}
_UNITS = {"tr", "p", "li", "caption", "figcaption", "h1", "h2", "h3", "h4"}
_KEYED = ("num", "ci")
#: attributes that hold an address, and elements that only lead there
_ADDRESSES = ("src", "data-src", "href", "data", "poster", "action")
_LINKS = {"a", "area"}
_POLICY = ("default-src 'self'", "object-src 'none'", "frame-src 'none'", "base-uri 'self'", "form-action 'none'")
#: numbers that `DECIMAL` leaves to prose: without a digit before the point, and fractions
_HIDDEN = re.compile(r"(?<![\w.])\.\d+|(?<![\w./])\d+\s*/\s*\d{2,}(?![\w/])")
#: elements whose digits are not results
_NOT_TEXT = {"script", "style", "math", "code", "pre", "svg", "head", "nav", "footer", "title"}
_UNRESOLVED = re.compile(r"\?var:\S+|\?@\S+|\?meta:\S+")


@dataclass
class Span:
    """A keyed number in a page: what it shows, and the sentence around it."""

    key: str
    kind: str
    text: str = ""
    block: int = 0


#: what may hold a decimal without a key: a number of a cited paper, and that of a section
_UNKEYED = {"cited", "quarto-xref"}


@dataclass
class RenderedPage:
    """What verification needs of a page."""

    release: str = ""
    #: what the page may load, as its policy says
    policy: str = ""
    #: (element, address) of all that it loads or links to
    targets: list[tuple[str, str]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    claims: list[claims.Shown] = field(default_factory=list)
    #: a section whose claims the release does not bear out gave way to its tables
    gave_way: bool = False
    images: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    #: text of results sections that needs a key and has none, by block
    loose: list[tuple[int, str]] = field(default_factory=list)
    #: (element, text) of every table row, heading and paragraph of results sections
    units: list[tuple[str, str]] = field(default_factory=list)
    #: all text, also code and metadata
    everything: str = ""


class _Reader(HTMLParser):
    """Fills a `RenderedPage`."""

    def __init__(self, results: bool) -> None:
        super().__init__()
        self.page = RenderedPage()
        self.results = results
        self.stack: list[tuple[str, dict[str, str]]] = []
        self.open: list[Span] = []
        self.claimed: list[claims.Shown] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {k: v or "" for k, v in attrs}
        if tag == "meta" and a.get("name") == "kdgat-release":
            self.page.release = a.get("content", "")
        if tag == "meta" and a.get("http-equiv", "").lower() == "content-security-policy":
            self.page.policy = a.get("content", "")
        self.page.targets += [(tag, a[name]) for name in _ADDRESSES if name in a]
        if tag == "img":
            self.page.images.append(a.get("src", ""))
        if tag in _VOID:
            return
        self.stack.append((tag, a))
        if tag in _BLOCKS or not self.page.blocks:
            self.page.blocks.append("")
        if tag in _UNITS and self._in_results() and not any(t == "tr" for t, _ in self.stack[:-1]):
            self.page.units.append((tag, ""))
        self.page.gave_way |= "gave-way" in a.get("class", "").split()
        if "data-holds" in a:
            self.claimed.append(claims.Shown(a["data-holds"], a.get("data-state", "")))
            self.page.claims.append(self.claimed[-1])
        if tag in ("del", "s"):
            for claim in self.claimed:
                claim.struck = True
        kind = next((c for c in a.get("class", "").split() if c in _KEYED), None)
        if kind and "data-key" in a:
            self.open.append(Span(a["data-key"], kind, block=len(self.page.blocks) - 1))
            self.page.spans.append(self.open[-1])

    def handle_endtag(self, tag: str) -> None:
        if not any(t == tag for t, _ in self.stack):
            return
        while self.stack:
            top, a = self.stack.pop()
            if self.open and "data-key" in a:
                self.open.pop()
            if self.claimed and "data-holds" in a:
                self.claimed.pop()
            if top == tag:
                return

    def _in_results(self) -> bool:
        return self.results or any("sec-results" in a.get("id", "") for _, a in self.stack)

    def handle_data(self, data: str) -> None:
        self.page.everything += data
        if not self.page.blocks or any(t in _NOT_TEXT for t, _ in self.stack):
            return
        self.page.blocks[-1] += data
        for span in self.open:
            span.text += data
        for claim in self.claimed:
            claim.text += data
        classes = {c for _, a in self.stack for c in a.get("class", "").split()}
        if not self._in_results() or "header-section-number" in classes:
            return
        if self.page.units:
            element, text = self.page.units[-1]
            cell = any(t in ("td", "th") for t, _ in self.stack)
            self.page.units[-1] = element, f"{text}{data} " if cell else text + data
        if not self.open and not classes & _UNKEYED:
            asserted = {number for claim in self.claimed for number in claims.bounds(claim)}
            loose = DECIMAL.sub(lambda match: " " if match[0] in asserted else match[0], data)
            self.page.loose.append((len(self.page.blocks) - 1, loose))


def read_page(file: Path, *, results: bool = False) -> RenderedPage:
    """The page's keyed spans, images and text; `results`: all of it states results, not only `#sec-results`.

    Raises:
        KdgatError: it is not UTF-8, or has markup that the parser does not know.
    """
    reader = _Reader(results)
    try:
        reader.feed(file.read_text(encoding="utf-8"))
        reader.close()
    except (UnicodeDecodeError, AssertionError) as error:  # the latter of marked sections, which HTML has not
        raise KdgatError(f"cannot be read: {error}") from None
    return reader.page


def _target(page: Path, address: str) -> Path | None:
    """Path to which a relative address of a page leads; None where no file can have it (a null byte, a name too long)."""
    try:
        path = (page.parent / unquote(address.partition("#")[0].partition("?")[0])).resolve()
        path.exists()
    except (OSError, ValueError):
        return None
    return path


def sentence(text: str, part: str) -> str:
    """The sentence of `text` that holds `part`, shortened."""
    text = " ".join(text.split())
    sentences = [s for s in re.split(r"(?<=[.!?])\s+(?=[A-Z])", text) if part in s]
    return (sentences[0] if sentences else text)[:200]


class Site:
    """A rendered output folder and the releases its pages carry."""

    def __init__(self, site: Path, project: Path, root: Path | None = None) -> None:
        self.site, self.project, self.root = site, project, root or frozen_root()
        self._numbers: dict[str, Numbers] = {}
        self._drawn: dict[tuple[str, str], bytes] = {}

    def problems(self) -> list[str]:
        """Everything in the output that does not follow from its release and sources."""
        pages = sorted(p for p in self.site.rglob("*.html") if "assets" not in p.relative_to(self.site).parts)
        if not pages:
            return [f"{self.site.name} holds no page"]
        problems = []
        claims_of_pages: list[claims.Shown] = []
        gave_way = False
        for file in pages:
            name = file.relative_to(self.site).as_posix()
            try:
                page = read_page(file, results=name.startswith("paper/results/"))
                numbers = self.numbers(page.release)
            except KdgatError as error:
                problems.append(f"{name}: {error}")
                continue
            claims_of_pages += page.claims
            gave_way |= page.gave_way
            differences = claims.differences(page.claims, OfRelease(numbers))
            images = self._images(file, page, numbers)
            checks = (self._spans(page, numbers), differences, images, self._pdf(file, page), self._targets(file, page))
            problems += [f"{name}: {p}" for part in checks for p in part]
        for numbers in self._numbers.values():
            problems += claims.lost(self.project, claims_of_pages, numbers, gave_way=gave_way)
        problems += self._assets()
        if len(names := sorted({content.partition(" ")[0] for content in self._numbers})) > 1:
            problems.append(f"its pages and traces come from several releases: {', '.join(names)}")
        return problems

    @property
    def release(self) -> Release:
        """The release of an output that has no problem, whose pages all carry the same."""
        return next(iter(self._numbers.values())).release

    def numbers(self, content: str) -> Numbers:
        """Numbers of the release that a page's `kdgat-release` names (`<name> <manifest sha256>`)."""
        if content not in self._numbers:
            name, _, digest = content.partition(" ")
            if not name:
                raise ReleaseError("carries no release: rendered without the pre-render script?")
            if not NAME.fullmatch(name):  # a path would lead to whatever the output brings along
                raise ReleaseError(f"carries {name[:80]!r}, which is no name of a release")
            release = Release.open(name) if self.root == frozen_root() else Release(self.root / name)
            if release.manifest_sha256 != digest:
                raise ReleaseError(f"rendered from another release {name!r} than the one on disk: render again")
            self._numbers[content] = Numbers(release)
        return self._numbers[content]

    def _spans(self, page: RenderedPage, numbers: Numbers) -> list[str]:
        problems = []
        for span in page.spans:
            try:
                number = numbers[span.key]
            except KeyUnknown as error:
                problems.append(str(error))
                continue
            want = number.text if span.kind == "num" else number.interval
            if " ".join(span.text.split()).strip("()") != want:
                where = sentence(page.blocks[span.block], span.text)
                problems.append(f"{span.key} reads {span.text!r}, the release says {want!r}, in: {where}")
        for block, text in page.loose:
            prose = LEVEL.sub(" ", text)
            for match in (*DECIMAL.finditer(prose), *_HIDDEN.finditer(prose)):
                where = sentence(page.blocks[block], text.strip())
                problems.append(f"{match[0]!r} comes from no key, in: {where}")
        for text in page.blocks:
            problems += [f"unresolved {m[0]!r}, in: {sentence(text, m[0])}" for m in _UNRESOLVED.finditer(text)]
        return problems

    def _images(self, file: Path, page: RenderedPage, numbers: Numbers) -> list[str]:
        drawings = {s.name: s for s in statics.STATICS}
        release = numbers.release
        problems = []
        for source in page.images:
            path = _target(file, source)
            if path is None or path.parent.name != "static" or path.suffix != ".svg":
                continue
            if path.stem not in drawings:
                problems.append(f"figure {path.stem} is drawn by nothing in analysis.figures")
                continue
            if not path.is_file():
                problems.append(f"figure {path.stem} is missing from the output")
                continue
            key = release.manifest_sha256, path.stem
            if key not in self._drawn:  # pages share figures
                self._drawn[key] = statics.svg(release, drawings[path.stem])
            if path.read_bytes() != self._drawn[key]:
                problems.append(f"figure {path.stem} is not what the release's rows draw")
        return problems

    def _targets(self, file: Path, page: RenderedPage) -> list[str]:
        """Nothing is loaded from elsewhere, all that is loaded or linked to is there, and a policy forbids the rest."""
        problems = [f"its policy has no {part!r}" for part in _POLICY if part not in page.policy]
        for element, address in page.targets:
            if element in _LINKS and re.match(r"https?://|mailto:", address):
                continue
            if element == "img" and re.match(r"data:image/", address):
                continue
            if re.match(r"\s*(?:[A-Za-z][\w+.-]*:|//)", address):
                problems.append(f"<{element}> loads {address[:80]!r} from elsewhere")
                continue
            path = _target(file, address)
            is_figure = element == "img" and path is not None and path.parent.name == "static"  # `_images` knows more
            if path is None or not path.is_relative_to(self.site.resolve()) or not (path.exists() or is_figure):
                problems.append(f"<{element}> names {address[:80]!r}, which is not in the output")
        return problems

    @staticmethod
    def _pdf(file: Path, page: RenderedPage) -> list[str]:
        """The PDF made from the same source, if there is one beside the page."""
        document = file.with_suffix(".pdf")
        if not document.is_file():
            return []
        rows = [text for element, text in page.units if element == "tr"]
        prose = [text for element, text in page.units if element != "tr"]
        sentences = [s for text in prose for s in re.split(r"(?<=[.!?])\s+(?=[A-Z])", text)]
        try:
            text, off = pdf.read(document)
            return off + pdf.differences(text, rows, sentences, page.everything) + claims.absent(text, page.claims)
        except KdgatError as error:
            return [str(error)]

    def _copied(self, release: Release) -> list[str]:
        """Style sheets and pictures are the project's, and what stands beside the tables is the release's."""
        problems = []
        for copied in sorted(p for p in (self.site / "theme").glob("*") if p.suffix in (".css", ".svg")):
            source = self.project / "paper" / "theme" / copied.name
            if source.is_file() and source.read_bytes() != copied.read_bytes():
                problems.append(f"theme/{copied.name} is not the project's")
        files = release.files()
        for copied in sorted(p for p in (self.site / "assets" / "release").rglob("*") if p.is_file()):
            name = copied.relative_to(self.site / "assets" / "release").as_posix()
            want = release.manifest_sha256 if name == "manifest.json" else files.get(name, {}).get("sha256")
            if not name.endswith(".parquet") and sha256(copied.read_bytes()) != want:
                problems.append(f"assets/release/{name} is not the release's")
        return problems

    def _assets(self) -> list[str]:
        """Check the tables and traces that pages load, and that the sources have not changed since."""
        problems = []
        try:
            document: dict[str, Any] = strict_json((self.site / "assets" / "trace.json").read_bytes())
            if not all(isinstance(document[part], dict) for part in ("numbers", "runs", "sources")):
                raise ValueError("its numbers, runs and sources are no objects")
            numbers = self.numbers(f"{document['release']} {document['manifest_sha256']}")
            want = trace.document(numbers, sorted(document["numbers"]))
        except (OSError, ValueError, LookupError, TypeError, RecursionError, KdgatError) as error:
            return [f"assets/trace.json: {error}"]
        for key in sorted(want["numbers"]):
            if document["numbers"][key] != want["numbers"][key]:
                problems.append(f"assets/trace.json: the trace of {key} differs from the release's")
        if document.get("claims") != [j.trace(self.project) for j in of_project(numbers, self.project)]:
            problems.append("assets/trace.json: its claims differ from what the release makes of the sources")
        if document["runs"] != want["runs"]:
            problems.append("assets/trace.json: its runs differ from the release's")
        now = source_hashes(self.project)
        for file in sorted({*now, *document["sources"]}):
            if now.get(file) != document["sources"].get(file):
                problems.append(f"stale: {file} changed since the output was rendered; render again")
        problems += self._copied(numbers.release)
        files = numbers.release.files()
        for name in sorted(f for f in files if f.endswith(".parquet")):
            copy = self.site / "assets" / "release" / name
            if not copy.is_file() or sha256(copy.read_bytes()) != files[name]["sha256"]:
                problems.append(f"assets/release/{name} is not the release's")
        return problems
