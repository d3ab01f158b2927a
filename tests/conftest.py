"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


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
    root = Path(value).resolve()
    if not (root / "hcrl-sa").is_dir():
        pytest.skip(f"no hcrl-sa below {root}")
    return root
