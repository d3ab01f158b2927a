"""Fixtures: a fake run's tables, and releases frozen from it in a folder of their own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fake_run

from analysis.freeze import freeze
from analysis.releases.release import Release
from tests import shared


@pytest.fixture(scope="session")
def run():
    """Tables and weights of one fake run, read-only."""
    return fake_run.make()


@pytest.fixture(scope="session")
def other_run():
    """The same configuration run again elsewhere: other scores."""
    return fake_run.make(noise=1)


@pytest.fixture
def frozen(tmp_path, monkeypatch):
    """An empty folder of releases that every command uses."""
    root = tmp_path / "frozen"
    monkeypatch.setenv("KDGAT_FROZEN", str(root))
    monkeypatch.delenv("KDGAT_RELEASE", raising=False)
    return root


@pytest.fixture(scope="session")
def store(run):
    """A folder with one current release, `r1`, to be copied."""
    return shared.once("store", lambda root: freeze("r1", *run, root=root, current=True))


@pytest.fixture
def release(store, frozen):
    """A release `r1`, frozen from `run`, current; a test may change what is below `frozen`."""
    shutil.copytree(store, frozen)
    return Release.open("r1")


@pytest.fixture(scope="session")
def shared_release(run):
    """A release that tests only read."""
    return Release(shared.once("releases", lambda root: freeze("shared", *run, root=root)) / "shared")
