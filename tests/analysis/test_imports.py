"""`analysis` must work with the `paper` extra alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCKED = ("torch", "torch_geometric", "lightning", "metaflow", "wandb", "numba", "sklearn", "scipy", "captum", "onnx")
BLOCKED += ("onnxruntime", "polars", "optuna", "panel", "pytest")
CODE = """
import importlib, pkgutil, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)
sys.meta_path.insert(0, Block())
import analysis
names = [m.name for m in pkgutil.walk_packages(analysis.__path__, "analysis.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_every_module_imports_without_the_train_extra():
    done = subprocess.run([sys.executable, "-c", CODE.format(blocked=BLOCKED)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 45


def test_what_the_site_needs_runs_without_the_train_extra(release):
    code = CODE.format(blocked=BLOCKED) + (
        "from analysis.checks.verification import verify_release\n"
        "from analysis.numbers import Numbers\n"
        "from analysis.figures import statics\n"
        "from analysis.numbers import trace\n"
        "from analysis.releases.release import Release\n"
        "from analysis.tables import results\n"
        "r = Release.open('r1')\n"
        "assert verify_release(r.path) == []\n"
        "assert results.all_tables(r) and statics.svg(r, statics.STATICS[0])\n"
        "assert trace.document(Numbers(r), ['hcrl_sa.frames'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["freeze", "verify", "trace", "compare", "reproduce", "sql"])
def test_help_of_each_command(module):
    done = subprocess.run([sys.executable, "-m", f"analysis.{module}", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: kdgat {module} ")


@pytest.mark.parametrize("module", ["verify", "trace", "compare", "reproduce", "sql"])
def test_an_unknown_release_is_one_line(frozen, module):
    arguments = {"verify": ["nosuch"], "compare": ["nosuch"], "sql": ["runs", "--release", "nosuch"]}
    command = [sys.executable, "-m", f"analysis.{module}", *arguments.get(module, ["--release", "nosuch"])]
    done = subprocess.run(command, capture_output=True, text=True)
    output = done.stderr + done.stdout
    assert done.returncode == 2 and output.startswith("error: ") and output.count("\n") == 1
    assert "no release 'nosuch'" in output and "Traceback" not in output
