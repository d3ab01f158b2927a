"""The examples of CONTRIBUTING.md, run as they stand there."""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from tests.analysis.fake_run import make

HEADINGS = ["A dataset", "A detector", "A metric", "A feature column", "A figure", "A number", "A sentence"]


@pytest.fixture(scope="module")
def examples(repo: Path) -> dict[str, dict[str, str]]:
    """Heading → language → its code block."""
    sections = re.split(r"^## ", (repo / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)[1:]
    blocks = {
        s.splitlines()[0]: dict(re.findall(r"```(toml|python|json|markdown)\n(.*?)```", s, re.DOTALL)) for s in sections
    }
    return {heading: by_language for heading, by_language in blocks.items() if by_language}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory):
    from analysis.freeze import freeze

    return freeze("r", *make(), root=tmp_path_factory.mktemp("frozen"))


def run(code: str) -> dict:
    """Names that an example defines."""
    names: dict = {"__name__": "example"}
    exec(compile(code, "CONTRIBUTING.md", "exec", dont_inherit=True), names)
    return names


def test_each_example_is_there(examples: dict[str, dict[str, str]]) -> None:
    assert list(examples) == HEADINGS


def test_a_dataset(examples: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kdgat.catalog import datasets

    monkeypatch.setattr(datasets, "entries", lambda: tomllib.loads(examples["A dataset"]["toml"]))
    line = "timestamp,arbitration_id,data_field,attack\n" + "".join(f"{k / 100},12A,00FF,0\n" for k in range(300))
    for number, name in enumerate(("train/free.csv", "train/flood.csv", "test_01/flood-2.csv", "notes.csv")):
        (tmp_path / "my-car" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "my-car" / name).write_text(line + f"{2 + number}.0,12B,00,0\n")
    captures = [(c.split, c.attack, c.vehicle, c.frames().num_rows) for c in datasets.captures("my-car", tmp_path)]
    assert sorted(captures) == [
        ("test_01", "dos", "my-car", 301),
        ("train", "benign", "my-car", 301),
        ("train", "dos", "my-car", 301),
    ]


def test_a_detector(examples: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its entry and its module, and nothing else, it is trained and has operating points."""
    from kdgat.dataset.traffic import of_training
    from kdgat.experiment.task import Task
    from kdgat.experiment.train import train_baselines
    from kdgat.models import registry
    from tests.kdgat.small import CONFIG, small

    entries = [*json.loads(registry.MODELS.read_text()), json.loads(examples["A detector"]["json"])]
    (tmp_path / "models.json").write_text(json.dumps(entries))
    monkeypatch.setattr(registry, "MODELS", tmp_path / "models.json")
    module = ModuleType("kdgat.models.flood")
    exec(compile(examples["A detector"]["python"], "flood.py", "exec", dont_inherit=True), vars(module))
    monkeypatch.setitem(sys.modules, "kdgat.models.flood", module)
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path / "work"))
    registry.models.cache_clear()
    try:
        stage = train_baselines(Task("F/1", "F/1/fusion/2", "synthetic", "synthetic", 0, CONFIG), small())
        assert registry.label("flood-baseline") == "Busiest identifier"
        assert registry.in_order(["flood-baseline", "gat-student"]) == ["gat-student", "flood-baseline"]
    finally:
        registry.models.cache_clear()
    detector = stage.detectors["flood-baseline"]
    assert set(detector.points) == {"zero-shot", "calibrated", "profiled", "contaminated", "poisoned"}
    scores = detector.model.score(small().store("validation"), of_training("synthetic", None, CONFIG, 0))
    assert ((scores > 0) & (scores <= 1)).all()
    assert "flood-baseline" in stage.runs


def test_a_metric(examples: dict[str, dict[str, str]]) -> None:
    from kdgat.evaluation.registry import Metric

    entry = Metric(**json.loads(examples["A metric"]["json"]))
    assert entry.label == "Specificity" and entry.decimals is None
    specificity = run(examples["A metric"]["python"])["specificity"]
    assert specificity(np.array([0, 0, 1, 0]), np.array([True, False, True, False])) == (2 / 3, 3)
    assert specificity(np.array([1]), np.array([True])) == (None, 0)


def test_a_feature_column(examples: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a set of its own, written by its kernel from where `graphs` calls it; the columns before it stay as they are."""
    from kdgat.captures.frames import Frames
    from kdgat.graphs.features import FEATURES
    from kdgat.graphs.kernels import build, relative
    from kdgat.graphs.store import GraphStore

    (tmp_path / "late.py").write_text(examples["A feature column"]["python"])
    monkeypatch.syspath_prepend(tmp_path)
    late = importlib.import_module("late")

    def fill(*arguments) -> None:
        relative.fill(*arguments)
        *_, x, _, _, _ = arguments
        late.fill(arguments[5], arguments[6], arguments[8], x)

    ids = np.random.default_rng(0).integers(0, 20, 400)
    table, starts = Frames.of(np.arange(400) / 1e3, ids, 8, np.zeros((400, 8)), 0).to_table(), np.arange(0, 300, 50)
    plain = GraphStore.build([("c", "dos", table, starts)], 100, "relative")
    nodes, edges = FEATURES["relative"]
    monkeypatch.setitem(FEATURES, "placed", ((*nodes, "late"), edges))
    monkeypatch.setattr(build, "relative", SimpleNamespace(fill=fill))
    placed = GraphStore.build([("c", "dos", table, starts)], 100, "placed")
    assert np.array_equal(placed.x[:, :-1], plain.x) and placed.node_features[-1] == "late"
    firsts = [np.unique(ids[s : s + 100], return_index=True)[1] / 100 for s in starts]
    np.testing.assert_allclose(placed.x[:, -1], np.concatenate([np.sort(first) for first in firsts]), rtol=1e-6)


def test_a_figure(examples: dict[str, dict[str, str]], release) -> None:
    from analysis.figures.statics import STATICS, svg

    figure = run(examples["A figure"]["python"])["DURATIONS"]
    assert figure.name not in {s.name for s in STATICS}, "the example takes the place of a figure that there is"
    drawing = svg(release, figure)
    assert drawing.startswith(b"<?xml") and b"<svg" in drawing


def test_a_number(examples: dict[str, dict[str, str]], release) -> None:
    number = run(examples["A number"]["python"])["WithLongest"](release)["runs.longest_minutes"]
    assert number.value == max(r["seconds"] for r in release.table("runs").to_pylist()) / 60
    (row,) = release.rows(number.query)
    assert list(row.values()) == [pytest.approx(number.value)]


def test_a_sentence(examples: dict[str, dict[str, str]], release, tmp_path: Path) -> None:
    from analysis.claims import judged
    from analysis.claims.prose import stated
    from analysis.numbers import Numbers

    (tmp_path / "a.qmd").write_text(examples["A sentence"]["markdown"])
    claims = judged.judged(Numbers(release), stated([tmp_path / "a.qmd"]), tmp_path)
    assert [j.verdict.state for j in claims] == ["false", "true"], [
        j.verdict.why for j in claims
    ]  # two seeds resolve little
