"""The blind choice: no test capture can be opened, and what was chosen is what the preset `paper` is."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from kdgat import config, selection
from kdgat.catalog import datasets
from kdgat.config import PRESETS, override, preset
from kdgat.errors import KdgatError
from kdgat.paths import REPO

WATCH = """
import sys
from pathlib import Path
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from kdgat import selection
from kdgat.catalog import datasets
folds = selection.blind_root(Path(sys.argv[1]), None)
for fold in folds:
    for dataset, root in [(selection.DATASET, fold.root), *fold.judged.values()]:
        for c in datasets.captures(dataset, root):
            assert c.split == "train", c.name
            c.frames()
assert sum("hcrl-sa" in name for name in opened) > 4, "nothing was opened"
print("\\n".join(sorted({name for name in opened if Path(name).parent.name.startswith("test_")})))
"""


def test_a_blind_choice_opens_no_test_capture(captures_root: Path, tmp_path: Path) -> None:
    env = os.environ | {"KDGAT_DATA": str(captures_root), "KDGAT_WORK": str(tmp_path / "work")}
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(tmp_path / "blind")], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
    names = [p.relative_to(tmp_path / "blind").as_posix() for p in (tmp_path / "blind").rglob("*.csv")]
    assert names and not any("test_" in name for name in names)


def test_a_held_out_car_is_in_no_training_folder(captures_root: Path, tmp_path: Path) -> None:
    folds = selection.blind_root(tmp_path, captures_root)
    assert {f.name for f in folds} == {"full", "soul-out", "sonata-out"}
    for fold in folds[1:]:
        car = fold.name.removesuffix("-out")
        assert car not in {c.vehicle for c in datasets.captures(selection.DATASET, fold.root)}
        ((dataset, root),) = fold.judged.values()
        assert {c.vehicle for c in datasets.captures(dataset, root)} == {car}


def test_the_worst_case_ranks() -> None:
    def row(candidate: str, case: str, f1: float, seed: int = 0) -> dict:
        return {"candidate": candidate, "rule": "half", "case": case, "protocol": "p", "f1": f1, "seed": seed}

    ranked = selection.ranking(
        [row("a", "x", 0.99), row("a", "y", 0.8), row("b", "x", 0.9), row("b", "y", 0.8), row("b", "y", 0.9, 1)]
    )
    assert [(r["candidate"], r["worst_case"]) for r in ranked] == [("b", "y · p"), ("a", "y · p")]
    assert ranked[0]["worst"] == pytest.approx(0.85)


def test_the_preset_paper_is_what_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = tomllib.loads(config.CHOICE.read_text())
    assert preset("paper").hash() == choice["config_hash"]
    first = choice["ranking"][0]
    assert (first["candidate"], first["rule"]) == (choice["candidate"], choice["settings"]["operating_point"])
    assert first["worst"] == max(r["worst"] for r in choice["ranking"])
    assert first["worst"] == min(first["f1"].values())
    # settings that were edited after the choice are refused
    edited = tmp_path / "choice.toml"
    monkeypatch.setattr(config, "CHOICE", edited)
    text = (REPO / "data" / "choice.toml").read_text()
    edited.write_text(text.replace('"augmentation.vehicles" = ', '"augmentation.vehicles" = 1'))
    with pytest.raises(KdgatError, match="another configuration"):
        preset("paper")


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(KdgatError, match="no setting is called"):
        override(PRESETS["demo"], {"gat_student.hiden": 3})
    with pytest.raises(KdgatError, match=r"windows\.size"):
        override(PRESETS["demo"], {"windows.size": 1})
