"""The table of `make soak`."""

from __future__ import annotations

import json
from pathlib import Path

from tests import soak


def test_pieces_add_up_and_what_was_not_run_is_said(tmp_path: Path) -> None:
    file = tmp_path / "soak.jsonl"
    for cases, finds in ((4000, 0), (6000, 1)):
        soak.note("fuzz", "captures", cases, finds, 7.4, file)
    text = soak.document([json.loads(line) for line in file.read_text().splitlines()])
    assert "| captures | 10,000 | 1 | 14 | 2 | " in text and "| **all** | **10,000** | **1** |" in text
    assert text.count("Not run.") == len(soak.PARTS) - 1
