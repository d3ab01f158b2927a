"""The figures' own unit tests (vitest)."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.rendering import NODE_MODULES


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.skipif(not (NODE_MODULES / "vitest").is_dir(), reason="paper/figures/node_modules is missing: npm ci")
def test_unit_tests_of_the_figures():
    command = ["node", "node_modules/vitest/vitest.mjs", "run"]
    done = subprocess.run(command, cwd=NODE_MODULES.parent, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
