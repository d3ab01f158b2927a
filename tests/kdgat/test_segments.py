"""Attention, normalisation and readout: kernels and torch's own operations against torch_geometric's, and a training with each."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_models import F_EDGE, F_NODE, VOCABULARY, batch
from torch import Tensor, nn
from torch.nn import functional as F

from kdgat.config import GATConfig
from kdgat.models import segments
from kdgat.models.gat import GAT
from kdgat.models.layers import Activation, GATv2, GraphBatch

pyg = pytest.importorskip("torch_geometric.nn")
#: nodes of each graph, from the seed of everything else
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=5).map(tuple)


def copied(module: nn.Module, theirs: nn.Module) -> nn.Module:
    """`theirs` with the weights of `module`, which must be called the same."""
    theirs.load_state_dict(module.state_dict())
    return theirs


def gradients(module: nn.Module, out: Tensor, *inputs: Tensor) -> list[Tensor]:
    """Of a sum that weighs every number of `out` differently."""
    weights = torch.linspace(-1, 1, out.numel()).view_as(out)
    return list(torch.autograd.grad((out * weights).sum(), [*inputs, *module.parameters()]))


def equal(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return all(torch.allclose(a, b, atol=2e-5, rtol=1e-4) for a, b in zip(ours, theirs, strict=True))


WAYS = pytest.mark.parametrize("way", ["kernels", "torch"])


def by(way: str) -> mock._patch:  # type: ignore[type-arg]
    """Go one of the two ways."""
    return mock.patch.object(segments, "_by_kernel", lambda _: way == "kernels")


@WAYS
@pytest.mark.parametrize("edges", [F_EDGE, None])
@given(seed=st.integers(0, 2**31), sizes=SIZES)
@settings(max_examples=25, deadline=None)
def test_attention_is_that_of_gatv2(way: str, edges: int | None, seed: int, sizes: tuple[int, ...]) -> None:
    torch.manual_seed(seed)
    ours = GATv2(F_NODE, 5, 3, edges)
    theirs = copied(ours, pyg.GATv2Conv(F_NODE, 5, 3, edge_dim=edges, add_self_loops=False))
    b = batch(seed, sizes)
    inputs = [b.x.requires_grad_(), *([b.edge_attr.requires_grad_()] if edges else [])]
    with by(way):
        out, (_, alpha) = ours(b.x, b.edge_index, b.edge_attr if edges else None, return_attention_weights=True)
        values = [out, alpha, *gradients(ours, out, *inputs)]
    out, (_, alpha) = theirs(b.x, b.edge_index, b.edge_attr if edges else None, return_attention_weights=True)
    assert equal(values, [out, alpha, *gradients(theirs, out, *inputs)])


@WAYS
@given(seed=st.integers(0, 2**31), sizes=SIZES)
@settings(max_examples=25, deadline=None)
def test_activation_is_graph_norm_elu_and_dropout(way: str, seed: int, sizes: tuple[int, ...]) -> None:
    torch.manual_seed(seed)
    ours = Activation(F_NODE, 0.3)
    for p in ours.parameters():
        nn.init.normal_(p)
    theirs = copied(ours, pyg.GraphNorm(F_NODE))
    b = batch(seed, sizes)
    b.x[:, 0] = 3.0  # a column without variance
    torch.manual_seed(seed)
    with by(way):
        out = ours(b.x.requires_grad_(), b.batch, b.size)
        values = [out, *gradients(ours, out, b.x)]
    torch.manual_seed(seed)
    kept = torch.rand(out.shape, dtype=torch.float64) < 0.7
    if way == "torch":  # on some processors its dropout leaves the draws to MKL
        torch.manual_seed(seed)
        kept = F.dropout(torch.ones_like(out), 0.3) > 0
    out = F.elu(theirs(b.x, b.batch, b.size)) * kept / 0.7
    # a column without variance is divided by √ε: its rounding is multiplied
    assert torch.allclose(values[0], out, atol=1e-3) and equal(
        [g[..., 1:] for g in values], [g[..., 1:] for g in (out, *gradients(theirs, out, b.x))]
    )


@WAYS
@given(seed=st.integers(0, 2**31), sizes=SIZES)
@settings(max_examples=25, deadline=None)
def test_readout_is_made_of_scatters(way: str, seed: int, sizes: tuple[int, ...]) -> None:
    from torch_geometric.utils import scatter

    b = batch(seed, sizes)
    h = b.x.round().requires_grad_()  # rounded, so that several nodes reach the maximum
    with by(way):
        out = segments.read_out(h, b.share, b.batch, b.size, least=True)
        around = segments.around(b.x.detach(), b.edge_index)
        values = [out, *gradients(nn.Module(), out, h)]
    mean, largest, least = (scatter(h, b.batch, 0, b.size, how) for how in ("mean", "max", "min"))
    out = torch.stack([mean, largest, scatter(h * b.share[:, None], b.batch, 0, b.size, "sum"), least], 1)
    assert equal(values, [out, *gradients(nn.Module(), out, h)])
    source, target = b.edge_index
    assert torch.allclose(around, scatter(b.x[source], target, 0, len(b.x), "mean"), atol=1e-6)


def test_a_seed_gives_the_weights_that_it_gave_torch_geometric() -> None:
    for edges in (F_EDGE, None):
        torch.manual_seed(5)
        ours = GATv2(F_NODE, 5, 3, edges).state_dict()
        after = torch.rand(1)
        torch.manual_seed(5)
        theirs = pyg.GATv2Conv(F_NODE, 5, 3, edge_dim=edges, add_self_loops=False).state_dict()
        assert list(ours) == list(theirs) and all(torch.equal(ours[k], theirs[k]) for k in theirs)
        assert torch.equal(after, torch.rand(1)), "what is drawn next is drawn as before"


def losses(model: GAT, batches: list[GraphBatch]) -> list[float]:
    """Losses of a training, one per step."""
    torch.manual_seed(1)
    optimiser, values = torch.optim.AdamW(model.parameters(), 2e-3), []
    for b in batches:
        optimiser.zero_grad()
        loss = F.cross_entropy(model(b), b.y)
        loss.backward()
        optimiser.step()
        values.append(float(loss.detach()))
    return values


class Theirs(nn.Module):
    """What follows a layer, of torch_geometric and torch."""

    def __init__(self, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm, self.kept = norm, 1 - dropout

    def forward(self, x: Tensor, batch: Tensor, size: int) -> Tensor:
        # spelt out: on some processors torch's dropout leaves the draws to MKL
        return F.elu(self.norm(x, batch, size)) * (torch.rand(x.shape, dtype=torch.float64) < self.kept) / self.kept


def test_a_training_goes_as_with_torch_geometric() -> None:
    config = GATConfig(hidden=8, heads=2, layers=3, mlp=(16,))
    batches = [batch(k, tuple(np.random.default_rng(k).integers(20, 40, 32))) for k in range(12)]
    torch.manual_seed(0)
    ours = GAT(config, F_NODE, F_EDGE, VOCABULARY)
    torch.manual_seed(0)
    theirs = GAT(config, F_NODE, F_EDGE, VOCABULARY)
    for i, (conv, norm) in enumerate(zip(ours.convolutions, ours.norms, strict=True)):
        assert isinstance(conv, GATv2)
        width, edges = conv.in_channels, conv.edge_dim
        theirs.convolutions[i] = copied(conv, pyg.GATv2Conv(width, 8, 2, edge_dim=edges, add_self_loops=False))
        theirs.norms[i] = Theirs(copied(norm, pyg.GraphNorm(16)), config.dropout)
    assert losses(ours, batches) == pytest.approx(losses(theirs, batches), abs=1e-5)
