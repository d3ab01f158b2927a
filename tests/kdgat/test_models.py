"""Models: every line of the flaw list that code can break, and the properties the equations promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kdgat.config import Distillation, GATConfig, VGAEConfig
from kdgat.errors import KdgatError
from kdgat.graphs.features import FEATURES
from kdgat.models import export, fusion
from kdgat.models.checkpoint import Checkpoint, read_tensors
from kdgat.models.dqn import QNetwork, train_dqn
from kdgat.models.fusion_input import FusionInput, rewards
from kdgat.models.gat import GAT
from kdgat.models.layers import GraphBatch, IdEncoding, count_parameters, hashed
from kdgat.models.linucb import NeuralLinUCB
from kdgat.models.segments import read_out
from kdgat.models.vgae import VGAE
from kdgat.training.modules import distillation_loss

F_NODE, F_EDGE = 6, 3
VOCABULARY = torch.tensor([5, 9, 0x123])


def batch(seed: int = 0, sizes: tuple[int, ...] = (5, 3, 1)) -> GraphBatch:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    nodes = np.repeat(np.arange(len(sizes)), sizes)
    first = np.cumsum(sizes) - sizes
    edges = np.concatenate([first[g] + rng.integers(0, s, (2, 2 * s)) for g, s in enumerate(sizes)], axis=1)
    share = rng.random(n)
    share = share / np.bincount(nodes, share)[nodes]
    return GraphBatch(
        x=torch.tensor(rng.normal(size=(n, F_NODE)), dtype=torch.float32),
        edge_index=torch.tensor(edges),
        edge_attr=torch.tensor(rng.normal(size=(edges.shape[1], F_EDGE)), dtype=torch.float32),
        share=torch.tensor(share, dtype=torch.float32),
        id_code=torch.tensor(rng.integers(0, 0x800, n)),
        batch=torch.tensor(nodes),
        size=len(sizes),
        y=torch.tensor(rng.integers(0, 2, len(sizes))),
        index=torch.arange(len(sizes)),
    )


@pytest.mark.parametrize("kind", ["gatv2", "gat", "gps"])
@pytest.mark.parametrize("jump", ["none", "cat", "max", "lstm"])
def test_gat_uses_edge_features_and_gives_two_logits(kind: str, jump: str) -> None:
    torch.manual_seed(0)
    model = GAT(GATConfig(convolution=kind, jumping_knowledge=jump), F_NODE, F_EDGE, VOCABULARY).eval()
    b = batch()
    b.edge_attr.requires_grad_()
    logits = model(b)
    assert logits.shape == (3, 2)
    logits[:, 1].sum().backward()
    assert b.edge_attr.grad is not None and b.edge_attr.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["gatv2", "gat", "gps"])
def test_windows_of_a_batch_do_not_influence_each_other(kind: str) -> None:
    torch.manual_seed(0)
    model = GAT(GATConfig(convolution=kind), F_NODE, F_EDGE, VOCABULARY).eval()
    b = batch()
    together = model(b).detach()
    changed = batch()
    changed.x[5:] += 3  # all nodes but the first graph's
    assert torch.allclose(together[0], model(changed)[0].detach(), atol=1e-6)
    assert not torch.allclose(together[1], model(changed)[1].detach(), atol=1e-3)


def test_order_of_nodes_does_not_matter() -> None:
    torch.manual_seed(0)
    model = GAT(GATConfig(), F_NODE, F_EDGE, VOCABULARY).eval()
    b = batch(sizes=(6,))
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    place = torch.argsort(order)
    permuted = GraphBatch(
        b.x[order], place[b.edge_index], b.edge_attr, b.share[order], b.id_code[order], b.batch, 1, b.y, b.index
    )
    assert torch.allclose(model(b), model(permuted), atol=1e-5)


def test_readout_weighs_by_share() -> None:
    h = torch.tensor([[1.0], [3.0], [10.0]])
    out = read_out(h, torch.tensor([0.25, 0.75, 1.0]), torch.tensor([0, 0, 1]), 2)
    assert torch.allclose(out.flatten(1), torch.tensor([[2.0, 3.0, 2.5], [10.0, 10.0, 10.0]]))
    least = read_out(h, torch.tensor([0.25, 0.75, 1.0]), torch.tensor([0, 0, 1]), 2, least=True)
    assert torch.allclose(least, torch.cat([out, torch.tensor([[[1.0]], [[10.0]]])], 1))


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was exported, where nothing is kept yet."""
    exported: list[object] = []
    original = export._export
    monkeypatch.setattr(export, "kept_folder", lambda name: tmp_path / name)
    monkeypatch.setattr(export, "_export", lambda window, *rest: exported.append(window) or original(window, *rest))
    return exported


