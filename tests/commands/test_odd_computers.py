"""Computers that are not ours: another locale, no docstrings, no key that W&B takes, another user, a checkout that is only read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.freeze import freeze
from kdgat.tracking import trackers
from tests.analysis.fake_run import make

#: a second user, whom every Unix has, and who has no home
SECOND = "nobody"
#: run "$@" as $user, who finds Python also where it lies below a folder of root's alone, in a checkout that is mounted as $mode
_AS_USER = """set -e
mount --bind "$checkout" "$checkout"
mount -o "remount,bind,$mode" "$checkout"
if [ -n "$closed" ]; then
  mkdir -p "$place"
  mount --bind "$python" "$place"
  mount --rbind "$open" "$closed"
fi
exec setpriv --reuid "$user" --regid nogroup --clear-groups "$@"
"""


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


@pytest.fixture(scope="module")
def shared_checkout(repo: Path) -> Iterator[Path]:
    """A checkout that belongs to root and that everybody may read, with a small release."""
    if os.getuid() or shutil.which("unshare") is None:
        pytest.skip("only root may become a second user")
    with tempfile.TemporaryDirectory(prefix="kdgat-shared-") as folder:
        checkout = Path(folder) / "checkout"
        for name in ("kdgat", "analysis", "cli", "flows", "metaflow_extensions"):
            shutil.copytree(repo / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        (checkout / "data").mkdir()
        shutil.copy(repo / "data" / "catalog.toml", checkout / "data")
        freeze("shared", *make(), root=checkout / "data" / "frozen")
        subprocess.run(["git", "init", "-q", checkout], check=True)
        subprocess.run(["chmod", "-R", "go+rX", folder], check=True)
        yield checkout


def as_user(user: str, mode: str, checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a checkout, as a user without a home."""
    python = Path(sys.base_prefix).resolve()
    closed = next((p for p in reversed(python.parents) if not p.stat().st_mode & 0o001), None)
    names = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW", "KDGAT", "USER", "LOGNAME", "XDG"))}
    names |= {
        "HOME": "/nonexistent",
        "PYTHONPATH": str(checkout),
        "checkout": str(checkout),
        "user": user,
        "mode": mode,
    }
    if closed is not None:
        around = checkout.with_name("open")
        place = around / python.relative_to(closed)
        names |= {"closed": str(closed), "open": str(around), "place": str(place), "python": str(python)}
    shell = ["unshare", "--mount", "bash", "-c", _AS_USER, "bash", sys.executable, *command]
    return subprocess.run(shell, cwd=checkout, env=names, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("user", "mode", "note", "refused"),
    [
        (SECOND, "rw", "git refuses a checkout of another user (git config --global --add", "Permission denied"),
        ("root", "ro", "not committed yet", "Read-only file system"),
    ],
)
def test_a_checkout_that_is_only_read_serves_and_refuses_in_one_line(
    shared_checkout: Path, user: str, mode: str, note: str, refused: str
) -> None:
    """That of another user, and one on a disk that takes nothing."""
    done = as_user(user, mode, shared_checkout, "-m", "cli", "verify", "shared")
    assert done.returncode == 0 and note in done.stdout, done.stdout + done.stderr
    done = as_user(user, mode, shared_checkout, "flows/kdgat_flow.py", "run", "--preset", "smoke")
    assert done.returncode == 2, done.stderr
    work = shared_checkout / ".kdgat"
    assert done.stderr.endswith(f"error: {work}: {refused}: KDGAT_WORK names another folder for work\n"), done.stderr


def test_a_work_folder_of_another_user_is_one_line(shared_checkout: Path) -> None:
    work = shared_checkout.with_name("work")
    work.mkdir()
    code = (
        "import os; os.environ['KDGAT_WORK'] = os.sys.argv[1]; from kdgat.errors import cli; from pathlib import Path\n"
        "from kdgat import atomic, runtime; cli(lambda: atomic.write_bytes(runtime.work_folder() / 'x', b''))"
    )
    done = as_user(SECOND, "rw", shared_checkout, "-c", code, str(work))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stderr.endswith(": Permission denied\n")
