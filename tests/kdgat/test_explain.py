"""Explanations: attention that is a distribution, attributions that Captum finds too, similarities with their properties."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small import CONFIG

from kdgat.dataset.prepare import Prepared
from kdgat.experiment import examples
from kdgat.models import explain
from kdgat.models.gat import GAT
from kdgat.models.layers import GraphBatch
from kdgat.training.batches import Batches


@pytest.fixture(scope="module")
def batch(prepared: Prepared) -> GraphBatch:
    attacked = np.flatnonzero(np.asarray(prepared.store("validation").y))[:3]
    return Batches(prepared.store("validation"), prepared.scalers, 3).batch(attacked)


@pytest.fixture(scope="module")
def model(batch: GraphBatch) -> GAT:
    torch.manual_seed(3)
    return GAT(CONFIG.gat_student, batch.x.shape[1], batch.edge_attr.shape[1], torch.arange(4)).eval()


def test_attention_over_the_edges_into_a_node_sums_to_one(model: GAT, batch: GraphBatch) -> None:
    layers = explain.attention(model, batch)
    assert [w.shape for w in layers] == [(batch.edge_index.shape[1], CONFIG.gat_student.heads)] * 2
    for weights in layers:
        into = np.zeros((len(batch.x), weights.shape[1]))
        np.add.at(into, batch.edge_index[1].numpy(), weights)
        assert np.allclose(into[np.unique(batch.edge_index[1])], 1, atol=1e-5)
    assert model(batch).shape == (3, 2)  # the hooks are gone


def margin(model: GAT, batch: GraphBatch, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
    """Sum of logit 1 − logit 0 over the graphs."""
    logits = model(replace(batch, x=x, edge_attr=e))
    return (logits[:, 1] - logits[:, 0]).sum()


def test_batched_attributions_are_those_of_captum(
    model: GAT, batch: GraphBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    from captum.attr import IntegratedGradients

    monkeypatch.setattr(explain, "_CROWDING", 1)  # Captum's steps are equal
    node, edge = explain.integrated_gradients(model, batch, steps=16)
    theirs = IntegratedGradients(lambda x, e: margin(model, batch, x[0], e[0])[None]).attribute(
        (batch.x[None], batch.edge_attr[None]), n_steps=16, method="riemann_middle", internal_batch_size=1
    )
    assert np.abs(node).max() > 1e-3 and np.abs(edge).max() > 1e-4
    assert np.allclose(node, theirs[0][0].detach(), atol=1e-4)
    assert np.allclose(edge, theirs[1][0].detach(), atol=1e-4)


def test_attributions_add_up_to_what_they_explain(model: GAT, batch: GraphBatch) -> None:
    node, edge = explain.integrated_gradients(model, batch)
    with torch.no_grad():
        far = margin(model, batch, batch.x, batch.edge_attr)
        difference = float(far - margin(model, batch, torch.zeros_like(batch.x), torch.zeros_like(batch.edge_attr)))
    assert abs(difference) > 0.5
    assert node.sum() + edge.sum() == pytest.approx(difference, rel=0.03)


def test_similarity_of_layers_ignores_rotation_and_scale_and_sees_independence() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(500, 8))
    rotation, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    assert explain.linear_cka(a, 3 * a @ rotation + 1) == pytest.approx(1)
    assert explain.linear_cka(a, rng.normal(size=(500, 8))) < 0.1
    assert explain.linear_cka(a, np.ones((500, 2))) == 0


def test_a_map_of_embeddings_is_repeated_by_its_seed() -> None:
    x = np.random.default_rng(1).normal(size=(60, 12)).astype(np.float32)
    assert np.array_equal(explain.embed_2d(x, 4), explain.embed_2d(x, 4))
    assert explain.embed_2d(x[:5], 4).shape == (5, 2)


def test_a_map_of_embeddings_keeps_neighbours_that_principal_components_lose() -> None:
    from sklearn.manifold import trustworthiness

    rng = np.random.default_rng(2)
    centres = np.eye(40, dtype=np.float32)  # as far from each other, which no plane can show without bending
    x = np.repeat(centres, 8, 0) + rng.normal(0, 0.05, (320, 40)).astype(np.float32)
    components = np.linalg.svd(x - x.mean(0))[0][:, :2]
    trust = [trustworthiness(x, flat, n_neighbors=7) for flat in (explain.embed_2d(x, 0), components)]
    assert trust[0] > 0.97 > 0.9 > trust[1]


def test_a_map_of_equal_embeddings_is_a_map() -> None:
    assert np.isfinite(explain.embed_2d(np.ones((40, 6), np.float32), 0)).all()


def test_explanations_leave_the_weights_alone(model: GAT, batch: GraphBatch, tmp_path: Path) -> None:
    before = {k: v.clone() for k, v in model.state_dict().items()}
    explain.integrated_gradients(model, batch, 4)
    explain.attention(model, batch)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_example_windows_hold_the_worst_errors_of_each_scenario_beside_random_ones() -> None:
    scenarios = ["test_01", "test_01", "test_02"]
    y = [np.array([0] * 40 + [1] * 40), np.array([0] * 30), np.array([1] * 30 + [0] * 30)]
    scores = [np.where(labels == 1, 0.9, 0.1) for labels in y]
    scores[0][[3, 5, 7]] = 0.6, 0.8, 0.7  # false alarms, in two recordings of a scenario
    scores[1][11] = 0.75
    scores[2][[4, 8]] = 0.2  # missed windows, equally bad
    chosen = examples.choose(scenarios, y, scores, 0.5, seed=0)
    for windows, worst in zip(chosen, ({5}, {11}, {4, 8}), strict=True):
        assert worst <= set(windows)
    for labels, windows in zip(y, chosen, strict=True):
        assert list(windows) == sorted(set(windows))
        assert all((labels[windows] == kind).sum() > 2 for kind in np.unique(labels))
    assert sum(map(len, chosen)) <= examples.EXAMPLES
    again = examples.choose(scenarios, y, scores, 0.5, seed=0)
    assert all(np.array_equal(a, b) for a, b in zip(chosen, again, strict=True))


def test_example_windows_of_a_faultless_detector_are_random_ones() -> None:
    y = [np.array([0, 1] * 20)]
    (windows,) = examples.choose(["test_01"], y, [y[0].astype(np.float64)], 0.5, seed=3)
    assert (y[0][windows] == 0).sum() == (y[0][windows] == 1).sum() > 0
