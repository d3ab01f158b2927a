"""`python -m tools.draft`: renders the project to `_site/` where Quarto cannot be had.

The sources are Quarto's; this supports what they use and stops at anything else. Pandoc converts, Typst sets the
PDF, Jupyter runs the Python cells, and the Observable runtime (in the page) runs the OJS cells, as in Quarto.
"""

from __future__ import annotations

import contextlib
import fcntl
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from kdgat.errors import cli_without_arguments
from kdgat.paths import REPO
from tools.draft import cells
from tools.draft.project import DraftError, Page, Project

HERE = Path(__file__).resolve().parent
#: wide enough that no table gets relative column widths (`tbl-colwidths: false`)
COLUMNS = 9999
#: what the templates use
METADATA = ["title", "subtitle", "abstract", "description", "lang"]
METADATA += ["columns", "papersize", "margin", "fontsize", "section-numbering"]
NOTICE = "Draft: rendered without Quarto, from the same sources."


def pandoc(text: str, arguments: list[str], place: str) -> str:
    """Run Pandoc; a warning is as bad as an error."""
    import pypandoc

    command = [pypandoc.get_pandoc_path(), "--from=markdown", f"--columns={COLUMNS}", "--fail-if-warnings", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=REPO)
    if done.returncode:
        raise DraftError(f"{place}: {' '.join(done.stderr.split())}")
    return done.stdout


def document(page: Page, body: str, meta: dict[str, Any]) -> str:
    """Body with the metadata that Pandoc needs."""
    metadata = {k: meta[k] for k in METADATA if k in meta}
    authors = meta.get("author", [])
    metadata["by-author"] = [
        {"name": {"literal": a["name"]}, "affiliations": a.get("affiliations", [])} for a in authors
    ]
    metadata["labels"] = {"abstract": "Abstract"}
    metadata["source-folder"] = f"{page.path.parent}/" if page.path.parent.name else ""
    if "bibliography" in meta:
        metadata["link-citations"] = True
    return f"---\n{yaml.safe_dump(metadata, allow_unicode=True, width=10**6)}---\n\n{body}"


def common(page: Page, meta: dict[str, Any]) -> list[str]:
    """Arguments for both formats; paths are given here, since metadata is Markdown, where `a--b` is a dash and `_a_` emphasis."""
    filters = [*(REPO / file for file in meta.get("filters", [])), HERE / "filter.lua"]
    out = [f"--lua-filter={file}" for file in filters]
    if "bibliography" in meta:
        out += ["--citeproc", f"--bibliography={REPO / page.path.parent / meta['bibliography']}"]
    return out


def navigation(project: Project, page: Page) -> str:
    """The navigation bar's links, relative to the page."""

    def link(item: dict[str, str]) -> str:
        target = os.path.relpath(item["href"], page.path.parent).replace(".qmd", ".html")
        here = ' aria-current="page"' if item["href"] == str(page.path) else ""
        return f'<a href="{target}"{here}>{html.escape(item["text"])}</a>'

    out = []
    for item in project.config["website"]["navbar"]["left"]:
        if "menu" in item:
            inner = "".join(f"<li>{link(entry)}</li>" for entry in item["menu"])
            out.append(f"<li><details><summary>{html.escape(item['text'])}</summary><ul>{inner}</ul></details></li>")
        else:
            out.append(f"<li>{link(item)}</li>")
    return "".join(out)


def to_html(project: Project, page: Page, body: str, site: Path) -> None:
    """Write the page as HTML."""
    meta = page.options("html")
    depth = "../" * len(page.path.parent.parts)
    other = f'<a href="{page.path.stem}.pdf">PDF</a>' if "typst" in page.formats else ""
    values = {
        "root": depth,
        "navigation": navigation(project, page),
        "site-title": project.config["website"]["title"],
        "footer": f"{project.config['website']['page-footer']} {NOTICE}",
        "other-formats": other,
        "head": (REPO / meta["include-in-header"]).read_text(encoding="utf-8"),
    }
    variables = [f"--variable={k}={v}" for k, v in values.items()]
    arguments = [
        "--to=html5",
        "--standalone",
        "--mathml",
        "--section-divs",
        f"--template={HERE / 'page.html'}",
        *common(page, meta),
    ]
    arguments += ["--toc", "--toc-depth=2"] if meta.get("toc") else []
    arguments += ["--number-sections"] if meta.get("number-sections") else []
    text = pandoc(document(page, body, meta), [*arguments, *variables], str(page.path))
    write_page(page, text, site)


