"""`make bench` measures, keeps its rows, and a release takes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from analysis.freeze import FreezeError, freeze, measured
from benchmarks import row
from kdgat.errors import KdgatError
from tests.analysis.fake_run import make


def test_measured_rows_go_into_a_release(repo: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "KDGAT_DATA"} | {"KDGAT_WORK": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"], cwd=repo, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    tables, weights = make()
    content = measured(tmp_path / "benchmarks.arrow")
    rows = {r["name"]: r for r in content["benchmarks"].to_pylist()}
    assert {"virtual vehicles", "captures to graphs, one thread"} < rows.keys()
    assert all(r["value"] > 0 and r["name"] in done.stdout for r in rows.values())
    assert freeze("r", tables | content, weights, root=tmp_path / "frozen").table("benchmarks").num_rows == len(rows)


def test_the_benchmark_of_a_gpu_is_rehearsed_on_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("torch_geometric")
    from benchmarks import gpu

    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    rows = {r["name"]: r for r in gpu.rows("cpu", ["gat-student"], 64, 64, 0.0, [1])}
    assert all(r["value"] > 0 for r in rows.values())
    assert {n.rpartition("on the CPU")[2] for n in rows} >= {"", ", over PyG's loop on it", ", 1 side by side"}
    kept = measured(row.keep(list(rows.values()), "benchmarks-gpu.arrow"))
    assert kept["benchmarks"].num_rows == len(rows)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_benchmark_says_so_and_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import gpu

    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(KdgatError, match="no GPU here: nothing was measured"):
        gpu.main()


def test_what_holds_no_benchmarks_is_refused(tmp_path: Path) -> None:
    assert measured(None) == {}
    (tmp_path / "x").write_text("no arrow")
    for name in ("x", "missing"):
        with pytest.raises(FreezeError, match="holds no benchmarks"):
            measured(tmp_path / name)


def test_a_commit_that_is_not_there_is_told_before_anything_is_measured(repo: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--against", "no-such-commit"], cwd=repo, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: no checkout of no-such-commit: ")
