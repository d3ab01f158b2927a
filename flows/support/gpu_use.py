"""How much of its GPUs a task uses: `nvidia-smi`, asked now and then beside the task. Nothing where there is no such command."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator

#: seconds between two samples
PAUSE = 10.0
_QUERY = "--query-gpu=index,name,utilization.gpu,memory.used,memory.total"
#: GPU → samples of (share of the last moments in which it was at work (%), memory in use, memory in all (MiB))
_samples: dict[str, list[tuple[float, float, float]]] = defaultdict(list)


def sample() -> None:
    """Ask once. Of several GPUs that the computer has, those that were granted count; where nobody grants, the first."""
    granted = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    command = ["nvidia-smi", f"--id={granted}", _QUERY, "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return
    for line in lines:
        with contextlib.suppress(ValueError):  # a part of a GPU says [N/A], none at all a sentence
            index, name, use, memory, total = line.split(", ")
            values = float(use), float(memory), float(total)  # first: what cannot be read adds no GPU
            _samples[f"GPU {index}, {name}"].append(values)


@contextlib.contextmanager
def sampling() -> Iterator[None]:
    """Take samples while the block runs."""
    if not os.environ.get("CUDA_VISIBLE_DEVICES", "0") or shutil.which("nvidia-smi") is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(PAUSE):
            sample()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def rows() -> list[list[str]]:
    """Summarise the samples so far, a row per GPU: its name; how much of the time it was at work, and its memory."""
    table = []
    for gpu, samples in _samples.items():
        use, memory = sum(s[0] for s in samples) / len(samples), max(s[1] for s in samples)
        total = samples[0][2]
        table.append([gpu, f"at work {use:.0f} % of the time, {memory / 1024:.1f} of {total / 1024:.1f} GiB at most"])
    return table
