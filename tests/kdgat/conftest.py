"""Fixtures of tests that train."""

from __future__ import annotations

from pathlib import Path

import pytest
from small import small

from kdgat.dataset.prepare import Prepared
from tests import shared


@pytest.fixture(scope="session")
def prepared() -> Prepared:
    """Small stores of the synthetic dataset, in a work folder of the session: only read."""

    def make(work: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KDGAT_WORK", str(work))
            small()

    (folder,) = (shared.once("prepared", make) / "stores").iterdir()
    return Prepared(folder)
