"""The project as Quarto reads it: `_quarto.yml`, front matter, includes, variables; the unused rest is an error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kdgat.errors import KdgatError

SHORTCODE = re.compile(r"\{\{< *(\S+) *(.*?) *>\}\}")
FENCE = re.compile(r"^\s*(`{3,}|~{3,})")


class DraftError(KdgatError):
    """A source that the draft renderer does not understand, with its place."""


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Nested dictionaries merged, `over` winning."""
    out = dict(base)
    for key, value in over.items():
        out[key] = merge(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


@dataclass
class Page:
    """One source file.

    Attributes:
        path: relative to the root.
        meta: metadata merged with the project's.
        body: text with includes resolved.
        own: formats the page names, else the project's.
    """

    path: Path
    meta: dict[str, Any]
    body: str
    own: tuple[str, ...]

    def options(self, target: str) -> dict[str, Any]:
        """Metadata of the page for a format (`html`, `typst` or `revealjs`)."""
        shared = {k: v for k, v in self.meta.items() if k != "format"}
        return merge(shared, self.meta["format"].get(target) or {})

    @property
    def formats(self) -> list[str]:
        """Formats the page is rendered to."""
        return [name for name in ("html", "typst", "revealjs") if name in self.own]


@dataclass
class Project:
    """The whole project below `root`."""

    root: Path
    config: dict[str, Any] = field(init=False)
    variables: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.config = self._yaml("_quarto.yml")
        self.variables = self._yaml("_variables.yml")

    def _yaml(self, name: str) -> dict[str, Any]:
        return yaml.safe_load((self.root / name).read_text(encoding="utf-8")) or {}

    def sources(self) -> list[Path]:
        """Every page that `project: render:` lists, in its order."""
        files: list[Path] = []
        for pattern in self.config["project"]["render"]:
            matches = sorted(self.root.glob(pattern))
            if not matches:
                raise DraftError(f"_quarto.yml: no page matches {pattern!r}")
            files += [path.relative_to(self.root) for path in matches if path.relative_to(self.root) not in files]
        return files

    def page(self, path: Path) -> Page:
        """Read a page. Variables stay in its body until its cells have run; in its metadata they are replaced here."""
        front, body = split_front_matter((self.root / path).read_text(encoding="utf-8"), str(path))
        shared = {k: v for k, v in self.config.items() if k not in ("project", "website")}
        meta = merge(shared, front)
        for name in meta.pop("metadata-files", []):
            meta = merge(meta, yaml.safe_load((self.root / path.parent / name).read_text(encoding="utf-8")))
        own = tuple(front.get("format") or self.config["format"])
        return Page(path, self._in_metadata(meta, str(path)), self._include(body, path), own)

    def _include(self, body: str, path: Path) -> str:
        def content(match: re.Match[str]) -> str:
            name = match[1]
            file = self.root / name[1:] if name.startswith("/") else self.root / path.parent / name
            if not file.is_file():
                raise DraftError(f"{path}: included file {name} does not exist")
            return self._include(file.read_text(encoding="utf-8").strip("\n"), path)

        return re.sub(r"^\{\{< include (\S+) >\}\}$", content, body, flags=re.M)

    def substitute(self, text: str, place: str) -> str:
        """Replace `{{< var key >}}` outside code blocks; any other shortcode or an unknown key is an error."""
        out, fence = [], ""
        for line in text.split("\n"):
            mark = FENCE.match(line)
            if mark:
                if not fence:
                    fence = mark[1]
                elif mark[1].startswith(fence):
                    fence = ""
            out.append(line if fence else SHORTCODE.sub(lambda m: self._value(m, place), line))
        return "\n".join(out)

    def _value(self, match: re.Match[str], place: str) -> str:
        if match[1] != "var":
            raise DraftError(f"{place}: shortcode {match[0]} is not supported")
        value: Any = self.variables
        for part in match[2].split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None or isinstance(value, dict):
            raise DraftError(f"{place}: unknown variable {match[2]}")
        return str(value)

    def _in_metadata(self, value: Any, place: str) -> Any:
        if isinstance(value, dict):
            return {k: self._in_metadata(v, place) for k, v in value.items()}
        if isinstance(value, list):
            return [self._in_metadata(v, place) for v in value]
        return self.substitute(value, place) if isinstance(value, str) else value


def split_front_matter(text: str, place: str) -> tuple[dict[str, Any], str]:
    """YAML front matter and the rest."""
    match = re.match(r"---\n(.*?)\n---\n", text, re.S)
    if not match:
        raise DraftError(f"{place}: no front matter")
    return yaml.safe_load(match[1]) or {}, text[match.end() :]
