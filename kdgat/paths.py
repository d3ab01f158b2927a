"""Where the repository is: every other path of the project starts here."""

from __future__ import annotations

from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
