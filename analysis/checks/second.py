"""A second rendering in a temporary folder, against which every file of the output is compared.

What a first rendering leaves behind (stamps, lists, generated files) is never looked at: sources, release and renderer alone say what
the output has to be. A draft is compared byte by byte; Quarto's pages by what a reader and a browser get of them, where Quarto is
installed; of the PDF the words.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

from analysis.checks import pdf
from analysis.checks.anchor import History
from analysis.releases.release import Release, frozen_root
from kdgat.errors import KdgatError

#: what a rendering reads of a project, the release apart
_FOLDERS = ("analysis", "cli", "kdgat", "tools", "paper")
_FILES = ("_quarto.yml", "_environment", "index.qmd", "CITATION.cff", "data/catalog.toml", "data/choice.toml")
_GENERATED = ("node_modules", "dist", "static", "diagrams", "__pycache__")
#: what each page of a draft says, as `tools.draft` writes it
_DRAFT = "Draft: rendered without Quarto"
_AROUND = 60


def copy_sources(project: Path, target: Path) -> Path:
    """Copy the sources that a rendering needs; its JavaScript packages as a link. Return `target`."""
    for folder in _FOLDERS:
        shutil.copytree(project / folder, target / folder, ignore=shutil.ignore_patterns(*_GENERATED))
    for file in _FILES:
        (target / file).parent.mkdir(exist_ok=True)
        shutil.copy(project / file, target / file)
    (target / "paper" / "figures" / "node_modules").symlink_to(
        (project / "paper" / "figures" / "node_modules").resolve()
    )
    return target


def problems(site: Path, project: Path, release: Release) -> tuple[list[str], str]:
    """Render again and list where the output differs; and a note on what could not be compared.

    Args:
        site: the output.
        project: its sources.
        release: from which it was rendered.
    """
    draft = _DRAFT in (site / "index.html").read_text(encoding="utf-8")
    if not draft and shutil.which("quarto") is None:
        files = sum(not path.is_dir() for path in site.rglob("*"))
        return [], f"{files} files not checked against a second rendering: Quarto made them and is not installed"
    with tempfile.TemporaryDirectory(prefix="kdgat-second-") as folder:
        copy = copy_sources(project, Path(folder) / project.name)
        done = subprocess.run(
            [sys.executable, "-m", "tools.draft"] if draft else ["quarto", "render"],
            cwd=copy, env=_environment(project, copy, release), capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            return [f"it cannot be rendered again: {reason}"], ""
        return differences(site, copy / "_site"), ""


def _environment(project: Path, copy: Path, release: Release) -> dict[str, str]:
    """Variables with which the copy is rendered from the same release, and finds the project's history."""
    environment = os.environ | {"KDGAT_RELEASE": release.name, "PYTHONPATH": str(copy), "QUARTO_PYTHON": sys.executable}
    if frozen_root().resolve() == (project / "data" / "frozen").resolve():
        shutil.copytree(frozen_root(), copy / "data" / "frozen")
        environment.pop("KDGAT_FROZEN", None)
    else:
        environment["KDGAT_FROZEN"] = str(frozen_root().resolve())
    if (git := History(project).git("rev-parse", "--absolute-git-dir")) is not None:
        (copy / ".git").write_text(f"gitdir: {os.fsdecode(git)}", encoding="utf-8")
    return environment


def differences(site: Path, second: Path) -> list[str]:
    """List the files that one of two outputs lacks, and those that say something else."""
    ours, theirs = ({p.relative_to(s).as_posix() for p in s.rglob("*") if not p.is_dir()} for s in (site, second))
    out = [f"{name} is in no second rendering" for name in sorted(ours - theirs)]
    out += [f"{name} is missing, a second rendering has it" for name in sorted(theirs - ours)]
    for name in sorted(ours & theirs):
        have, want = (site / name).read_bytes(), (second / name).read_bytes()
        if have == want:
            continue
        if name.endswith(".pdf"):
            said = _apart(_words(site / name), _words(second / name))
        elif name.endswith(".html"):
            said = _apart(content(have.decode("utf-8", "replace")), content(want.decode("utf-8", "replace")))
            draft = _DRAFT in want.decode("utf-8", "replace")
            said = said or ("bytes" if draft else "")
        else:
            said = "bytes"
        if said:
            out.append(f"{name} is not what a second rendering makes of the sources: {said}")
    return out


def _words(document: Path) -> str:
    try:
        return " ".join(pdf.read(document)[0].split())
    except KdgatError as error:
        return str(error)


def _apart(have: str, want: str) -> str:
    """Say where two texts part; empty where they are the same."""
    if have == want:
        return ""
    at = next((i for i, (a, b) in enumerate(zip(have, want, strict=False)) if a != b), min(len(have), len(want)))
    shown = [text[max(at - 20, 0) : at + _AROUND].replace("\n", " ") for text in (have, want)]
    return f"{shown[0]!r} where it has {shown[1]!r}"


class _Content(HTMLParser):
    """What a reader and a browser get of a page: text, elements with their attributes, scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append(" ".join([f"<{tag}", *(f"{k}={v!r}" for k, v in sorted(attrs))]))

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(f"</{tag}")

    def handle_data(self, data: str) -> None:
        if text := re.sub(r"\s+", " ", data).strip():
            self.parts.append(text)


def content(page: str) -> str:
    """A page without what nobody gets to see: order of attributes, comments, white space; whole where it cannot be parsed."""
    parser = _Content()
    try:
        parser.feed(page)
        parser.close()
    except AssertionError:  # a marked section, which HTML has not
        return page
    return "\n".join(parser.parts)
