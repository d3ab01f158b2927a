"""Fixtures of tests that train."""

from __future__ import annotations

import pytest
from small import small

from kdgat.dataset import Prepared


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Small stores of the synthetic dataset in a work folder of the module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDGAT_WORK", str(tmp_path_factory.mktemp("work")))
        return small()