def test_students_with_memory_are_the_same_in_onnx_and_exported_once_for_all_seeds(exports: list[object]) -> None:
    """The widths and the readout of `memory`; the other feature sets are held to ONNX by trained students."""
    nodes, edges = (len(names) for names in FEATURES["memory"])
    for seed in (0, 1):
        torch.manual_seed(seed)
        _same_in_onnx(GAT(GATConfig(readout="mean-max-min"), nodes, edges, VOCABULARY).eval(), nodes, edges)
    assert len(exports) == 1


def _same_in_onnx(model: GAT, nodes: int, edges: int) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(export.to_onnx(model))
    for n in (1, 9):
        x, links, attr = torch.randn(n, nodes), torch.randint(0, n, (2, 20)), torch.randn(20, edges)
        share, zero = torch.softmax(torch.randn(n), 0), torch.zeros(n, dtype=torch.long)
        with torch.no_grad():
            want = torch.softmax(model(GraphBatch(x, links, attr, share, zero, zero, 1, zero[:1], zero[:1])), 1)[:, 1]
        inputs = {"x": x, "edge_index": links, "edge_attr": attr, "share": share}
        got = session.run(["p_attack"], {name: value.numpy() for name, value in inputs.items()})[0]
        assert abs(got - want.numpy()).max() < 1e-5


def test_ids_enter_without_magnitude_and_unknown_ones_have_a_meaning() -> None:
    unknown = torch.tensor([7, 0x700])
    for kind in ("none", "lookup", "unknown", "hashed", "masked"):
        torch.manual_seed(0)
        encoding = IdEncoding(kind, VOCABULARY).eval()
        out = encoding(torch.cat([VOCABULARY, unknown]))
        assert out.shape == (5, 0 if kind == "none" else 8)
        if kind in ("lookup", "unknown"):
            assert torch.equal(out[3], out[4]) and not torch.equal(out[0], out[3])
        elif kind != "none":
            assert not torch.equal(out[3], out[4])
    codes = hashed(torch.arange(0x800))
    counts = torch.bincount(codes, minlength=64)
    assert int(codes.min()) >= 0 and int(codes.max()) < 64 and int(counts.max()) < 3 * 0x800 // 64


def test_vgae_scores_without_chance_and_samples_only_in_training() -> None:
    torch.manual_seed(0)
    model = VGAE(VGAEConfig(), F_NODE, F_EDGE)
    b = batch()
    model.eval()
    assert torch.equal(model(b).parts, model(b).parts)
    model.train()
    assert not torch.equal(model(b).parts, model(b).parts)


def test_vgae_rebuilds_unbounded_features() -> None:
    """A decoder that ends in a sigmoid could not rebuild a standardised value of −4."""
    torch.manual_seed(0)
    model = VGAE(VGAEConfig(), F_NODE, F_EDGE)
    b = batch(sizes=(8,))
    b.x[:] = -4.0
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    model.train()
    for _ in range(300):
        optimiser.zero_grad()
        model.loss(model(b), 0.0).backward()
        optimiser.step()
    assert float(model.eval()(b).parts[0, 0].detach()) < 0.5


def test_vgae_loss_weighs_graphs_not_nodes() -> None:
    torch.manual_seed(0)
    model = VGAE(VGAEConfig(), F_NODE, F_EDGE).eval()
    out = model(batch(sizes=(9, 1)))
    each = out.parts.sum(1) + 0.1 * out.kl
    assert torch.allclose(model.loss(out, 0.1), each.mean())


