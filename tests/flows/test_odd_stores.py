"""Stores that are full or cannot be written, and a head that is told to end: one line, and nothing goes on behind it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def start(repo: Path, store: Path, *arguments: str) -> subprocess.Popen[str]:
    """A head whose store and work folder lie below one folder."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW", "KDGAT"))} | {
        "PYTHONPATH": f"{repo}{os.pathsep}{repo / 'flows'}",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(store),
        "KDGAT_WORK": str(store / "work"),
    }
    command = [sys.executable, str(repo / "tests/flows/coded_flow.py"), "--no-pylint", "run", *arguments]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem that is full after a few tasks."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(tmp_path)], capture_output=True)
    if done.returncode:
        pytest.skip("a small filesystem needs the right to mount one (root)")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.mark.parametrize("reason", ["No space left on device", "Read-only file system"])
def test_a_store_that_takes_nothing_ends_a_flow_in_one_line(repo: Path, disk: Path, reason: str) -> None:
    if "Read-only" in reason:
        (disk / "work").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    head = start(repo, disk)
    out, err = head.communicate()
    assert head.returncode == 2, err
    assert err.strip().splitlines()[-1].startswith("error: /") and err.strip().endswith(reason), err
    assert "Traceback" not in out + err


def test_sigterm_to_a_head_ends_its_tasks_and_says_so(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "fail").write_text("wait in two")
    head = start(repo, tmp_path, "--fail", str(tmp_path / "fail"))
    assert head.stdout
    lines = iter(head.stdout.readline, "")
    task = next(int(found[1]) for line in lines if (found := re.search(r"waiting as (\d+)", line)))
    head.send_signal(signal.SIGTERM)
    _, err = head.communicate(timeout=60)
    assert head.returncode == 128 + signal.SIGTERM
    assert err.count("error: ") == 1 and "error: ended by SIGTERM, and its tasks with it; `resume` goes on" in err
    assert "Traceback" not in err
    for _ in range(100):
        if not Path(f"/proc/{task}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{task}").exists(), "the task outlived its head"
    assert not list((tmp_path / "work").glob(".head-*"))
