"""Graphs that live on a device: the same batches, training and scores as from the store. Not run on a GPU: the device is the CPU."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from small import CONFIG

from kdgat.dataset.prepare import Prepared
from kdgat.models.gat import GAT
from kdgat.models.vgae import VGAE
from kdgat.training import resident
from kdgat.training.batches import Batches
from kdgat.training.devices import Devices
from kdgat.training.fit import fit
from kdgat.training.modules import GATModule
from kdgat.training.predict import predict_gat, predict_vgae
from kdgat.training.session import Session

CPU = torch.device("cpu")


def moved(batches: Batches) -> Batches:
    """The same batches, made by index arithmetic."""
    batches.move(CPU)
    assert batches.resident is not None
    return batches


@pytest.mark.parametrize("seed", [None, 3])
def test_batches_are_those_of_the_store_bit_for_bit(prepared: Prepared, seed: int | None) -> None:
    store = prepared.store("train")
    index = np.random.default_rng(0).permutation(len(store))[:150]
    pairs = [Batches(store, prepared.scalers, 64, index, seed) for _ in range(2)]
    for a, b in zip(pairs[0], moved(pairs[1]), strict=True):
        assert a.size == b.size
        for name, value in vars(a).items():
            if name != "size":
                other = getattr(b, name)
                assert value.dtype == other.dtype and torch.equal(value, other), name


def test_what_does_not_fit_is_streamed_and_said(prepared: Prepared, capsys: pytest.CaptureFixture[str]) -> None:
    store = prepared.store("train")
    batches = Batches(store, prepared.scalers, 64)
    batches.move(CPU, room=resident.size(store) - 1)
    assert batches.resident is None and "batches are copied one by one" in capsys.readouterr().out
    batches.move(CPU, room=resident.size(store))
    assert batches.resident is not None and not capsys.readouterr().out
    tensors = vars(batches.resident).values()
    assert resident.size(store) >= sum(t.numel() * t.element_size() for t in tensors)
    assert pickle.loads(pickle.dumps(batches)).resident is None, "another process has a device of its own"


def test_a_training_and_its_scores_are_those_of_the_store(prepared: Prepared) -> None:
    store, validation = prepared.store("train"), prepared.store("validation")
    shape, results = (len(store.node_features), len(store.edge_features)), []
    for where in (lambda batches: batches, moved):
        torch.manual_seed(5)
        model = GAT(CONFIG.gat_student, *shape, torch.tensor(prepared.vocabulary))
        module = GATModule(model, CONFIG.training, CONFIG.distillation, torch.randn(len(store), 2))
        train = where(Batches(store, prepared.scalers, 64, seed=3))
        unseen = where(Batches(validation, prepared.scalers, 256))
        rows, _ = fit(module, train, unseen, Session("t"), epochs=2, on=Devices())
        vgae = VGAE(CONFIG.vgae_student, *shape)
        results.append((rows, *predict_gat(model, unseen, CPU), *predict_vgae(vgae, unseen, CPU)))
    (rows, *scores), (rows_moved, *scores_moved) = results
    assert np.allclose([r[2] for r in rows], [r[2] for r in rows_moved], atol=1e-5)
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(scores, scores_moved, strict=True))
