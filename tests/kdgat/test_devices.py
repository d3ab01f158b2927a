"""One training on several devices; on the CPU, with gloo between two processes. Not run on a GPU."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from small import CONFIG

from kdgat.dataset.prepare import Prepared
from kdgat.errors import KdgatError
from kdgat.models.gat import GAT
from kdgat.settings import Settings
from kdgat.training import devices, interrupt
from kdgat.training.batches import Batches
from kdgat.training.callbacks import Curriculum
from kdgat.training.checkpoint_io import SafetensorsIO
from kdgat.training.devices import Devices
from kdgat.training.fit import fit
from kdgat.training.modules import GATModule
from kdgat.training.session import Session


class Logger:
    """Stands for a tracker's."""

    def __init__(self) -> None:
        self.rows: list[tuple[dict[str, float], int]] = []

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.rows.append((metrics, step))


class Asking(Curriculum):
    """One of the processes is told to stop in the first epoch."""

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        super().on_train_epoch_end(trainer, module)
        if trainer.global_rank == 1 and trainer.current_epoch == 0:
            os.kill(os.getpid(), signal.SIGUSR1)


def train(
    prepared: Prepared, on: Devices, kind: type[Curriculum] = Curriculum, **session: Any
) -> tuple[dict[str, torch.Tensor], list[tuple[int, str, float]], float]:
    """Two epochs of a student without dropout, by a curriculum, in batches that two processes cannot halve."""
    torch.manual_seed(5)
    store = prepared.store("train")
    config = CONFIG.gat_student.model_copy(update={"dropout": 0.0})
    model = GAT(config, len(store.node_features), len(store.edge_features), torch.tensor(prepared.vocabulary))
    batches = Batches(store, prepared.scalers, 75, seed=3)
    curriculum = kind(batches, np.arange(len(store), dtype=float), np.asarray(store.y), 1.0)
    module = GATModule(model, CONFIG.training, CONFIG.distillation)
    validation = Batches(prepared.store("validation"), prepared.scalers, 256)
    rows, seconds = fit(module, batches, validation, Session("t", **session), epochs=2, curriculum=curriculum, on=on)
    return {k: v.clone() for k, v in model.state_dict().items()}, rows, seconds


def test_two_processes_train_what_one_does(prepared: Prepared, tmp_path: Path) -> None:
    whole, rows, _ = train(prepared, Devices())
    logger = Logger()
    shared, rows_shared, seconds = train(prepared, Devices(count=2), state=tmp_path / "state", logger=logger)
    assert seconds > 0 and SafetensorsIO().load_checkpoint(tmp_path / "state")["epoch"] == 1
    assert [r[:2] for r in rows_shared] == [r[:2] for r in rows]
    assert np.allclose([r[2] for r in rows_shared], [r[2] for r in rows], rtol=1e-3, atol=1e-4)
    assert all(torch.allclose(shared[name], whole[name], rtol=1e-3, atol=1e-4) for name in whole)
    assert [(m["epoch"], step) for m, step in logger.rows] == [(epoch, epoch) for epoch, *_ in rows]


@pytest.mark.skipif(not os.environ.get("KDGAT_SOAK"), reason="starts two more processes: make soak")
def test_several_processes_stop_when_one_is_told_and_one_process_goes_on(prepared: Prepared, tmp_path: Path) -> None:
    whole, rows, _ = train(prepared, Devices())
    with pytest.raises(SystemExit) as stop:
        train(prepared, Devices(count=2), Asking, state=tmp_path / "state")
    assert stop.value.code == interrupt.SAVED
    assert SafetensorsIO().load_checkpoint(tmp_path / "state")["epoch"] == 0
    one, rows_one, _ = train(prepared, Devices(), state=tmp_path / "state")
    assert [r[:2] for r in rows_one] == [r[:2] for r in rows]
    assert all(torch.allclose(one[name], whole[name], rtol=1e-3, atol=1e-4) for name in whole)


def test_mixed_precision_trains_by_the_same_path(prepared: Prepared) -> None:
    _, rows, _ = train(prepared, Devices())
    _, mixed, _ = train(prepared, Devices(precision="bf16-mixed"))
    assert mixed != rows and np.allclose([r[2] for r in mixed], [r[2] for r in rows], atol=0.1)


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((6, 1), "32-true"), ((7, 0), "16-mixed"), ((7, 5), "16-mixed"), ((8, 0), "bf16-mixed"), ((9, 0), "bf16-mixed")],
)
def test_a_gpu_has_the_precision_that_it_is_fast_in(capability: tuple[int, int], precision: str) -> None:
    assert devices.mixed(capability) == precision


@pytest.mark.parametrize(
    ("gpus", "granted", "setting", "expected", "note"),
    [
        (0, None, None, Devices(), ""),
        (0, None, 2, Devices(count=2), ", 2 processes per training"),
        # nobody granted them: the others may be other tasks'
        (4, None, None, Devices("gpu", 1, "bf16-mixed"), ", 1 × A100, bf16-mixed"),
        (2, "0,1", None, Devices("gpu", 2, "bf16-mixed"), ", 2 × A100, bf16-mixed"),
        (2, "0,1", 1, Devices("gpu", 1, "bf16-mixed"), ", 1 × A100, bf16-mixed"),
        (2, "0,1", 3, None, ""),
    ],
)
def test_a_training_takes_what_was_granted(
    monkeypatch: pytest.MonkeyPatch,
    gpus: int,
    granted: str | None,
    setting: int | None,
    expected: Devices | None,
    note: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A100")
    monkeypatch.setattr(devices, "settings", lambda: Settings.model_validate({"training": {"devices": setting}}))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if granted:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", granted)
    if expected is None:
        with pytest.raises(KdgatError, match="asks for 3 GPUs, and this task sees 2"):
            devices.granted()
    else:
        assert devices.granted() == expected and str(expected) == note
