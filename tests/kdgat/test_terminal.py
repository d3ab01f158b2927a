"""What long work says of itself."""

from __future__ import annotations

import pytest

from kdgat import terminal


def test_long_work_is_noted_once_the_silence_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 1.0, 12.0, 12.0, 13.0, 24.0, 24.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(clock))
    assert list(terminal.paced("abcd", "captures of today", "files")) == list("abcd")
    assert capsys.readouterr().err.splitlines() == [
        "captures of today: 1 of 4 files",
        "captures of today: 3 of 4 files",
    ]
