"""A live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from kdgat.training import progress
from kdgat.training.progress import Line

FLOW = """
import time
from kdgat.runtime import configure
configure()
from metaflow import FlowSpec, step
from kdgat.training import progress
from support.steps import main, plain

class ShownFlow(FlowSpec):
    @step
    @plain
    def start(self):
        progress.tell("hcrl-sa seed 0 gat-teacher", 2, 8, "train_loss 0.1", 65)
        time.sleep(2)
        self.next(self.end)
    @step
    @plain
    def end(self):
        pass

if __name__ == "__main__":
    main(ShownFlow)
"""


def test_a_line_says_what_epoch_metric_and_how_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress.tell("nobody asked")
    monkeypatch.setenv(progress.FOLDER, str(tmp_path))
    progress.tell("b gat", 3, 8, "train_loss 0.1", 3700)
    (line,) = progress.lines(tmp_path)
    assert line.text(line.since) == "b gat  epoch 3/8  train_loss 0.1  1:01:40 left"
    assert line.text(line.since + 3695) == "b gat  epoch 3/8  train_loss 0.1  0:05 left"
    assert Line("prepare", since=0).text(75) == "prepare  1:15"
    progress.finished()
    assert progress.lines(tmp_path) == []


def test_on_a_terminal_it_is_drawn_and_in_a_log_it_is_not(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW", "KDGAT"))}
    env = environment | {
        "PYTHONPATH": f"{repo}{os.pathsep}{repo / 'flows'}",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(tmp_path),
        "KDGAT_WORK": str(tmp_path / "work"),
        "TERM": "xterm",
        "COLUMNS": "120",
    }
    command = [sys.executable, str(tmp_path / "flow.py"), "--no-pylint", "run"]
    log = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert log.returncode == 0 and "\x1b" not in log.stdout and "epoch 2/8" not in log.stdout, log.stdout

    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as head:
        os.close(theirs)
        output = b""
        try:
            while part := os.read(ours, 65536):
                output += part
        except OSError:  # the terminal is gone with the last process that held it
            pass
        assert head.wait() == 0, output
    os.close(ours)
    text = output.decode(errors="replace")
    assert "hcrl-sa seed 0 gat-teacher  epoch 2/8  train_loss 0.1  1:0" in text, text
    assert "Task finished successfully" in text and not list((tmp_path / "work").glob(".head-*"))
