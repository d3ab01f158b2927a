"""What keeps Quarto's pages and a draft alike, and a preview quick: rules of the sources that need no Quarto to be checked."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from analysis import prerender
from analysis.figures.statics import STATICS
from analysis.numbers import Numbers
from analysis.reference.sources import sources, uses
from analysis.releases.release import Release
from analysis.tables.registry import TABLES
from kdgat.models import registry
from tools import assets
from tools import prerender as before_rendering


def test_quarto_leaves_the_ignored_files_alone(repo: Path) -> None:
    """Without exactly these two lines it appends them, and the work tree is no longer what was committed."""
    lines = (repo / ".gitignore").read_text().splitlines()
    assert {"/.quarto/", "**/*.quarto_ipynb"} <= set(lines)


def test_no_variable_is_the_name_of_a_file(repo: Path) -> None:
    """Quarto makes a path of a value that names one: `paper` became `../paper`."""
    variables = prerender.variables(Numbers(Release.open(None)), uses(sources(repo)), repo)

    def values(tree: object) -> list[str]:
        return [v for inner in tree.values() for v in values(inner)] if isinstance(tree, dict) else [str(tree)]

    names = [value for value in values(variables) if value and "\n" not in value and (repo / value).exists()]
    assert values(variables) and not names


def test_a_draft_has_no_rule_for_what_the_site_shows_too(repo: Path) -> None:
    """The draft's own style sheet dresses the page around the text; the text is dressed by the theme, under both renderers."""
    text = re.sub(r"/\*.*?\*/", "", (repo / "tools/draft/draft.css").read_text(), flags=re.DOTALL)
    selectors = {part.strip() for group in re.findall(r"([^{}]+)\{", text) for part in group.split(",")}
    content = re.compile(
        r"^(main\s+)?(table|th|td|tr|caption|figure|figcaption|img|code|pre|math|\.csl|\.header-section)"
    )
    assert not [s for s in selectors if content.match(s)]


def test_hidden_sources_have_no_copy_button_and_the_pdf_its_name(repo: Path) -> None:
    assert yaml.safe_load((repo / "_quarto.yml").read_text())["format"]["html"]["code-copy"] is False
    head = (repo / "paper/index.qmd").read_text().split("---")[1]
    links = yaml.safe_load(re.sub(r"abstract: \|\n(?:  .*\n|\n)+", "", head))["format"]["html"]["format-links"]
    assert links == ["html", {"format": "typst", "text": "PDF"}]


def test_assets_are_replaced_file_by_file(tmp_path: Path) -> None:
    """A preview walks the folder meanwhile: it never vanishes, and what is unchanged is not written."""
    source, target = tmp_path / "new", tmp_path / "assets"
    for folder, files in (
        (source, {"a/same.js": "1", "changed.js": "new"}),
        (target, {"a/same.js": "1", "changed.js": "old", "gone.js": "x"}),
    ):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    os.utime(target / "a/same.js", ns=(5, 5))
    place = (target / "a").stat().st_ino
    assets.mirror(source, target)
    assert {p.relative_to(target).as_posix(): p.read_text() for p in target.rglob("*") if p.is_file()} == {
        "a/same.js": "1", "changed.js": "new"
    }  # fmt: skip
    assert (target / "a/same.js").stat().st_mtime_ns == 5 and (target / "a").stat().st_ino == place


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in (
        "index.qmd",
        "_quarto.yml",
        "paper/a.qmd",
        "analysis/b.py",
        "assets/kdgat.js",
        "_variables.yml",
        "claims.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    for release in ("r1", "r2"):
        (tmp_path / "data/frozen" / release).mkdir(parents=True)
        (tmp_path / "data/frozen" / release / "manifest.json").write_text("{}")
    (tmp_path / "data/frozen/current").write_text("r1\n")
    return tmp_path


@pytest.mark.parametrize(
    "changed", ["paper/a.qmd", "analysis/b.py", "assets/kdgat.js", "_variables.yml", "data/frozen/r1/manifest.json"]
)
def test_a_change_of_source_release_or_output_renders_anew(project: Path, changed: str) -> None:
    before = before_rendering.state(project, "")
    assert before_rendering.state(project, "") == before
    (project / changed).write_text("other")
    assert before_rendering.state(project, "") != before


def test_another_release_renders_anew_and_caches_do_not(project: Path) -> None:
    before = before_rendering.state(project, "")
    assert before_rendering.state(project, "r2") != before
    (project / "paper/figures/node_modules").mkdir(parents=True)
    (project / "paper/figures/node_modules/x.js").write_text("x")
    (project / "analysis/__pycache__").mkdir()
    (project / "analysis/__pycache__/b.pyc").write_text("x")
    assert before_rendering.state(project, "") == before
    (project / "paper/figures/static").mkdir()
    (project / "paper/figures/static/leaderboard.svg").write_text("x")
    assert before_rendering.state(project, "") != before, "a figure that is written is part of what was made"


def test_models_are_compared_in_tables_and_figures_that_there_are() -> None:
    labels = {*TABLES, *(f"fig-{figure.name}" for figure in STATICS)}
    assert {label for model in registry.models().values() for label in model.compared} <= labels
    for label in ("tbl-cars", "fig-unseen"):  # a column, or a line, for each kind
        assert all(model.kind for model in registry.compared(label))
    for profiled in (False, True):
        kinds = [model.kind for model in registry.compared("tbl-cars", profiled=profiled)]
        assert len(kinds) == len(set(kinds)) == len({model.kind for model in registry.compared("tbl-cars")})


def test_every_picture_says_what_it_shows_to_those_who_do_not_see_it(repo: Path) -> None:
    """Quarto gives a figure with a caption no text of its own: axe's `image-alt` on its pages."""
    images = [
        (p.name, m[0]) for p in sources(repo) for m in re.finditer(r"!\[[^\]]*\]\([^)]+\)(\{[^}]*\})?", p.read_text())
    ]
    assert len(images) > 10
    assert [image for image in images if "fig-alt=" not in image[1]] == []
