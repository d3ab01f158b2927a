"""Training with Lightning: batches from a graph store, the two modules, curriculum, distillation."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor, nn
from torch.nn import functional as F

from kdgat import devices, progress
from kdgat.config import Distillation, Training
from kdgat.dataset import Scalers
from kdgat.graphs import GraphStore
from kdgat.models.gat import GAT
from kdgat.models.layers import GraphBatch
from kdgat.models.vgae import VGAE
from kdgat.pieces import PiecewiseModule
from kdgat.resume import SafetensorsIO, SaveEpoch

#: share of the optimiser's steps in which the learning rate rises
WARM_UP = 0.1


class Batches:
    """Iterable over a store in batches; shuffled anew (and reproducibly) in each epoch, or in order.

    Args:
        store: graphs.
        scaler: fitted on benign training rows.
        size: graphs in a batch.
        index: i64[n], which graphs (None: all).
        seed: of the order; None keeps the store's order.
    """

    def __init__(
        self, store: GraphStore, scaler: Scalers, size: int, index: np.ndarray | None = None, seed: int | None = None
    ) -> None:
        self.store, self.scaler, self.size, self.seed = store, scaler, size, seed
        self.index = np.arange(len(store)) if index is None else index
        self.epoch = 0
        names = store.node_features
        # the share of frames a node stands for weighs the readout; `published` keeps the count instead
        self._weight = names.index("share") if "share" in names else names.index("count")

    def __len__(self) -> int:
        return -(-len(self.index) // self.size)

    def __iter__(self) -> Iterator[GraphBatch]:
        index = self.index
        if self.seed is not None:
            index = np.random.default_rng([self.seed, self.epoch]).permutation(index)
        for begin in range(0, len(index), self.size):
            yield self.batch(index[begin : begin + self.size])

    def batch(self, index: np.ndarray) -> GraphBatch:
        """The graphs `index`, scaled, as tensors."""
        b = self.store.batch(index)
        weight = np.asarray(b.x[:, self._weight], np.float32)
        share = torch.from_numpy(weight.copy())
        nodes = torch.from_numpy(np.asarray(b.batch, np.int64))
        total = torch.zeros(len(index)).scatter_add_(0, nodes, share).clamp(min=1e-9)
        return GraphBatch(
            x=torch.from_numpy(self.scaler.nodes(b.x)),
            edge_index=torch.from_numpy(np.asarray(b.edge_index, np.int64)),
            edge_attr=torch.from_numpy(self.scaler.edges(b.edge_attr)),
            share=share / total[nodes],
            id_code=torch.from_numpy(np.asarray(b.id_code, np.int64)),
            batch=nodes,
            size=len(index),
            y=torch.from_numpy(np.asarray(b.y, np.int64)),
            index=torch.from_numpy(np.asarray(index, np.int64)),
        )


class VGAEModule(PiecewiseModule):
    """Trains a VGAE on benign windows; a student also learns the teacher's graph latents.

    Args:
        model: the autoencoder.
        training: optimisation.
        beta: weight of the KL term.
        teacher: f32[B, L], the teacher's graph latents by position in the store (None: no distillation).
        weight: weight λ of the distillation: (1 − λ)·ELBO + λ·MSE(W·latent, teacher's latent).
    """

    def __init__(
        self, model: VGAE, training: Training, beta: float, teacher: Tensor | None = None, weight: float = 0.7
    ) -> None:
        super().__init__()
        self.steps = 1  # optimiser steps in all, set by `fit`
        self.model, self.training_config, self.beta, self.weight = model, training, beta, weight
        self.teacher = teacher
        self.project = nn.Linear(model.mean.out_features, teacher.shape[1]) if teacher is not None else None

    def loss(self, batch: GraphBatch) -> Tensor:
        """(1 − λ)·ELBO + λ·MSE of the latents; without a teacher the ELBO alone."""
        out = self.model(batch)
        loss = self.model.loss(out, self.beta)
        if self.teacher is not None and self.project is not None:
            match = F.mse_loss(self.project(out.latent), _of(self.teacher, batch))
            loss = (1 - self.weight) * loss + self.weight * match
        return loss

    def watched(self, batch: GraphBatch) -> dict[str, Tensor]:
        """Negative ELBO of the validation windows, the same for teacher and student."""
        return {"validation_loss": self.model.loss(self.model(batch), self.beta)}

    def configure_optimizers(self) -> Any:
        """AdamW; the rate follows one cycle where there are steps enough to warm up in."""
        return _optimiser(self, self.training_config, self.steps)


class GATModule(PiecewiseModule):
    """Trains a GAT; a student is distilled: λ·T²·KL(student/T ‖ teacher/T) + (1 − λ)·CE (arXiv 2507.19686).

    Both logits enter the softmax of each window; a softmax over one flattened logit would run over the batch instead.

    Args:
        model: the classifier.
        training: optimisation and curriculum.
        distillation: λ and T.
        teacher: f32[B, 2], the teacher's logits by position in the store (None: no distillation).
    """

    def __init__(
        self, model: GAT, training: Training, distillation: Distillation, teacher: Tensor | None = None
    ) -> None:
        super().__init__()
        self.steps = 1  # optimiser steps in all, set by `fit`
        self.model, self.training_config, self.distillation = model, training, distillation
        self.teacher = teacher

    def loss(self, batch: GraphBatch) -> Tensor:
        """Cross-entropy, or with a teacher `distillation_loss`."""
        logits = self.model(batch)
        if self.teacher is None:
            return F.cross_entropy(logits, batch.y)
        return distillation_loss(logits, _of(self.teacher, batch), batch.y, self.distillation)

    def watched(self, batch: GraphBatch) -> dict[str, Tensor]:
        """Cross-entropy and accuracy of the validation windows."""
        logits = self.model(batch)
        right = (logits.argmax(1) == batch.y).float().mean()
        return {"validation_loss": F.cross_entropy(logits, batch.y), "validation_accuracy": right}

    def configure_optimizers(self) -> Any:
        """AdamW; the rate follows one cycle where there are steps enough to warm up in."""
        return _optimiser(self, self.training_config, self.steps)


def _of(teacher: Tensor, batch: GraphBatch) -> Tensor:
    """The teacher's rows for a batch's graphs; those of the whole store stay in the main memory."""
    return teacher[batch.index.to(teacher.device)].to(batch.index.device)


def distillation_loss(student: Tensor, teacher: Tensor, y: Tensor, config: Distillation) -> Tensor:
    """λ·T²·KL(softmax(teacher/T) ‖ softmax(student/T)) + (1 − λ)·CE(student, y); logits f32[B, 2] (Hinton et al. 2015)."""
    t = config.temperature
    divergence = F.kl_div(
        F.log_softmax(student / t, 1), F.log_softmax(teacher / t, 1), reduction="batchmean", log_target=True
    )
    return config.weight * t * t * divergence + (1 - config.weight) * F.cross_entropy(student, y)


def _optimiser(module: L.LightningModule, config: Training, steps: int) -> Any:
    optimiser = torch.optim.AdamW(module.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    if WARM_UP * steps <= 1:  # too few steps to warm up in: the rate stays as it is
        return optimiser
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=steps, pct_start=WARM_UP
    )
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Curriculum(L.Callback):
    """Hard benign windows enter late: in epoch t (from 1) the share p_t = 1 − exp(−t/τ) of the benign windows is used.

    Args:
        batches: the training batches, whose index is replaced for each epoch.
        difficulty: f64[B] by position in the store, e.g. the VGAE error; easy windows come first. None: each epoch
            draws its windows anew, so that nothing but their number follows the schedule.
        y: labels by position in the store; attacked windows are always used.
        tau: in epochs.
    """

    def __init__(self, batches: Batches, difficulty: np.ndarray | None, y: np.ndarray, tau: float) -> None:
        self.batches, self.tau, self.ordered = batches, tau, difficulty is not None
        benign = batches.index[y[batches.index] == 0]
        self.attacked = batches.index[y[batches.index] == 1]
        self.benign = benign if difficulty is None else benign[np.argsort(difficulty[benign], kind="stable")]

    def admit(self, epoch: int) -> None:
        """Set the windows of epoch number `epoch`, from 0."""
        share = 1 - np.exp(-(epoch + 1) / self.tau)
        count = max(int(np.ceil(share * len(self.benign))), 1)
        benign = self.benign
        if not self.ordered:
            benign = np.random.default_rng([self.batches.seed or 0, 1, epoch]).permutation(benign)
        admitted = benign[:count]
        self.batches.index = np.sort(np.concatenate([admitted, self.attacked]))

    def steps(self, epochs: int) -> int:
        """Optimiser steps in so many epochs."""
        total = 0
        for epoch in reversed(range(epochs)):  # ends with the windows of the first epoch set
            self.admit(epoch)
            total += len(self.batches)
        return total

    # the next epoch's windows are set at the end of an epoch: Lightning asks for a loader's length before its first hook
    def on_train_epoch_end(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Set the windows of the epoch that follows."""
        self.admit(trainer.current_epoch + 1)


@dataclass
class Curves(L.Callback):
    """Collects what was logged, epoch by epoch: rows of (epoch, metric, value)."""

    rows: list[tuple[int, str, float]] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far, kept with the trainer's state."""
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Rows of an interrupted attempt."""
        self.rows = list(state["rows"])

    def on_train_epoch_end(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Take what was logged in this epoch."""
        # validation has run by now, so both kinds of metrics are there
        for name, value in trainer.callback_metrics.items():
            self.rows.append((trainer.current_epoch, name, float(value)))


class _Epoch(L.Callback):
    """Tells the batches which epoch it is, so that each has its own order and a resumed run the right one."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def on_train_epoch_start(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        self.batches.epoch = trainer.current_epoch


class Progress(L.Callback):
    """One plain line an epoch, readable in a log, and the same for a terminal (`kdgat.progress`)."""

    def __init__(self, name: str) -> None:
        self.name = name

    def on_train_start(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Tell that it began."""
        self._begin, self._first = time.monotonic(), trainer.current_epoch
        progress.tell(self.name, trainer.current_epoch, trainer.max_epochs or 0)

    def on_train_epoch_end(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Tell the epoch, its metric and the time left."""
        if not trainer.is_global_zero:
            return
        done, epochs = trainer.current_epoch + 1, trainer.max_epochs or 0
        shown = "  ".join(f"{k} {float(v):.4f}" for k, v in sorted(trainer.callback_metrics.items()))
        print(f"{self.name}: epoch {done}/{epochs}  {shown}", flush=True)
        each = (time.monotonic() - self._begin) / (done - self._first)
        progress.tell(self.name, done, epochs, shown, (epochs - done) * each)


def fit(
    module: VGAEModule | GATModule,
    train: Batches,
    validation: Batches,
    *,
    name: str,
    epochs: int,
    logger: Any = False,
    curriculum: Curriculum | None = None,
    state: Path | None = None,
    on: devices.Devices | None = None,
) -> tuple[list[tuple[int, str, float]], float]:
    """Train to the last epoch; returns the curves and the seconds spent. The module is left in eval mode.

    One thread: two processes side by side beat two threads of one on small graphs.

    Args:
        module, train, validation: what is trained, on what, and what is watched.
        name: shown in the progress.
        epochs: in all.
        logger: of the tracker.
        curriculum: sets the windows of each epoch.
        state: file that the training leaves after each epoch, and goes on from if it is there: a killed training
            loses one epoch at most and ends with the weights of an undisturbed one.
        on: what it runs on (None: what the task was granted).
    """
    on = on or devices.granted()
    if on.count > 1 and state is None:  # also the way in which several processes hand over what they logged
        with tempfile.TemporaryDirectory() as folder:
            return fit(
                module, train, validation, name=name, epochs=epochs, logger=logger, curriculum=curriculum,
                state=Path(folder) / "state", on=on,
            )  # fmt: skip
    torch.set_num_threads(1)
    for noisy in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    curves, io = Curves(), SafetensorsIO()
    # not Lightning's own estimate: the curriculum gives each epoch another number of batches
    module.steps = curriculum.steps(epochs) if curriculum else epochs * len(train)
    resumed = state if state is not None and state.is_file() else None
    if resumed and curriculum:
        curriculum.admit(io.load_checkpoint(resumed)["epoch"] + 1)
    save = SaveEpoch(state)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        # the curriculum changes the number of batches an epoch: the loader's length is asked for anew in each
        trainer = L.Trainer(
            **on.trainer(),
            max_epochs=epochs,
            logger=logger if on.count == 1 else False,
            # the last one saves what the others hold
            callbacks=[
                devices.Ranks(),
                _Epoch(train),
                *([curriculum] if curriculum else []),
                curves,
                Progress(name),
                save,
            ],
            # Lightning would take a job of SLURM for one that it manages
            plugins=[io, LightningEnvironment()],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=20,
            gradient_clip_val=1.0,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=1,
        )
        devices.run(trainer, module, train, validation, ckpt_path=resumed)
    module.eval()
    if on.count == 1:
        return curves.rows, save.seconds
    assert state is not None
    kept = io.load_checkpoint(state)["callbacks"]
    curves.load_state_dict(kept[curves.state_key])
    for epoch, metric, value in curves.rows if logger else ():
        logger.log_metrics({metric: value, "epoch": epoch}, step=epoch)
    return curves.rows, float(kept[save.state_key]["seconds"])


@torch.no_grad()
def predict_gat(model: GAT, batches: Batches) -> tuple[np.ndarray, np.ndarray]:
    """Logits f32[n, 2] and graph embeddings f32[n, 3D] of all graphs of `batches`, in its order."""
    model.eval()
    logits, embeddings = [], []
    for b in batches:
        g = model.embed(b)
        logits.append(model.head(g).numpy())
        embeddings.append(g.numpy())
    return np.concatenate(logits), np.concatenate(embeddings)


@torch.no_grad()
def predict_vgae(model: VGAE, batches: Batches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors by part f32[n, 3], latent statistics f32[n, 4], graph latents f32[n, L]; with z = μ, so nothing is random."""
    model.eval()
    parts, stats, latent = [], [], []
    for b in batches:
        out = model(b)
        parts.append(out.parts.numpy())
        stats.append(out.stats.numpy())
        latent.append(out.latent.numpy())
    return np.concatenate(parts), np.concatenate(stats), np.concatenate(latent)


def attack_probability(logits: np.ndarray) -> np.ndarray:
    """One softmax, f64[n]."""
    return 1 / (1 + np.exp(np.clip(logits[:, 0].astype(np.float64) - logits[:, 1], -60, 60)))
