"""The paper's equations and the code: every formula, computed as it is printed, has the value of the function that it names."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.reference import EQUATIONS
from kdgat.captures.frames import Frames
from kdgat.config import Distillation, VGAEConfig
from kdgat.evaluation.thresholds import BenignCDF
from kdgat.models.fusion_input import ALPHAS, FusionInput, rewards
from kdgat.models.layers import GATv2, GraphBatch, hashed
from kdgat.models.rules import LEAST_GAPS, frame_scores
from kdgat.models.segments import around, read_out
from kdgat.models.vgae import VGAE
from kdgat.presets import preset
from kdgat.training import fit, modules
from kdgat.training.modules import VGAEModule, distillation_loss

LISTED = tomllib.loads(EQUATIONS.read_text())


def test_every_equation_names_its_function_and_every_function_is_there(repo: Path):
    text = "".join(file.read_text() for file in (repo / "paper" / "sections").glob("*.qmd"))
    labels = re.findall(r"\{#(eq-[\w-]+)\}", text)
    assert sorted(labels) == sorted(label for label in LISTED if label.startswith("eq-"))
    assert all(f"#{label}" in text for label in LISTED)
    for row in LISTED.values():
        module, _, name = row["function"].partition(":")
        function = importlib.import_module(module)
        for part in filter(None, name.split(".")):
            function = getattr(function, part)


@pytest.fixture
def windows() -> GraphBatch:
    """Two windows of 4 and 3 nodes."""
    torch.manual_seed(3)
    source = torch.tensor([0, 1, 2, 3, 0, 4, 5, 6, 4])
    target = torch.tensor([1, 2, 3, 0, 2, 5, 6, 4, 4])
    return GraphBatch(
        x=torch.randn(7, 5),
        edge_index=torch.stack([source, target]),
        edge_attr=torch.randn(9, 3),
        share=torch.tensor([0.4, 0.3, 0.2, 0.1, 0.5, 0.25, 0.25]),
        id_code=torch.tensor([16, 291, 800, 1000, 16, 2, 77]),
        batch=torch.tensor([0, 0, 0, 0, 1, 1, 1]),
        size=2,
        y=torch.tensor([0, 1]),
        index=torch.tensor([0, 1]),
    )


@pytest.fixture
def autoencoder() -> VGAE:
    torch.manual_seed(5)
    return VGAE(VGAEConfig(hidden=(6, 4), latent=3, heads=2), node_features=5, edge_features=3).eval()


def elbo(model: VGAE, b: GraphBatch, beta: float) -> torch.Tensor:
    """Loss of the autoencoder as it is printed: per node, then over the nodes of a window, then over windows."""
    mean, log_variance = model.encode(b)
    variance = log_variance.exp()
    hidden = model.decode(mean)
    neighbours = around(b.x, b.edge_index)
    total = torch.zeros(())
    for window in range(b.size):
        nodes = [i for i in range(len(b.x)) if b.batch[i] == window]
        parts = torch.zeros(())
        for i in nodes:
            node = ((model.features(hidden[i]) - b.x[i]) ** 2).mean()
            neighbour = ((model.neighbours(hidden[i]) - neighbours[i]) ** 2).mean()
            identity = -torch.log(torch.softmax(model.identity(hidden[i]), 0)[hashed(b.id_code)[i]])
            # the divergence of a Gaussian from the standard one, a mean over dimensions
            kl = (0.5 * (variance[i] + mean[i] ** 2 - 1 - torch.log(variance[i]))).mean()
            parts = parts + (node + neighbour + identity + beta * kl) / len(nodes)
        total = total + parts / b.size
    return total


def test_the_loss_of_the_autoencoder(windows, autoencoder):
    loss = autoencoder.loss(autoencoder(windows), beta=0.3)
    torch.testing.assert_close(loss, elbo(autoencoder, windows, 0.3))


def test_the_loss_of_its_student(windows, autoencoder):
    torch.manual_seed(6)
    teacher = torch.randn(2, 4)
    module = VGAEModule(autoencoder, preset("smoke").training, 0.3, teacher, weight=0.7)
    mean, _ = autoencoder.encode(windows)
    ours = torch.stack([mean[windows.batch == window].mean(0) for window in range(2)])
    mse = ((module.project(ours) - teacher) ** 2).mean()
    torch.testing.assert_close(module.loss(windows), 0.3 * elbo(autoencoder, windows, 0.3) + 0.7 * mse)


def test_graph_norm_and_elu_follow_each_layer(windows, autoencoder):
    h = windows.x
    for layer, norm in zip(autoencoder.convolutions, autoencoder.norms, strict=True):
        h = layer(h, windows.edge_index, edge_attr=windows.edge_attr)
        parts = []
        for window in range(2):  # Cai et al. 2021: over the nodes of one graph
            own = h[windows.batch == window]
            centred = own - norm.mean_scale * own.mean(0)
            parts.append(norm.weight * centred / torch.sqrt((centred**2).mean(0) + 1e-5) + norm.bias)
        h = torch.cat(parts)
        h = torch.where(h > 0, h, torch.exp(h) - 1)
    torch.testing.assert_close(autoencoder.encode(windows)[0], autoencoder.mean(h), rtol=1e-4, atol=1e-5)


def test_the_anomaly_score():
    rng = np.random.default_rng(1)
    benign = rng.gamma(2.0, size=200)
    cdf = BenignCDF.fit(benign)
    n, largest = len(benign), benign.max()
    scale = largest - np.quantile(benign, 0.95)
    for r in (benign[3], benign[77], largest):
        assert cdf(np.array([r]))[0] == pytest.approx((benign <= r).sum() / (n + 1))
    for r in (largest + 0.1, largest + 3.0, largest * 50):
        assert cdf(np.array([r]))[0] == pytest.approx(1 - 1 / ((n + 1) * (1 + (r - largest) / scale)))


def test_attention(windows):
    torch.manual_seed(2)
    layer = GATv2(5, 4, 1, 3)
    output, (_, weights) = layer(windows.x, windows.edge_index, windows.edge_attr, return_attention_weights=True)
    ours, theirs = layer.lin_r(windows.x), layer.lin_l(windows.x)  # of the node itself, of its neighbours
    edges = windows.edge_attr @ layer.lin_edge.weight.T
    pairs = list(zip(*windows.edge_index.tolist(), strict=True))
    scores = [
        (layer.att[0, 0] * torch.nn.functional.leaky_relu(ours[i] + theirs[j] + e, 0.2)).sum().item()
        for (j, i), e in zip(pairs, edges, strict=True)
    ]
    for node in range(7):
        into = [k for k, (_, i) in enumerate(pairs) if i == node]
        omega = np.exp([scores[k] for k in into]) / np.sum(np.exp([scores[k] for k in into]))
        np.testing.assert_allclose(weights[into, 0].detach().numpy(), omega, rtol=1e-4)
        state = sum(w * theirs[pairs[k][0]] for w, k in zip(omega, into, strict=True))
        torch.testing.assert_close(output[node] - layer.bias, state.float(), rtol=1e-4, atol=1e-5)


def test_the_readout(windows):
    h = torch.randn(7, 3)
    for window in range(2):
        own, share = h[windows.batch == window], windows.share[windows.batch == window]
        views = [own.mean(0), own.max(0).values, (share[:, None] * own).sum(0), own.min(0).values]
        pooled = read_out(h, windows.share, windows.batch, 2, least=True)
        torch.testing.assert_close(pooled[window], torch.stack(views))


def test_the_loss_of_the_student():
    torch.manual_seed(4)
    s, t, y = torch.randn(6, 2), torch.randn(6, 2), torch.tensor([0, 1, 1, 0, 1, 0])
    weight, temperature = 0.7, 4.0
    kd = torch.zeros(())
    for i in range(6):
        p, q = torch.softmax(t[i] / temperature, 0), torch.softmax(s[i] / temperature, 0)
        divergence = (p * torch.log(p / q)).sum()
        ce = -torch.log(torch.softmax(s[i], 0)[y[i]])
        kd = kd + (weight * temperature**2 * divergence + (1 - weight) * ce) / 6
    config = Distillation(weight=weight, temperature=temperature)
    torch.testing.assert_close(distillation_loss(s, t, y, config), kd)


def test_the_timing_rule():
    rng = np.random.default_rng(4)
    times = np.cumsum(rng.uniform(0.01, 0.05, 20))
    frames = Frames.of(times, 0x123, 8, np.zeros((20, 8)), 0).to_table()
    scores = frame_scores(frames, None)[:, 0]
    for i in range(LEAST_GAPS + 1, 20):
        usual = np.median(np.diff(times[:i]))
        assert scores[i] == pytest.approx(np.log(usual / (times[i] - times[i - 1])), abs=1e-3)


def test_the_fused_score_and_its_rewards():
    rng = np.random.default_rng(8)
    y = np.array([0, 0, 0, 1, 1, 0])
    data = FusionInput(np.zeros((6, 15)), rng.random(6), rng.random(6), y)
    assert list(ALPHAS) == pytest.approx([0.05 * i for i in range(21)])
    reward = rewards(data, 1.0)
    for k, alpha in enumerate(ALPHAS):
        f = (1 - alpha) * data.anomaly + alpha * data.p_attack
        np.testing.assert_allclose(data.fused(alpha), f)
        for i in range(6):
            right = (f[i] >= 0.5) == (y[i] == 1)
            inverse = 1 / np.mean(y == y[i])
            assert reward[i, k] == pytest.approx(inverse / 2 * (right - abs(y[i] - f[i])))


def test_the_optimiser_is_the_one_that_is_named(autoencoder):
    module = VGAEModule(autoencoder, preset("paper").training, 0.1)
    module.steps = 1000
    optimiser = module.configure_optimizers()
    assert isinstance(optimiser["optimizer"], torch.optim.AdamW)
    assert isinstance(optimiser["lr_scheduler"]["scheduler"], torch.optim.lr_scheduler.OneCycleLR)
    source = Path(fit.__file__).read_text()
    assert "gradient_clip_val=1.0" in source and modules.WARM_UP == 0.1
