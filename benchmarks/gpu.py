"""Training and scoring on a GPU against one core of its host and against PyG's loop on the same GPU: `python -m benchmarks.gpu`.

Needs a GPU, torch, torch-geometric and lightning, no network and no captures: the windows are the built-in synthetic bus's, over
and over. Where there is no GPU it says so and ends with code 2; `--device cpu` rehearses it, and keeps nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.row import keep, row
from benchmarks.training import epochs
from kdgat.errors import KdgatError, cli

NAMES = ("gat-teacher", "gat-student")
#: windows of an epoch on the GPU, and on one core of the host
WINDOWS, ON_CORE = 20_480, 1_280
#: trainings side by side
TOGETHER = (1, 2, 4, 8)
#: what is timed, at least (s)
SPAN = 4.0


def _rate(work: Callable[[], object], windows: int, span: float) -> list[float]:
    """Windows per second of calls that take `windows` each, for `span` seconds after one that warms up, at least twice."""
    work()
    rates: list[float] = []
    until = time.perf_counter() + span
    while len(rates) < 2 or time.perf_counter() < until:
        begin = time.perf_counter()
        work()
        rates.append(windows / (time.perf_counter() - begin))
    return rates


@contextmanager
def _use(device: str) -> Iterator[list[float]]:
    """How busy the GPU is meanwhile, in percent, five times a second; empty on the CPU, or where there is no nvidia-smi."""
    samples: list[float] = []
    if device == "cpu" or shutil.which("nvidia-smi") is None:
        yield samples
        return
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200", "-i", "0"]
    with tempfile.TemporaryFile("w+") as file:
        with subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL) as process:
            try:
                yield samples
            finally:
                process.terminate()
        file.seek(0)
        samples += [float(line) for line in file.read().split("\n")[:-1] if line.strip().isdigit()]


def _untrained(name: str) -> tuple[Any, Any]:
    """The stores of the synthetic bus, and a classifier of the preset `paper` for them."""
    import torch

    from kdgat.dataset.prepare import prepare
    from kdgat.models.gat import GAT
    from kdgat.presets import preset

    prepared, config = prepare("synthetic", None, preset("smoke"), 0), getattr(preset("paper"), name.replace("-", "_"))
    store = prepared.store("train")
    no_vocabulary = torch.zeros(0, dtype=torch.long)
    return prepared, GAT(config, len(store.node_features), len(store.edge_features), no_vocabulary)


def _fitted(name: str, windows: int, device: str, epochs: int, *, replays: bool = False) -> float:
    """Windows per second of the flow's own training, by Lightning: of all its epochs but the first."""
    from dataclasses import replace

    import numpy as np

    from kdgat.presets import preset
    from kdgat.training.batches import Batches
    from kdgat.training.devices import Devices, granted
    from kdgat.training.fit import fit
    from kdgat.training.modules import GATModule
    from kdgat.training.session import Session

    config = preset("paper")
    on = Devices() if device == "cpu" else replace(granted(), replays=replays)
    seconds = []
    for count in (1, 1 + epochs):
        prepared, model = _untrained(name)
        store = prepared.store("train")
        index = np.resize(np.arange(len(store)), windows)
        train = Batches(store, prepared.scalers, config.training.batch_size, index, seed=0)
        validation = Batches(prepared.store("validation"), prepared.scalers, 512)
        begin = time.perf_counter()
        fit(
            GATModule(model, config.training, config.distillation),
            train,
            validation,
            Session(name),
            epochs=count,
            on=on,
        )
        seconds.append(time.perf_counter() - begin)
    return windows * epochs / max(seconds[1] - seconds[0], 1e-9)


def _scored(windows: int, device: str, span: float) -> list[float]:
    """Windows per second of a student's scores, from the store to arrays of the host: autoencoder and classifier."""
    import numpy as np
    import torch

    from kdgat.models.vgae import VGAE
    from kdgat.presets import preset
    from kdgat.training.batches import Batches
    from kdgat.training.predict import SCORING_BATCH, predict_gat, predict_vgae, scorer

    torch.set_num_threads(1)
    where = scorer() if device == "cuda" else torch.device(device)
    prepared, gat = _untrained("gat-student")
    store = prepared.store("train")
    vgae = VGAE(preset("paper").vgae_student, len(store.node_features), len(store.edge_features))
    index = np.resize(np.arange(len(store)), windows)

    def score() -> None:
        batches = Batches(store, prepared.scalers, SCORING_BATCH, index)
        predict_vgae(vgae, batches, where)
        predict_gat(gat, batches, where)

    return _rate(score, windows, span)


def _apart(name: str) -> float:
    """Relative difference between the gradients of a batch that are replayed, at its second replay, and those of the batch."""
    import torch
    from torch.nn import functional as F

    from kdgat.training.batches import Batches
    from kdgat.training.predict import scorer
    from kdgat.training.replay import Replay, Unmade, Unmades

    prepared, model = _untrained(name)
    model.to(scorer()).eval()
    batches = Batches(prepared.store("train"), prepared.scalers, 128, seed=0)
    batches.move(scorer())
    replay = Replay(lambda b: F.cross_entropy(model(b)[: len(b.y)], b.y), model.parameters)
    batch = next(iter(Unmades(batches)))
    assert isinstance(batch, Unmade), "an epoch has a full batch"

    def gradients() -> torch.Tensor:
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).clone()

    replay(batch), replay(batch)
    replayed = gradients()
    model.zero_grad()
    made = batch.made()
    F.cross_entropy(model(made), made.y).backward()
    return float((replayed - gradients()).norm() / gradients().norm())


