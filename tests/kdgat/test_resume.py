"""A training that is killed in any epoch ends with the weights and curves of one that was not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small import CONFIG

from kdgat.dataset.prepare import Prepared
from kdgat.errors import KdgatError
from kdgat.models.gat import GAT
from kdgat.training.batches import Batches
from kdgat.training.callbacks import Curriculum
from kdgat.training.checkpoint_io import SafetensorsIO
from kdgat.training.fit import fit
from kdgat.training.modules import GATModule
from kdgat.training.session import Session


class Killed(Exception):
    """Stands for the kill: nothing of the training catches it."""


def train(prepared: Prepared, state: Path, epochs: int = 3, dies_at: int | None = None) -> tuple[dict, list]:
    torch.manual_seed(5)
    store, validation = prepared.store("train"), prepared.store("validation")
    vocabulary = torch.tensor(prepared.vocabulary)
    model = GAT(CONFIG.gat_student, len(store.node_features), len(store.edge_features), vocabulary)
    batches = Batches(store, prepared.scalers, 32, seed=3)
    order = np.random.default_rng(0).random(len(store))
    curriculum = Curriculum(batches, order, np.asarray(store.y), 1.0)
    steps = 0

    def count(module: torch.nn.Module, _: object) -> None:
        nonlocal steps
        steps += module.training
        if steps == dies_at:
            raise Killed

    model.register_forward_pre_hook(count)
    module = GATModule(model, CONFIG.training, CONFIG.distillation)
    rows, _ = fit(
        module, batches, Batches(validation, prepared.scalers, 256),
        Session("t", state=state), epochs=epochs, curriculum=curriculum,
    )  # fmt: skip
    return model.state_dict(), rows


def test_killed_training_goes_on_from_its_last_epoch_and_ends_the_same(prepared: Prepared, tmp_path: Path) -> None:
    whole, rows = train(prepared, tmp_path / "whole")
    batches = Batches(prepared.store("train"), prepared.scalers, 32)
    with pytest.raises(Killed):
        train(prepared, tmp_path / "killed", dies_at=2 * len(batches))
    checkpoint = SafetensorsIO().load_checkpoint(tmp_path / "killed")
    assert checkpoint["epoch"] >= 1  # an epoch was finished, and the last was not
    again, rows_again = train(prepared, tmp_path / "killed")
    assert rows == rows_again
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_finished_training_is_not_trained_again(prepared: Prepared, tmp_path: Path) -> None:
    whole, rows = train(prepared, tmp_path / "state", epochs=1)
    loaded, rows_again = train(prepared, tmp_path / "state", epochs=1, dies_at=1)
    assert rows == rows_again
    assert all(torch.equal(whole[name], loaded[name]) for name in whole)


def test_damaged_state_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"\x08\0\0\0\0\0\0\0garbage!")
    with pytest.raises(KdgatError, match="no training state"):
        SafetensorsIO().load_checkpoint(tmp_path / "state")
