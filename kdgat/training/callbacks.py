"""What happens between epochs: the curriculum, the metrics that are kept, the lines that say how far it is."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from kdgat import terminal
from kdgat.training import progress
from kdgat.training.batches import Batches
from kdgat.training.lightning import L
from kdgat.training.session import Rows


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
class History(L.Callback):
    """Collect what is logged, epoch by epoch: rows of (epoch, metric, value)."""

    rows: Rows = field(default_factory=list)

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


class Patience(L.Callback):
    """Ends training where the validation loss has not fallen for some epochs, and gives the model the weights of its best one.

    Args:
        epochs: without a lower loss, after which training ends.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._best, self._waited = math.inf, 0
        self._weights: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """The lowest loss, the epochs since, and its weights, kept with the trainer's state."""
        return {"best": self._best, "waited": self._waited, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What an interrupted attempt left."""
        self._best, self._waited, self._weights = state["best"], state["waited"], state["weights"]

    def on_train_epoch_start(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """End at once what had ended before it was interrupted."""
        trainer.should_stop = trainer.should_stop or self._waited >= self.epochs

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Keep the weights of the best epoch; end after too many without one."""
        if self._waited >= self.epochs:  # it had ended: nothing was trained
            return
        loss = float(trainer.callback_metrics["validation_loss"])
        if loss < self._best:
            self._best, self._waited = loss, 0
            self._weights = {name: value.detach().clone() for name, value in module.state_dict().items()}
        else:
            self._waited += 1
        trainer.should_stop = trainer.should_stop or self._waited >= self.epochs

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Give the model the weights of its best epoch."""
        if self._weights:
            module.load_state_dict(self._weights)


class SetEpoch(L.Callback):
    """Tells the batches which epoch it is, so that each has its own order and a resumed run the right one."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def on_train_epoch_start(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Tell the batches."""
        self.batches.epoch = trainer.current_epoch


class Residence(L.Callback):
    """Moves the graphs to the device that trains, in each process that trains.

    Args:
        batches: for training and validation.
    """

    def __init__(self, *batches: Batches) -> None:
        self.batches = batches

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        """Move them, once."""
        for batches in self.batches:
            batches.move(trainer.strategy.root_device)


class Progress(L.Callback):
    """One plain line an epoch, readable in a log, and the same for a terminal (`kdgat.training.progress`)."""

    def __init__(self, name: str) -> None:
        self.name = name

    def on_train_start(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Tell that it began."""
        self._begin, self._first = time.monotonic(), trainer.current_epoch
        self._pace = terminal.Pace(self.name, "batches of this epoch")
        progress.tell(self.name, trainer.current_epoch, trainer.max_epochs or 0)

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Tell how far a long epoch is."""
        if trainer.is_global_zero:
            self._pace.reached(batch_idx + 1, int(trainer.num_training_batches))

    def on_train_epoch_end(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Tell the epoch, its metric and the time left."""
        if not trainer.is_global_zero:
            return
        done, epochs = trainer.current_epoch + 1, trainer.max_epochs or 0
        shown = "  ".join(f"{k} {float(v):.4f}" for k, v in sorted(trainer.callback_metrics.items()))
        print(f"{self.name}: epoch {done}/{epochs}  {shown}", flush=True)
        each = (time.monotonic() - self._begin) / (done - self._first)
        progress.tell(self.name, done, epochs, shown, (epochs - done) * each)
