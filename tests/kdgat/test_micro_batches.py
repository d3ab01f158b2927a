"""Micro-batches: what a device takes at once changes no result, and running out of memory ends no training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from small import CONFIG

from kdgat.config import Distillation, Training
from kdgat.dataset.prepare import Prepared
from kdgat.models.gat import GAT
from kdgat.models.layers import GraphBatch
from kdgat.models.vgae import VGAE
from kdgat.settings import settings
from kdgat.training.batches import Batches
from kdgat.training.fit import fit
from kdgat.training.micro_batches import Budget, graphs, micro_batches
from kdgat.training.modules import GATModule, VGAEModule
from kdgat.training.session import Session


@pytest.fixture(autouse=True)
def own_site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Settings of this test, as `write(text)`; none before."""

    def write(text: str) -> None:
        (tmp_path / "site.toml").write_text(text)
        settings.cache_clear()

    monkeypatch.setenv("KDGAT_SITE", str(tmp_path / "site.toml"))
    write("")
    yield write
    settings.cache_clear()


def batch_of(prepared: Prepared, size: int = 40) -> GraphBatch:
    store = prepared.store("train")
    return Batches(store, prepared.scalers, size, seed=1).batch(np.random.default_rng(1).permutation(len(store))[:size])


def gat(prepared: Prepared, distilled: bool = False, hook: Callable | None = None) -> GATModule:
    """A student without dropout, whose losses are therefore those of its micro-batches."""
    torch.manual_seed(3)
    store = prepared.store("train")
    config = CONFIG.gat_student.model_copy(update={"dropout": 0.0})
    model = GAT(config, len(store.node_features), len(store.edge_features), torch.tensor(prepared.vocabulary))
    if hook is not None:
        model.register_forward_pre_hook(hook)
    teacher = torch.randn(len(store), 2) if distilled else None
    return GATModule(model, CONFIG.training, CONFIG.distillation, teacher)


def trained(prepared: Prepared, module: GATModule) -> dict[str, torch.Tensor]:
    train = Batches(prepared.store("train"), prepared.scalers, 64, seed=3)
    validation = Batches(prepared.store("validation"), prepared.scalers, 256)
    rows, _ = fit(module, train, validation, Session("t"), epochs=1)
    return module.model.state_dict() | {name: torch.tensor(value) for _, name, value in rows}


def alike(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    # a bias before a normalisation has hardly any gradient: AdamW moves it by rounding errors
    return all(torch.allclose(one[name], other[name], rtol=1e-3, atol=5e-4) for name in one | other)


@pytest.mark.parametrize("budget", [Budget(), Budget(nodes=90), Budget(edges=150), Budget(300, 400), Budget(0, 0)])
def test_micro_batches_keep_to_the_budget_and_make_up_the_batch(prepared: Prepared, budget: Budget) -> None:
    batch = batch_of(prepared)
    parts = micro_batches(batch, budget)
    for part in parts:
        within = part.x.shape[0] <= budget.nodes and part.edge_index.shape[1] <= budget.edges
        assert within or part.size == 1
        assert part.batch.unique().tolist() == list(range(part.size))
    for name in ("x", "edge_attr", "share", "id_code", "y", "index"):
        assert torch.equal(torch.cat([getattr(p, name) for p in parts]), getattr(batch, name))
    begins = np.cumsum([0, *(p.x.shape[0] for p in parts)])
    edges = torch.cat([p.edge_index + begin for p, begin in zip(parts, begins, strict=False)], 1)
    assert torch.equal(edges, batch.edge_index)
    assert (len(parts) > 1) == (budget != Budget())


@pytest.mark.parametrize("kind", ["gat", "distilled", "vgae"])
def test_gradients_of_micro_batches_add_up_to_the_batchs(prepared: Prepared, kind: str) -> None:
    batch = batch_of(prepared)
    if kind == "vgae":
        store = prepared.store("train")
        torch.manual_seed(3)
        model = VGAE(CONFIG.vgae_student, len(store.node_features), len(store.edge_features)).eval()  # draws no z
        module = VGAEModule(model, Training(), 0.1, torch.randn(len(store), 5), Distillation().weight)
    else:
        module = gat(prepared, kind == "distilled")
    module.loss(batch).backward()
    whole = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    for part in micro_batches(batch, Budget(nodes=200)):
        (module.loss(part) * part.size / batch.size).backward()
    assert whole and all(
        torch.allclose(p.grad, whole[name], rtol=1e-3, atol=1e-6)
        for name, p in module.named_parameters()
        if p.grad is not None
    )


def test_a_sites_budget_changes_no_training(prepared: Prepared, own_site: Callable[[str], None]) -> None:
    whole = trained(prepared, gat(prepared, True))
    own_site("[training]\nnodes = 300\nedges = 500\n")
    largest = 0

    def measure(_: torch.nn.Module, inputs: tuple[GraphBatch]) -> None:
        nonlocal largest
        largest = max(largest, inputs[0].x.shape[0])

    assert alike(trained(prepared, gat(prepared, True, measure)), whole)
    assert 0 < largest <= 300


@pytest.mark.parametrize("where", ["training", "validation"])
def test_where_memory_runs_out_micro_batches_are_halved_and_training_goes_on(
    prepared: Prepared, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = []

    def full(model: torch.nn.Module, inputs: tuple[GraphBatch]) -> None:
        if not failed and model.training == (where == "training"):
            failed.append(inputs[0].x.shape[0])
            raise torch.OutOfMemoryError("CUDA out of memory")

    module = gat(prepared, hook=full)
    assert alike(trained(prepared, module), trained(prepared, gat(prepared)))
    assert module.budget.nodes == failed[0] // 2 and "out of memory: " in capsys.readouterr().out


def test_a_graph_that_does_not_fit_alone_is_an_error(prepared: Prepared) -> None:
    def full(_: torch.nn.Module, inputs: tuple[GraphBatch]) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        trained(prepared, gat(prepared, hook=full))


def test_a_part_of_a_batch_scores_as_in_the_whole(prepared: Prepared) -> None:
    module, batch = gat(prepared).eval(), batch_of(prepared)
    with torch.no_grad():
        assert torch.allclose(module.model(graphs(batch, 7, 19)), module.model(batch)[7:19], atol=1e-5)
