"""The next year of the project in one step: a copy of the tree in which one of everything has been added.

What is added is as small as it can be; the point is that no committed release may notice.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from kdgat.paths import REPO


def _put(project: Path, file: str, before: str, added: str) -> None:
    """Insert `added` in front of the only place where `before` stands."""
    path = project / file
    text = path.read_text()
    assert text.count(before) == 1, f"{file}: {before!r} stands there {text.count(before)} times"
    path.write_text(text.replace(before, added + before))


def _entry(project: Path, file: str, **entry: object) -> None:
    """Append an entry to one of the registries."""
    path = project / file
    entries = json.loads(path.read_text())
    path.write_text(json.dumps([*entries, entries[-1] | entry], indent=1))


def model(project: Path) -> None:
    """A detector whose window scores are released."""
    _entry(
        project, "kdgat/models/models.json",
        name="novel-baseline", family="novel", label="Novel", builder="kdgat.models.novel:build", scored=True, rank=1,
    )  # fmt: skip
    (project / "kdgat/models/novel.py").write_text(
        '"""A novel detector."""\n\n\ndef build(config, seed):\n    """Make it."""\n    raise NotImplementedError\n'
    )


def metric(project: Path) -> None:
    """A metric that the evaluation computes and that verification computes again."""
    _entry(project, "kdgat/evaluation/metrics.json", name="novel", label="Novel", direction="low")
    _put(
        project, "kdgat/evaluation/metrics.py", "    out |= _events(windows, alarm)\n", '    out["novel"] = (0.5, n)\n'
    )
    _put(project, "analysis/checks/metrics.py", "    out |= _ranking(y, scores)", '    out["novel"] = 0.5\n')


def columns(project: Path) -> None:
    """A column that must have a value in two tables, and one that need not in a third."""
    tables = "kdgat/records/tables.py"
    _put(project, tables, '        Column("n_seeds", I, "seeds", low=1),\n        Column("recordings"',
         '        Column("novel", F, "a new column", low=0, added=True),\n')  # fmt: skip
    _put(project, tables, '        Column("started", S,', '        Column("novel", S, "a new column", added=True),\n')
    _put(project, tables, '        Column("attack", S, "attack kind of the injected frames, `benign` if none"),\n',
         '        Column("novel", F, "a new column", nullable=True, added=True),\n')  # fmt: skip


def table(project: Path) -> None:
    """A table."""
    _put(project, "kdgat/records/tables.py", '    _schema(\n        "hyperparameters",',
         '    _schema("novel", "A new table.", ["run"], _RUN, Column("value", F, "a value")),\n')  # fmt: skip


def protocol(project: Path) -> None:
    """A protocol, between those that there are."""
    _put(project, "kdgat/records/tables.py", '"calibrated", "profiled",', '"novel", ')


def dataset(project: Path) -> None:
    """A dataset with a scenario that no other has."""
    path = project / "data/catalog.toml"
    path.write_text(
        path.read_text()
        + """
[novel]
title = "A new dataset"
page = "https://example.org/novel"
licence = "CC BY 4.0"
citation = "Somebody: novel (2030)"
folder = "novel"
bitbucket = ["", ""]
vehicles = [["", "novel"]]
attacks = [["free", "benign"], ["", "dos"]]
splits = [["^train/", "train"], ["^test/", "test_07"]]
"""
    )


def feature_set(project: Path) -> None:
    """A feature set."""
    _put(project, "kdgat/config.py", '"published", "relative", "profile", "memory"]', '"novel", ')
    _put(
        project,
        "kdgat/graphs/features.py",
        '    "published": (_PUBLISHED_NODE',
        '    "novel": (_RELATIVE_NODE, _RELATIVE_EDGE),\n',
    )


def configuration(project: Path) -> None:
    """A setting at the top and one further down, both marked as newer."""
    _put(
        project,
        "kdgat/config.py",
        "    bootstrap_draws: int = Field(",
        "    novel: int = Field(3, json_schema_extra=ADDED)\n",
    )
    _put(project, "kdgat/config.py", '    profile_from: Literal["all", "quiet"]',
         '    novel: tuple[float, float] = Field((0.5, 1.0), json_schema_extra=ADDED)\n')  # fmt: skip


def interval_method(project: Path) -> None:
    """A way to make intervals, which new releases use."""
    path = project / "kdgat/evaluation/methods.py"
    text = path.read_text()
    text, count = re.subn(
        r'(?m)^    "circular-blocks": circular_blocks,$',
        '    "circular-blocks": circular_blocks,\n    "novel": dict,',
        text,
    )
    assert count == 1
    text, count = re.subn(r'(?m)^METHOD = ".*"$', 'METHOD = "novel"', text)
    assert count == 1
    path.write_text(text)


ADDITIONS = (model, metric, columns, table, protocol, dataset, feature_set, configuration, interval_method)


def grow(project: Path) -> Path:
    """Make every addition in `project`, a copy of the sources."""
    assert project.resolve() != REPO
    for add in ADDITIONS:
        add(project)
    return project
