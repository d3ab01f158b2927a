"""A signal before the time limit: the epoch is finished and saved, the process says so, and the next one goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import lightning as L
import pytest
import torch
from test_resume import train

from kdgat.dataset.prepare import Prepared
from kdgat.training import fit, interrupt
from kdgat.training.checkpoint_io import SafetensorsIO


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    monkeypatch.setattr(interrupt, "_asked", False)
    interrupt.listen()
    yield
    signal.signal(signal.SIGUSR1, before)


def test_training_stops_after_the_epoch_and_ends_as_if_it_had_not(
    prepared: Prepared,
    tmp_path: Path,
    listening: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, rows = train(prepared, tmp_path / "whole")
    original = fit.Progress.on_train_epoch_end

    def ask(self: fit.Progress, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGUSR1)
        original(self, trainer, module)

    with monkeypatch.context() as patch:
        patch.setattr(fit.Progress, "on_train_epoch_end", ask)
        with pytest.raises(SystemExit) as stop:
            train(prepared, tmp_path / "asked")
    assert stop.value.code == interrupt.SAVED == 75
    assert SafetensorsIO().load_checkpoint(tmp_path / "asked")["epoch"] == 1
    monkeypatch.setattr(interrupt, "_asked", False)
    again, rows_again = train(prepared, tmp_path / "asked")
    assert rows == rows_again and all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_training_in_its_last_epoch_is_not_stopped(prepared: Prepared, tmp_path: Path, listening: None) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)
    _, rows = train(prepared, tmp_path / "state", epochs=1)
    assert rows and interrupt.asked()
