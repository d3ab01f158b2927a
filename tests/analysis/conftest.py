"""Fixtures: a fake run's tables, and releases frozen from it in a folder of their own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fake_run

from analysis.freeze import freeze
from analysis.release import Release


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
def store(run, tmp_path_factory):
    """A folder with one current release, `r1`, to be copied."""
    root = tmp_path_factory.mktemp("store") / "frozen"
    freeze("r1", *run, root=root, current=True)
    return root


@pytest.fixture
def release(store, frozen):
    """A release `r1`, frozen from `run`, current; a test may change what is below `frozen`."""
    shutil.copytree(store, frozen)
    return Release.open("r1")


@pytest.fixture(scope="session")
def shared_release(run, tmp_path_factory):
    """A release that tests only read."""
    return freeze("shared", *run, root=tmp_path_factory.mktemp("frozen"))
