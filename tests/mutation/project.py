"""A project with a history and a signed release, for a forger to work on; keys are made for a test and lost with it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pyarrow as pa

from analysis.checks import anchor, signature
from analysis.freeze import Policy, freeze
from tests.analysis.fake_run import make
from tests.mutation import mutations


def git(repo: Path, *args: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *who, *args], cwd=repo, capture_output=True, text=True, check=True).stdout.strip()


def commit(repo: Path, message: str = "c") -> str:
    git(repo, "add", "--all")
    git(repo, "commit", "-qm", message)
    return git(repo, "rev-parse", "HEAD")


def repository(folder: Path) -> Path:
    """A project of two sources and a lock, and a release of runs of its first commit, added by the second."""
    for file, text in (("kdgat/b/a.py", "x = 1\n"), ("flows/a.py", "y = 2\n"), ("requirements.lock", "numpy==2\n")):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    first, history = commit(folder), anchor.History(folder)
    tables, weights = make(commit=first)
    for column, value in (("code_hash", history.code_hash(first)), ("lock_hash", history.lock_hash(first))):
        runs = tables["runs"]
        at = runs.column_names.index(column)
        tables["runs"] = runs.set_column(at, runs.schema.field(at), pa.array([value] * runs.num_rows))
    root = folder / "data" / "frozen"
    release = freeze("shared", tables, weights, Policy(), root=root)
    # the freeze asks this project's git, not the fixture's
    mutations.change_manifest(release.path, lambda m: m["code"]["trees"].update({first: history.trees(first)}))
    (root / ".lock").unlink(missing_ok=True)
    commit(folder, "the release")
    return folder


def make_key(file: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], check=True)
    return file


def trust(key: Path, file: Path) -> Path:
    file.write_text(f'owner@example.org namespaces="{signature.NAMESPACE}" {key.with_suffix(".pub").read_text()}')
    return file
