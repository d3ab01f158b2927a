"""Shapes and types of the signatures in `kdgat.models`, checked while the models run (jaxtyping and beartype)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("beartype")
#: a batch whose `share` lacks a node is refused by name
WRONG = """
import dataclasses, pytest, torch
from test_models import batch

def test_a_wrong_shape_is_refused():
    b = batch()
    with pytest.raises(Exception, match="share"):
        dataclasses.replace(b, share=b.share[1:])
    with pytest.raises(Exception, match="id_code"):
        dataclasses.replace(b, id_code=b.id_code.float())
"""


def test_models_keep_the_shapes_that_they_state(repo: Path, tmp_path: Path) -> None:
    """The tests of the models once more, in a session in which every signature is checked; long trainings are left out."""
    folder = repo / "tests" / "kdgat"
    (tmp_path / "test_wrong.py").write_text(WRONG)
    command = [sys.executable, "-m", "pytest", "-x", "--jaxtyping-packages=kdgat.models,beartype.beartype"]
    command += ["-k", "not learns and not rebuilds"]
    command += ["--rootdir", str(repo), "-c", str(repo / "pyproject.toml"), "-o", f"pythonpath={folder}"]
    done = subprocess.run(
        [*command, str(folder / "test_models.py"), str(tmp_path / "test_wrong.py")],
        cwd=repo, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
