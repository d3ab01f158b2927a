"""The examples of CONTRIBUTING.md, run as they stand there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.fake_run import make


@pytest.fixture(scope="module")
def examples(repo: Path) -> dict[str, str]:
    """Heading → its code block."""
    sections = re.split(r"^## ", (repo / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)[1:]
    found = {s.splitlines()[0]: re.search(r"```(?:toml|python)\n(.*?)```", s, re.DOTALL) for s in sections}
    return {name: match[1] for name, match in found.items() if match}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory):
    from analysis.freeze import freeze

    return freeze("r", *make(), root=tmp_path_factory.mktemp("frozen"))


def test_each_example_is_there(examples: dict[str, str]) -> None:
    assert list(examples) == ["A dataset", "A model", "A figure", "A number"]


def test_a_dataset(examples: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kdgat import catalog

    monkeypatch.setattr(catalog, "entries", lambda: tomllib.loads(examples["A dataset"]))
    line = "timestamp,arbitration_id,data_field,attack\n" + "1.0,12A,00FF,0\n" * 300
    for number, name in enumerate(("train/free.csv", "train/flood.csv", "test_01/flood-2.csv", "notes.csv")):
        (tmp_path / "my-car" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "my-car" / name).write_text(line + f"{2 + number}.0,12B,00,0\n")
    found = [(c.split, c.attack, c.vehicle, c.frames().num_rows) for c in catalog.captures("my-car", tmp_path)]
    assert sorted(found) == [
        ("test_01", "dos", "my-car", 301),
        ("train", "benign", "my-car", 301),
        ("train", "dos", "my-car", 301),
    ]


def test_a_model(examples: dict[str, str]) -> None:
    from kdgat.evaluation.thresholds import best_f1
    from kdgat.models.fusion import FusionInput

    names: dict = {"__name__": "example"}
    exec(compile(examples["A model"], "CONTRIBUTING.md", "exec", dont_inherit=True), names)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    data = FusionInput(np.zeros((200, 15), np.float32), rng.random(200) * 0.5 + y * 0.4, rng.random(200), y)
    scores = names["Product"]()(data)
    assert ((scores >= 0) & (scores <= 1)).all() and scores[y == 1].mean() > scores[y == 0].mean()
    assert 0 < best_f1(y, scores).threshold < 1


def test_a_figure(examples: dict[str, str], release) -> None:
    from analysis.figures import STATICS, svg

    names: dict = {}
    exec(examples["A figure"], names)
    made = names["DURATIONS"]
    assert made.name not in {s.name for s in STATICS}, "the example takes the place of a figure that there is"
    drawn = svg(release, made)
    assert drawn.startswith(b"<?xml") and b"<svg" in drawn


def test_a_number(examples: dict[str, str], release) -> None:
    names: dict = {}
    exec(examples["A number"], names)
    number = names["WithLongest"](release)["runs.longest_minutes"]
    assert number.value == max(r["seconds"] for r in release.table("runs").to_pylist()) / 60
    (row,) = release.rows(number.query)
    assert list(row.values()) == [pytest.approx(number.value)]
