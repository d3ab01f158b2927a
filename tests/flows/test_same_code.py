"""What is resumed, and with which code: a copy of the sources is changed between a run and its resumption."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture
def checkout(repo: Path, tmp_path: Path) -> Path:
    """A copy of the sources, with a small flow among the flows."""
    for name in ("kdgat", "flows", "metaflow_extensions"):
        shutil.copytree(repo / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "coded_flow.py", tmp_path / "flows")
    return tmp_path


def started(checkout: Path, *args: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW", "KDGAT"))}
    command = [sys.executable, "flows/coded_flow.py", "--no-pylint", *args]
    env = environment | {"PYTHONPATH": str(checkout)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=checkout, env=env, text=True, **pipes)


def flow(checkout: Path, *args: str) -> subprocess.CompletedProcess[str]:
    process = started(checkout, *args)
    out, err = process.communicate()
    return subprocess.CompletedProcess(args, process.returncode, out, err)


def test_two_runs_at_once_keep_apart_and_the_older_one_can_be_resumed(checkout: Path) -> None:
    (checkout / "fail").write_text("two")
    heads = [started(checkout, "run", "--fail", str(checkout / "fail")) for _ in range(2)]
    outputs = [head.communicate()[0] for head in heads]
    assert [head.returncode for head in heads] == [1, 1], outputs
    older, newer = sorted(re.findall(r"run-id (\d+)", output)[0] for output in outputs)
    assert older != newer
    (checkout / "fail").unlink()
    done = flow(checkout, "resume", "--origin-run-id", older)
    assert done.returncode == 0 and done.stdout.count("two is worked on") == 1, "the part that failed, and no other"


def test_results_of_different_code_are_told_and_not_joined(checkout: Path) -> None:
    (checkout / "fail").write_text("two")
    assert flow(checkout, "run", "--fail", str(checkout / "fail")).returncode == 1
    (checkout / "fail").unlink()

    source = checkout / "kdgat" / "graphs" / "splits.py"
    before = source.read_text()
    source.write_text(before + "\n# changed\n")
    mixed = flow(checkout, "resume")
    assert "ran other code" in mixed.stderr and mixed.returncode == 2
    last = mixed.stderr.strip().splitlines()[-1]
    assert last.startswith("error: the tasks of this run ran different code (start, one, two ran "), last

    source.write_text(before)  # the code of the finished tasks again
    (checkout / "fail").write_text("join")
    again = flow(checkout, "resume")
    assert again.returncode == 1 and "two is worked on" in again.stdout, "the mixed resumption is left out"
    (checkout / "fail").unlink()
    same = flow(checkout, "resume")
    assert same.returncode == 0 and "ran other code" not in same.stderr, same.stderr
    assert "two is worked on" not in same.stdout, "what the first resumption finished is not done again"
    assert "all of ['start', 'one', 'two', 'join', 'end']" in same.stdout