def _serve(pipe: Any, name: str, windows: int, device: str) -> None:
    """Train in a process of its own whenever asked, for as many seconds as asked; answer with the windows per second."""
    ours, _, count = epochs(name, windows, device)
    ours()
    pipe.send(None)
    while (span := pipe.recv()) is not None:
        begin, done = time.perf_counter(), 0
        while not done or time.perf_counter() < begin + span:
            ours()
            done += count
        pipe.send(done / (time.perf_counter() - begin))


def _together(
    name: str, windows: int, device: str, numbers: Sequence[int], span: float
) -> Iterator[tuple[int, float, list[float]]]:
    """How many trainings ran side by side, a process each, the windows per second of all of them, and the GPU's use."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(max(numbers)):
        own, other = context.Pipe()
        process = context.Process(target=_serve, args=(other, name, windows, device), daemon=True)
        process.start()
        other.close()
        pipes.append(own)
        processes.append(process)
    for pipe in pipes:
        pipe.recv()
    for number in numbers:
        with _use(device) as use:
            for pipe in pipes[:number]:
                pipe.send(span)
            rates = [pipe.recv() for pipe in pipes[:number]]
        yield number, sum(rates), use
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(None)
        process.join()


def rows(
    device: str,
    names: Sequence[str] = NAMES,
    windows: int = WINDOWS,
    on_core: int = ON_CORE,
    span: float = SPAN,
    together: Sequence[int] = TOGETHER,
) -> Iterator[dict[str, Any]]:
    """Rows of the table `benchmarks`, as they are measured.

    Args:
        device: what trains and scores.
        names: of the classifiers.
        windows: of an epoch there.
        on_core: of an epoch on one core of the host.
        span: what is timed at least (s).
        together: numbers of trainings side by side.
    """
    on, each = "a GPU" if device != "cpu" else "the CPU", "windows/s"
    for name in names:
        core, _, count = epochs(name, on_core)
        slow = statistics.median(_rate(core, count, 0.0))
        ours, theirs, count = epochs(name, windows, device)
        with _use(device) as use:
            fast = _rate(ours, count, span)
        yield row(f"training {name} on {on}", fast, each)
        yield row(f"training {name} on {on}, over one core of its host", [rate / slow for rate in fast], "")
        if use:
            yield row(f"training {name} on {on}, utilisation", use, "%")
        pyg = statistics.median(_rate(theirs, count, 0.0))
        yield row(f"training {name} on {on}, over PyG's loop on it", [rate / pyg for rate in fast], "")
        yield row(f"training {name} on {on}, in the flow's loop", [_fitted(name, windows, device, 2)], each)
    slow = statistics.median(_scored(on_core, "cpu", 0.0))
    fast = _scored(windows, device, span)
    yield row(f"scoring by students on {on}", fast, each)
    yield row(f"scoring by students on {on}, over one core of its host", [rate / slow for rate in fast], "")
    for number, rate, use in _together("gat-student", windows, device, together, span):
        yield row(f"training gat-student on {on}, {number} side by side", [rate], each)
        if use:
            yield row(f"training gat-student on {on}, {number} side by side, utilisation", use, "%")
    # last: where recording fails, the rest is measured
    for name in names if device == "cuda" else ():
        ours, _, count = epochs(name, windows, device, replays=True)
        with _use(device) as use:
            fast = _rate(ours, count, span)
        yield row(f"training {name} on {on}, replayed", fast, each)
        if use:
            yield row(f"training {name} on {on}, replayed, utilisation", use, "%")
        rate = _fitted(name, windows, device, 2, replays=True)
        yield row(f"training {name} on {on}, replayed, in the flow's loop", [rate], each)
        yield row(f"gradients of {name} on {on}, replayed, relative difference", [_apart(name)], "")


def main() -> None:
    """Measure, print, keep.

    Raises:
        KdgatError: there is no GPU.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: a rehearsal on few windows")
    device: str = parser.parse_args().device

    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise KdgatError("no GPU here: nothing was measured")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of what is started from here
    measured = []
    begin = time.perf_counter()
    try:
        for one in rows(device) if device == "cuda" else rows("cpu", NAMES, 128, 128, 0.0, (1, 2)):
            if device == "cuda":
                one["machine"] += f", {torch.cuda.get_device_name()}"
            print(f"{one['name']:72} {one['value']:14,.2f} {one['unit']:10} {one['n']} repetitions", flush=True)
            measured.append(one)
    finally:  # what was measured before something failed is kept
        kept: Path | None = keep(measured, "benchmarks-gpu.arrow") if device == "cuda" and measured else None
        print(f"{time.perf_counter() - begin:.0f} s; " + (f"kept: {kept}" if kept else "nothing is kept"))


if __name__ == "__main__":
    cli(main)
