"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest

from kdgat.paths import REPO
from tests import shared

#: names the file in which processes note the test folders that they open
OPENED = "KDGAT_TESTS_OPENED"


def pytest_configure(config: pytest.Config) -> None:
    """Before any worker is started: they inherit the name of the shared folder, and what watches the files they open."""
    shared.begin()
    if OPENED not in os.environ:
        os.environ[OPENED] = str(shared.folder() / "opened")
        watcher = str(REPO / "tests" / "opened")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (watcher, os.environ.get("PYTHONPATH"))))
        runpy.run_path(f"{watcher}/sitecustomize.py")  # in this process


def pytest_unconfigure(config: pytest.Config) -> None:
    shared.end()


def _opened() -> list[str]:
    """Folders of test captures that any process of the session opened."""
    file = Path(os.environ[OPENED])
    return sorted(set(file.read_text().split())) if file.is_file() else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List them: no more than the published scenarios of hcrl-sa may be read before a choice is made."""
    terminalreporter.section("test folders of captures that were opened")
    terminalreporter.line(", ".join(_opened()) or "none")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a session that opened another dataset's test folder."""
    if not hasattr(session.config, "workerinput") and [f for f in _opened() if not f.startswith("hcrl-sa/")]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


#: files that take longest, longest first: a core that is given one last would work alone
FIRST = (
    "flows/test_flow.py",
    "browser/test_site.py",
    "kdgat/test_ablation.py",
    "slurm/test_srun.py",
    "kdgat/test_training.py",
    "fuzz/test_fuzz.py",
    "faults/test_kills.py",
    "growth/test_growth.py",
    "paper/test_releases.py",
    "paper/test_draft.py",
    "test_benchmarks.py",
    "mutation/test_mutation.py",
)
#: folders and files that start browsers, clusters, flows, trainings or many processes: `make quick` leaves them out
SLOW = (
    *("browser", "commands", "faults", "flows", "fuzz", "growth", "mutation"),
    *("security/test_secrets.py", "slurm", "tracking"),
    *("analysis/test_appendix.py", "analysis/test_compare.py", "analysis/test_numbers.py", "analysis/test_rendered.py"),
    "analysis/test_verify.py",
    *("analysis/test_engines.py", "analysis/test_explore.py", "analysis/test_faults.py", "analysis/test_imports.py"),
    *("kdgat/test_ablation.py", "kdgat/test_another_device.py", "kdgat/test_devices.py"),
    *("kdgat/test_dvc.py", "kdgat/test_explain.py"),
    *("kdgat/test_flaws.py", "kdgat/test_interrupt.py", "kdgat/test_micro_batches.py", "kdgat/test_resume.py"),
    *("kdgat/test_search.py", "kdgat/test_selection.py", "kdgat/test_shapes.py", "kdgat/test_training.py"),
    *("paper/test_draft.py", "paper/test_figures_js.py", "paper/test_quarto.py", "paper/test_releases.py"),
    *("test_benchmarks.py", "test_contributing.py"),
)


def _slow(path: Path) -> bool:
    """Whether a file or folder is in the table."""
    return not {path, *path.parents}.isdisjoint(REPO / "tests" / name for name in SLOW)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what is left out."""
    return True if config.option.markexpr == "not slow" and _slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and start with the longest files; within a file the order stays."""
    for item in items:
        if _slow(item.path):
            item.add_marker(pytest.mark.slow)
    place = {REPO / "tests" / name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(scope="session")
def repo() -> Path:
    """Root of the repository."""
    return REPO


@pytest.fixture(scope="session")
def captures_root() -> Path:
    """Folder of real captures ($KDGAT_DATA); tests that need it are skipped by name where it is not given."""
    value = os.environ.get("KDGAT_DATA")
    if not value:
        pytest.skip("KDGAT_DATA is not set: no real captures")
    for root in (Path(part).resolve() for part in value.split(os.pathsep)):
        if (root / "hcrl-sa").is_dir():
            return root
    pytest.skip(f"no hcrl-sa below {value}")
