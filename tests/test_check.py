"""`make test` and its kin: what fails beside the tests fails the whole, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import check
from tools.check import Step


def test_a_step_that_fails_is_named_with_its_output(capsys: pytest.CaptureFixture[str]) -> None:
    bad = Step("python", ("-c", "print('what is wrong'); raise SystemExit(1)"))
    blind = Step("python", ("-c", "print('nothing seen')"), prints="MIT")
    failed = check.steps([Step("python", ("-c", "")), bad, blind])
    assert [command.split()[2][:11] for command in failed] == ["print('what", "print('noth"]
    output = capsys.readouterr().out
    assert "\nwhat is wrong\n" in output and output.count("FAILED") == 2 and output.count("ok ") == 1


def test_a_failed_step_fails_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Step("python", ("-c", "raise SystemExit(3)"))
    monkeypatch.setitem(check.KINDS, "lint", ((step,), None))
    assert check.main(["lint"]) == 1


def test_what_is_not_installed_is_no_success_of_an_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(check.KINDS, "audit", ((Step("no-such-program"),), None))
    assert check.main(["audit"]) == 1


def test_whatever_is_checked_is_checked_by_some_target(repo: Path) -> None:
    """Each kind is a line of the Makefile, and `make test` leaves out types alone, which a new clone takes minutes for."""
    makefile = (repo / "Makefile").read_text()
    assert all(f"-m tools.check {kind}\n" in makefile for kind in check.KINDS)
    every = {step for asked, _ in check.KINDS.values() for step in asked}
    assert every - set(check.KINDS["test"][0]) == set(check.TYPES)


def test_what_is_called_long_or_slow_is_there(repo: Path) -> None:
    """The tables of tests/conftest.py: a file that is moved away from them would come last, or into `make quick`."""
    from tests import conftest

    assert [name for name in (*conftest.FIRST, *conftest.SLOW) if not (repo / "tests" / name).exists()] == []
