"""Computers that are not ours: another locale, no docstrings, no key that W&B takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdgat.tracking import trackers


def run(repo: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, *arguments], cwd=repo, env=os.environ | variables, capture_output=True)


def test_a_terminal_of_latin_1_shows_what_it_has_no_character_for(repo: Path) -> None:
    """Every command is run by `cli`, and prints intervals with a dash."""
    done = run(repo, "-c", r"from kdgat.errors import cli; cli(lambda: print('\u20130.9'))", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stdout) == (0, b"\\u20130.9\n"), done.stderr


@pytest.mark.parametrize(
    "command", [("-m", "cli", "verify", "--help"), ("flows/cluster.py", "--help"), ("-m", "tools.check", "--help")]
)
def test_without_docstrings_commands_explain_themselves_all_the_same(repo: Path, command: tuple[str, ...]) -> None:
    done = run(repo, *command, PYTHONOPTIMIZE="2")
    assert done.returncode == 0 and b"sage: " in done.stdout, done.stderr


def test_a_key_that_wandb_refuses_keeps_the_run_offline_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", "garbage")
    for variable in ("WANDB_MODE", "WANDB_DATA_DIR", "WANDB_SILENT"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv(variable, "")  # set by the code, and taken back afterwards
        monkeypatch.delenv(variable)
    opened = trackers.start("wandb", name="n", group="g", config={})
    opened.finish({"parameters": 7.0})
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]
    assert "The run is kept offline: `kdgat track sync` sends it later" in error
    assert len(list((tmp_path / "wandb-runs" / "wandb").glob("offline-run-*"))) == 1
