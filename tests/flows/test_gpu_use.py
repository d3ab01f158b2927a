"""What a card says of GPUs, from an `nvidia-smi` that only pretends. Not run on a GPU."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

#: answers the second call otherwise, and notes what it was asked
COMMAND = """#!/bin/sh
echo "$@" >> {folder}/asked
if [ $(wc -l < {folder}/asked) = 1 ]; then
  echo "0, NVIDIA A100-SXM4-40GB, 90, 1024, 40960"
else
  echo "0, NVIDIA A100-SXM4-40GB, 40, 2048, 40960"
fi
echo "1, MIG, [N/A], [N/A], 4864"
"""


@pytest.fixture
def gpu_use(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module without samples, where a scheduler has granted two GPUs."""
    monkeypatch.syspath_prepend(str(repo / "flows"))
    monkeypatch.delitem(sys.modules, "support.gpu_use", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return importlib.import_module("support.gpu_use")


def pretend(folder: Path, text: str) -> None:
    command = folder / "nvidia-smi"
    command.write_text(text)
    command.chmod(0o755)


def test_use_and_memory_of_the_granted_gpus(gpu_use: ModuleType, tmp_path: Path) -> None:
    pretend(tmp_path, COMMAND.format(folder=tmp_path))
    gpu_use.sample()
    gpu_use.sample()
    line = "at work 65 % of the time, 2.0 of 40.0 GiB at most"
    assert gpu_use.rows() == [["GPU 0, NVIDIA A100-SXM4-40GB", line]]
    assert "--id=0,1 " in (tmp_path / "asked").read_text()


def test_samples_are_taken_beside_a_step_until_it_ends(
    gpu_use: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    pretend(tmp_path, COMMAND.format(folder=tmp_path))
    taken = threading.Semaphore(0)
    monkeypatch.setattr(gpu_use, "PAUSE", 0.01)
    monkeypatch.setattr(gpu_use, "sample", taken.release)
    with gpu_use.sampling():
        assert taken.acquire(timeout=30) and taken.acquire(timeout=30)
        (watch,) = [t for t in threading.enumerate() if t.name.endswith("(watch)")]
    watch.join(timeout=30)
    assert not watch.is_alive()


@pytest.mark.parametrize("text", ["", "#!/bin/sh\nexit 9\n", "#!/bin/sh\necho No devices were found\n"])
def test_without_a_gpu_there_is_nothing_to_say(gpu_use: ModuleType, tmp_path: Path, text: str) -> None:
    if text:
        pretend(tmp_path, text)
    with gpu_use.sampling():
        gpu_use.sample()
    assert gpu_use.rows() == []
