"""What runs on a GPU where there is one, on a device that behaves as one (`another_device.py`): the CPU's numbers, and no waits."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from another_device import DEVICE, AnotherDevice, another_device, enter
from small import CONFIG

from analysis import detect
from analysis.releases.release import Release
from kdgat.config import override
from kdgat.dataset.prepare import Prepared
from kdgat.errors import KdgatError
from kdgat.experiment import evaluate, examples
from kdgat.experiment.scoring import Models
from kdgat.experiment.task import Task
from kdgat.experiment.train import train_fusion, train_gat, train_vgae
from kdgat.models import explain
from kdgat.models.gat import GAT
from kdgat.models.vgae import VGAE
from kdgat.synthetic import write
from kdgat.synthetic.bus import BUS_RANGES
from kdgat.synthetic.vehicle import Vehicle
from kdgat.training import devices, predict, resident
from kdgat.training.batches import Batches
from kdgat.training.devices import Devices
from kdgat.training.fit import fit
from kdgat.training.micro_batches import MicroBatchModule
from kdgat.training.modules import GATModule, VGAEModule
from kdgat.training.predict import lent, predict_gat, predict_vgae
from kdgat.training.replay import SIZES, Pass, Replay, Unmade, Unmades, padded
from kdgat.training.session import Session

CPU = torch.device("cpu")
STEADY = {"dropout": 0.0}  # the CPU's dropout has its own draws


def gat(prepared: Prepared) -> GAT:
    """An untrained student, always the same."""
    torch.manual_seed(5)
    store = prepared.store("train")
    config = CONFIG.gat_student.model_copy(update=STEADY)
    return GAT(config, len(store.node_features), len(store.edge_features), torch.tensor(prepared.vocabulary))


def vgae(prepared: Prepared) -> VGAE:
    """An untrained autoencoder, always the same."""
    torch.manual_seed(6)
    store = prepared.store("train")
    return VGAE(CONFIG.vgae_student, len(store.node_features), len(store.edge_features))


def test_the_device_refuses_what_a_gpu_refuses() -> None:
    with another_device() as waits:
        x = torch.arange(3.0).to(DEVICE)
        assert x.device == DEVICE and (x + 1).cpu().tolist() == [1, 2, 3] and (x + torch.tensor(1.0)).device == DEVICE
        with pytest.raises(RuntimeError, match="two devices"):
            x + torch.ones(3)
        with pytest.raises((RuntimeError, TypeError)):
            x.numpy()
        before = waits.total()
        x.add_(1)
        repeats = torch.tensor([1, 0, 2]).to(DEVICE)
        x.repeat_interleave(repeats, output_size=3)
        assert waits.total() == before + 1, "a copy to the device, and nothing else"
        assert x[1:].sum().item() == 5 and len(x.nonzero()) == 3 and len(x.repeat_interleave(repeats)) == 3
        assert waits.total() == before + 4


@pytest.mark.parametrize("seed", [None, 3])
def test_batches_are_those_of_the_store_bit_for_bit(prepared: Prepared, seed: int | None) -> None:
    store = prepared.store("train")
    index = np.random.default_rng(0).permutation(len(store))[:150]
    here, there = (Batches(store, prepared.scalers, 64, index, seed) for _ in range(2))
    with another_device():
        there.move(DEVICE)
        for a, b in zip(here, there, strict=True):
            assert a.size == b.size
            for name, value in vars(a).items():
                if name != "size":
                    other = getattr(b, name)
                    assert other.device == DEVICE and value.dtype == other.dtype, name
                    assert torch.equal(value, other.cpu()), name
    there.move(CPU)
    assert there.resident is None, "the store is enough"


def test_what_does_not_fit_is_streamed_and_said(prepared: Prepared, capsys: pytest.CaptureFixture[str]) -> None:
    store = prepared.store("train")
    batches = Batches(store, prepared.scalers, 64)
    with another_device():
        batches.move(DEVICE, room=resident.size(store) - 1)
        assert batches.resident is None and "batches are copied one by one" in capsys.readouterr().out
        batches.move(DEVICE, room=resident.size(store))
    assert batches.resident is not None and not capsys.readouterr().out
    tensors = vars(batches.resident).values()
    assert resident.size(store) >= sum(t.numel() * t.element_size() for t in tensors)
    assert pickle.loads(pickle.dumps(batches)).resident is None, "another process has a device of its own"


def modules(prepared: Prepared) -> dict[str, MicroBatchModule]:
    """Students and what they are distilled from."""
    many = len(prepared.store("train"))
    torch.manual_seed(7)
    return {
        "gat": GATModule(gat(prepared), CONFIG.training, CONFIG.distillation, torch.randn(many, 2)),
        "vgae": VGAEModule(vgae(prepared), CONFIG.training, 0.1, torch.randn(many, 6)),
    }


def batches(prepared: Prepared, part: str = "train", size: int = 64, seed: int | None = None) -> Batches:
    """Batches of a part of the synthetic bus."""
    return Batches(prepared.store(part), prepared.scalers, size, seed=seed)


@pytest.mark.parametrize("name", ["gat", "vgae"])
def test_a_training_is_that_of_the_cpu(prepared: Prepared, name: str) -> None:
    histories = []
    for on, context in ((Devices(), nullcontext), (AnotherDevice(), another_device)):
        with context():
            module: Any = modules(prepared)[name]
            torch.manual_seed(8)
            rows, _ = fit(
                module, batches(prepared, seed=3), batches(prepared, "validation", 256), Session("t"), epochs=2, on=on
            )
            assert all(p.device == CPU for p in module.parameters())
            histories.append([value for _, _, value in rows])
    assert histories[0] == pytest.approx(histories[1], abs=1e-4)


def test_a_step_waits_for_nothing(prepared: Prepared) -> None:
    """What waits does so once for an epoch, a training or a pass over all windows, however many batches these have."""
    counts, of_scores = [], []
    for size in (64, 16):
        with another_device() as waits:
            module: Any = modules(prepared)["gat"]
            train, unseen = batches(prepared, size=size, seed=3), batches(prepared, "validation", size)
            fit(module, train, unseen, Session("t"), epochs=2, on=AnotherDevice())
        counts.append(waits.total())
        with another_device() as waits:
            predict_gat(module.model, unseen, DEVICE)
        of_scores.append(waits.total())
    assert len(train) > 16 and counts[0] == counts[1] > 0 and of_scores[0] == of_scores[1] > 0


def test_scores_and_explanations_are_those_of_the_cpu(prepared: Prepared) -> None:
    results: list[list[Any]] = []
    for device, context in ((CPU, nullcontext), (DEVICE, another_device)):
        with context():
            unseen = batches(prepared, "validation")
            few = Batches(prepared.store("validation"), prepared.scalers, 16).batch(np.arange(16)).to(device)
            classifier, autoencoder = gat(prepared), vgae(prepared)
            found = [*predict_gat(classifier, unseen, device), *predict_vgae(autoencoder, unseen, device)]
            with lent(classifier, device) as model:
                found += [*explain.attention(model, few), *explain.integrated_gradients(model, few)]
                unseen.move(device)
                found += explain.layer_outputs(model, unseen).values()
            assert all(p.device == CPU for p in classifier.parameters())
            results.append(found)
    apart = [np.abs(a - b).max() / np.abs(a).max() for a, b in zip(*results, strict=True)]
    # near the baseline of integrated gradients maxima are tied, and any of the nodes may get the gradient
    assert max(apart) < 0.02 and np.median(apart) < 1e-6


@pytest.mark.parametrize("count", [1, 7, 8, 9, 31, 32, 4095, 4096, 5000])
def test_a_padded_size_has_room_for_a_node_more_and_little_else(count: int) -> None:
    assert count < padded(count) <= max(count * (1 + 1 / SIZES) + 1, SIZES + 1)
    assert len({padded(n) for n in range(4096, 8192)}) == SIZES


def written_again(module: torch.nn.Module, recorded: list[int]) -> Callable[[Pass], Pass]:
    """What records a pass as a CUDA graph does: loss and gradients are written where the first ones lie."""

    def record(run: Pass) -> Pass:
        recorded.append(1)
        loss, gradients = run(), [p.grad for p in module.parameters()]

        def replay() -> torch.Tensor:
            loss.copy_(run())
            for p, gradient in zip(module.parameters(), gradients, strict=True):
                if gradient is not None and p.grad is not None:
                    gradient.copy_(p.grad)
            return loss

        return replay

    return record


@pytest.mark.parametrize("name", ["gat", "vgae"])
def test_what_is_replayed_has_the_loss_and_the_gradients_of_the_batch(prepared: Prepared, name: str) -> None:
    with another_device():
        module: Any = modules(prepared)[name].to(DEVICE).train()
        if name == "vgae":
            module.eval()  # of its noise each node has its own
        train = batches(prepared, seed=3)
        train.move(DEVICE)
        recorded: list[int] = []
        replay = Replay(module.loss, module.parameters, written_again(module, recorded))
        made = list(train)
        unmade = list(Unmades(train))
        assert len(made) == len(unmade) == len(Unmades(train)) and isinstance(unmade[-1], type(made[-1]))
        for batch, whole in zip(unmade[:-1], made[:-1], strict=True):
            assert isinstance(batch, Unmade)
            module.zero_grad()
            exact = module.loss(whole)
            exact.backward()
            want = float(exact.detach())
            gradients = [p.grad.cpu() for p in module.parameters()]
            with another_device() as waits:
                loss = replay(batch)
            assert not waits, "a recording cannot wait"
            assert float(loss) == pytest.approx(want, abs=1e-5)
            for p, gradient in zip(module.parameters(), gradients, strict=True):
                assert torch.allclose(p.grad.cpu(), gradient, atol=1e-5)
    assert 1 <= len(recorded) < len(unmade)


def test_a_training_that_replays_is_that_of_the_cpu(prepared: Prepared) -> None:
    histories = []
    for on, context in ((Devices(), nullcontext), (AnotherDevice(replays=True), another_device)):
        with context():
            module: Any = modules(prepared)["gat"]
            module.replay = Replay(module.loss, module.parameters, written_again(module, []))
            rows, _ = fit(
                module, batches(prepared, seed=3), batches(prepared, "validation"), Session("t"), epochs=2, on=on
            )
            histories.append([value for _, _, value in rows])
    assert histories[0] == pytest.approx(histories[1], abs=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("replays", [False, True])
def test_a_training_on_a_gpu_is_that_of_the_cpu(prepared: Prepared, *, replays: bool) -> None:
    histories = []
    for on in (Devices(), Devices("gpu", replays=replays)):
        module: Any = modules(prepared)["gat"]
        rows, _ = fit(module, batches(prepared, seed=3), batches(prepared, "validation"), Session("t"), epochs=2, on=on)
        histories.append([value for _, _, value in rows])
    assert histories[0] == pytest.approx(histories[1], abs=1e-3)


def test_the_whole_line_runs_there(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training of both roles, distillation, fusion, scores, example windows: no tensor is left behind."""
    monkeypatch.setattr(evaluate, "_protocols", lambda _: ("zero-shot",))
    config = override(CONFIG, {"windows.max_windows": 40})
    task = Task("Flow/1", "Flow/1/step/2", "synthetic", "synthetic", 0, config)
    with another_device(), monkeypatch.context() as patch:
        patch.setattr(devices, "granted", AnotherDevice)
        patch.setattr(predict, "scorer", lambda: DEVICE)
        vgae = train_vgae(task, prepared)
        gat = train_gat(task, prepared, vgae.difficulty)
    networks = vgae.checkpoints | gat.checkpoints
    fusion = train_fusion(task, prepared, networks)  # on the CPU wherever the networks score
    runs = {name: name for name in (*networks, *fusion.checkpoints)}
    models = Models(networks | fusion.checkpoints, fusion.methods, {}, runs)
    with another_device(), monkeypatch.context() as patch:
        for module in (predict, evaluate, examples):
            patch.setattr(module, "scorer", lambda: DEVICE)
        stage = evaluate.evaluate(task, prepared, models, None, details=True)
    assert {"cka", "attention", "attributions", "predictions"} <= set(stage.tables.parts)
    again = evaluate.evaluate(task, prepared, models, None, details=False)  # the same networks on the CPU
    for there, here in zip(stage.scored, again.scored, strict=True):
        for name, scores in here.scores.items():
            if name.startswith(("gat", "vgae")):
                assert np.allclose(there.scores[name], scores, atol=1e-5), (here.scenario, name)


def test_detect_scores_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    capture = tmp_path / "a.log"
    write.write(Vehicle.draw(BUS_RANGES, rng).drive(20.0, rng), capture, "candump")
    release = Release.open()
    dataset, seed = detect.choose(release, None, None)
    here = list(detect.detect(capture, release, dataset, [seed]).verdicts)
    with another_device():
        monkeypatch.setattr(detect, "_device", lambda name: DEVICE if name == "cuda" else CPU)
        monkeypatch.setattr(detect, "ThreadPoolExecutor", partial(ThreadPoolExecutor, initializer=enter))
        there = list(detect.detect(capture, release, dataset, [seed], device="cuda").verdicts)
    assert len(here) > 50 and [v.score for v in here] == pytest.approx([v.score for v in there], abs=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_detect_without_a_gpu_says_so() -> None:
    with pytest.raises(KdgatError, match="torch sees no GPU here"):
        detect._device("cuda")
