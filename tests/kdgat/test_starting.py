"""What a process does before its work: it imports what it needs and no more, with the garbage collector at rest."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from kdgat import collector


def test_the_collector_rests_within_and_goes_on_after() -> None:
    gc.unfreeze()
    with pytest.raises(KeyError), collector.paused():
        assert not gc.isenabled()
        raise KeyError  # as an import that fails
    assert gc.isenabled() and gc.get_freeze_count() > 1000
    gc.unfreeze()
    gc.disable()
    try:
        with collector.paused():
            pass
        assert not gc.isenabled(), "who had switched it off keeps it off"
    finally:
        gc.enable()
        gc.unfreeze()


def test_a_process_that_skips_the_last_collection_still_ends_in_order() -> None:
    code = "import atexit; from kdgat import collector; collector.skip_at_exit(); atexit.register(print, 'closed'); raise SystemExit(3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "closed\n", "")


def loaded(code: str, *names: str) -> list[str]:
    """Which of the modules `names` a process has loaded that ran `code`."""
    code += f"\nimport sys; print(*(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_training_starts_without_what_torchmetrics_imports_for_plots_and_audio() -> None:
    names = (
        "lightning",
        "matplotlib",
        "scipy.signal",
        "sklearn",
        "pandas",
        "wandb",
        "mlflow",
        "torch_geometric",
        "captum",
    )
    assert loaded("import kdgat.experiment.train", *names, "onnx") == ["lightning"]


def test_a_model_is_rebuilt_without_the_compiler_of_torch() -> None:
    code = """
from kdgat.config import VGAEConfig
from kdgat.models.checkpoint import Checkpoint
from kdgat.models.vgae import VGAE
config = VGAEConfig()
Checkpoint.of("vgae", VGAE(config, 6, 3), config=config.model_dump(), node_features=6, edge_features=3).model()
"""
    assert loaded(code, "torch", "sympy", "torch._dynamo") == ["torch"]
