"""Killed with -9 and run again: the same result as undisturbed, nothing half-written (200 kills: `make soak`)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kdgat import atomic
from tests.faults import again, jobs
from tests.rendering import NODE_MODULES

SOAK = bool(os.environ.get("KDGAT_SOAK"))


def test_killed_graph_builds(tmp_path: Path) -> None:
    assert again.build().run(tmp_path, kills=40 if SOAK else 2, seed=1) == []


def test_killed_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDGAT_WORK", "")  # set by the job, restored here
    jobs.build(tmp_path / "stores")
    assert again.training(tmp_path / "stores").run(tmp_path / "runs", kills=40 if SOAK else 1, seed=1) == []


@pytest.mark.skipif(not SOAK, reason="minutes long: make soak")
def test_killed_flow(tmp_path: Path) -> None:
    """`flows/kdgat_flow.py resume`: weights, scores and means as undisturbed; what had been trained is not trained again."""
    assert again.flow().run(tmp_path, kills=10, seed=2) == []


@pytest.mark.skipif(not SOAK, reason="minutes long: make soak")
@pytest.mark.skipif(not NODE_MODULES.is_dir(), reason="paper/figures/node_modules is missing: npm ci")
def test_killed_rendering(tmp_path: Path) -> None:
    """The site is not there or all there, and the next rendering ends as an undisturbed one."""
    assert again.rendering().run(tmp_path, kills=20, seed=1) == []


#: seed whose first two moments fall into the first tenth of a run: while `UNFINISHED` sleeps, however slow the machine
EARLY = 123
#: writes its first part, sleeps in the middle of its work, and ends with the second
UNFINISHED = """import sys, time; from pathlib import Path; folder = Path(sys.argv[1])
{}; print("ready", flush=True); time.sleep(1); {}"""


def test_a_command_that_leaves_half_a_file_is_caught(tmp_path: Path) -> None:
    """The harness itself: what writes in place is found out."""
    script = UNFINISHED.format("(folder / 'out').write_text('x')", "(folder / 'out').write_text('xx')")
    torn = again.Again(lambda folder: ["python3", "-c", script, str(folder)], result="out", stays="out")
    assert any("not what an undisturbed run writes" in p for p in torn.run(tmp_path, kills=2, seed=EARLY))


def test_a_command_that_leaves_some_of_its_files_is_caught(tmp_path: Path) -> None:
    """The harness itself: a folder that fills up in its own place is found out."""
    script = UNFINISHED.format("(folder / '1.html').write_text('x')", "(folder / '2.html').write_text('x')")
    torn = again.Again(
        lambda folder: ["python3", "-c", script, str(folder)], result="*.html", stays="*.html", together=True
    )
    assert any("files are not there" in p for p in torn.run(tmp_path, kills=2, seed=EARLY))


def test_what_a_killed_writer_left_is_removed_a_day_later(tmp_path: Path) -> None:
    target = tmp_path / "store"
    for name in (".store.old", ".store.young", ".other.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.npy").write_bytes(b"half")
    long_ago = time.time() - 2 * atomic.STALE
    for name in (".store.old", ".other.old"):
        for path in (tmp_path / name / "x.npy", tmp_path / name):
            os.utime(path, (long_ago, long_ago))
    with atomic.new_directory(target) as folder:
        (folder / "x.npy").write_bytes(b"whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".other.old", ".store.young", "store"]