def to_slides(page: Page, body: str, site: Path) -> None:
    """Write the page as reveal.js slides, with reveal.js from beside them."""
    meta = page.options("revealjs")
    depth = "../" * len(page.path.parent.parts)
    after = f'<script type="module" src="{depth}assets/draft.js"></script><p class="draft">{NOTICE}</p>'
    head = (REPO / "assets" / "head.txt").read_text(
        encoding="utf-8"
    ) + f'<link rel="icon" href="{depth}theme/favicon.svg">'
    variables: dict[str, Any] = {
        "header-includes": head,
        "revealjs-url": f"{depth}assets/reveal",
        "theme": "white",
        "include-after": after,
        **{size: meta[size] for size in ("width", "height") if size in meta},
    }
    arguments = ["--to=revealjs", "--standalone", "--mathml", "--slide-level=2", f"--css={depth}theme/slides.css"]
    arguments += common(page, meta)
    arguments += [f"--variable={k}={v}" for k, v in variables.items()]
    write_page(page, pandoc(document(page, body, meta), arguments, str(page.path)), site)
    reveal = REPO / "paper" / "figures" / "node_modules" / "reveal.js"
    unused = shutil.ignore_patterns("*.map", "*.esm.js", "*.html", "league-gothic", "highlight", "markdown", "math")
    for part in ("dist", "plugin"):
        shutil.copytree(reveal / part, site / "assets" / "reveal" / part, ignore=unused, dirs_exist_ok=True)


def write_page(page: Page, text: str, site: Path) -> None:
    """Write a page and copy the images it shows."""
    target = site / page.path.with_suffix(".html")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    for image in re.findall(r'<img[^>]* (?:data-)?src="([^":]+)"', text):
        source = REPO / page.path.parent / image
        if not source.is_file():
            raise DraftError(f"{page.path}: image {image} does not exist")
        copy = site / page.path.parent / image
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)


def to_pdf(page: Page, body: str, site: Path) -> None:
    """Set the page with Typst, through the project's own template partials."""
    import typst

    meta = page.options("typst")
    with tempfile.TemporaryDirectory(dir=REPO, prefix=".draft-") as folder:
        for partial in meta["template-partials"]:
            shutil.copy(REPO / page.path.parent / partial, folder)
        shutil.copy(HERE / "template.typ", folder)
        arguments = [
            "--to=typst",
            "--standalone",
            f"--template={folder}/template.typ",
            "--number-sections",
            *common(page, meta),
        ]
        source = Path(folder) / "page.typ"
        source.write_text(pandoc(document(page, body, meta), arguments, str(page.path)), encoding="utf-8")
        target = site / page.path.with_suffix(".pdf")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            typst.compile(str(source), output=str(target), root=str(REPO))
        except typst.TypstError as error:
            raise DraftError(f"{page.path}: {error}") from None


def render(project: Project, path: Path, site: Path) -> None:
    """One page in all its formats; its cells run once."""
    page = project.page(path)
    body = project.substitute(cells.run(page.body, str(path), REPO), str(path))
    if "html" in page.formats:
        to_html(project, page, body, site)
    if "typst" in page.formats:
        to_pdf(page, body, site)
    if "revealjs" in page.formats:
        to_slides(page, body, site)


def main() -> int:
    """Pre-render, then every page, into a new `_site/` that replaces the old one when all is well."""
    begin = time.perf_counter()
    with locked(REPO / ".draft-lock"):
        return draft(begin)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One rendering of a checkout at a time; the system frees the lock of a process that dies."""
    with open(path, "a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("another rendering of this checkout is running: waiting for it", file=sys.stderr)
            fcntl.lockf(file, fcntl.LOCK_EX)
        for stale in path.parent.glob(
            ".draft-*/"
        ):  # of renderings that were killed: the lock says that none is running
            shutil.rmtree(stale, ignore_errors=True)
        yield


def draft(begin: float) -> int:
    """Everything but the lock."""
    prepared = subprocess.run([sys.executable, str(REPO / "tools" / "prerender.py")], cwd=REPO)
    if prepared.returncode:
        return prepared.returncode
    project = Project(REPO)
    output = REPO / project.config["project"]["output-dir"]
    with tempfile.TemporaryDirectory(dir=REPO, prefix=".draft-") as folder:
        site = Path(folder) / "site"
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda path: render(project, path, site), project.sources()))
        shutil.copytree(REPO / "assets", site / "assets", dirs_exist_ok=True)
        shutil.copytree(REPO / "paper" / "theme", site / "theme", ignore=shutil.ignore_patterns("*.typ", "*.scss"))
        for sheet in ("draft.css", "slides.css"):
            shutil.copyfile(HERE / sheet, site / "theme" / sheet)
        if output.exists():
            output.rename(Path(folder) / "old")
        site.rename(output)
    targets = f"{output.name}/index.html, {output.name}/paper/index.pdf"
    print(f"draft of {len(project.sources())} pages in {time.perf_counter() - begin:.1f} s: {targets}")
    return 0


if __name__ == "__main__":
    cli_without_arguments(main)