def test_distillation_is_a_softmax_over_the_classes() -> None:
    """A softmax over one flattened logit would run over the batch: then adding a window would change the others' loss."""
    config = Distillation(weight=1.0, temperature=4.0)
    student, teacher = torch.tensor([[1.0, -1.0], [0.3, 0.2]]), torch.tensor([[2.0, 0.0], [-1.0, 1.0]])
    y = torch.tensor([0, 1])
    each = [distillation_loss(student[i : i + 1], teacher[i : i + 1], y[i : i + 1], config) for i in range(2)]
    assert torch.allclose(distillation_loss(student, teacher, y, config), sum(each) / 2)
    assert float(distillation_loss(teacher, teacher, y, config)) == pytest.approx(0, abs=1e-6)
    assert torch.allclose(distillation_loss(student, teacher, y, Distillation(weight=0.0)), F.cross_entropy(student, y))


def test_checkpoint_is_a_copy_and_comes_back_the_same() -> None:
    torch.manual_seed(0)
    model = GAT(GATConfig(), F_NODE, F_EDGE, VOCABULARY).eval()
    output = model(batch())
    saved = Checkpoint.of(
        "gat",
        model,
        config=GATConfig().model_dump(),
        node_features=F_NODE,
        edge_features=F_EDGE,
        vocabulary=[5, 9, 0x123],
    )
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()  # "best" weights that alias the live ones would be lost here
    assert torch.equal(saved.model()(batch()), output)


def test_damaged_weights_are_refused() -> None:
    model = QNetwork((8,))
    saved = Checkpoint.of("q", model, hidden=[8])
    for data in (b"", saved.weights[:20], b"\xff" * 100, (1 << 40).to_bytes(8, "little") + saved.weights[8:]):
        with pytest.raises(KdgatError, match="weights"):
            read_tensors(data)
    with pytest.raises(KdgatError, match="do not fit"):
        Checkpoint("q", saved.weights, {"hidden": [9]}).model()


def test_sizes_are_counted() -> None:
    model = QNetwork((160, 160))
    assert count_parameters(model) == sum(p.numel() for p in model.parameters())
    student = GAT(GATConfig(), 33, 10, VOCABULARY)
    assert count_parameters(student) <= 56_000


def make_input(n: int = 600, seed: int = 0) -> FusionInput:
    """The classifier is right where state[0] > 0, the anomaly score elsewhere."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    state = rng.normal(size=(n, 15)).astype(np.float32)
    good, noise = 0.1 + 0.8 * y, rng.random(n)
    first = state[:, 0] > 0
    return FusionInput(state, np.where(first, noise, good), np.where(first, good, noise), y)


def test_dqn_learns_whom_to_trust_and_its_decision_is_the_fused_score() -> None:
    from kdgat.config import FusionConfig
    from kdgat.evaluation.metrics import f1_score

    data, test = make_input(), make_input(seed=1)
    network, losses = train_dqn(FusionConfig(steps=600), data, 0)
    fused = test.fused(network.choose(test.state))
    one = max(f1_score(test.y, test.anomaly >= 0.5), f1_score(test.y, test.p_attack >= 0.5))
    assert f1_score(test.y, fused >= 0.5) > one + 0.05
    assert losses[-1] < losses[0]
    oracle = fusion.oracle(test)
    assert f1_score(test.y, oracle >= 0.5) >= f1_score(test.y, fused >= 0.5)
    for method in fusion.alternatives(data, network, FusionConfig(), 0).values():
        scores = method(test)
        assert scores.shape == (len(test.y),) and scores.min() >= 0 and scores.max() <= 1


def test_reward_cannot_be_bought_with_the_majority_class() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(4000) < 0.01).astype(int)
    data = FusionInput(np.zeros((4000, 15), np.float32), np.zeros(4000), np.ones(4000), y)
    means = rewards(data, 1.0).mean(0)  # α = 0 says always benign, α = 1 always attack
    assert means[0] == pytest.approx(means[-1], abs=1e-9)


def test_refitting_the_bandit_forgets_nothing() -> None:
    data = make_input()
    network = QNetwork((16,)).train()
    bandit = NeuralLinUCB(network).fit(data, 1.0, 0)
    assert not network.training  # dropout or the like must be off while choosing
    again = NeuralLinUCB(network).fit(data, 1.0, 0)
    assert np.array_equal(bandit.theta, again.theta) and np.abs(bandit.theta).sum() > 0
