"""What a training runs on: one processor, one GPU, or several with DDP; and in which precision.

Several processes take a part of each batch (`micro_batches.py`), so that batches, steps and learning rates are those of one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch.multiprocessing import ProcessExitedException

from kdgat.errors import KdgatError
from kdgat.settings import settings
from kdgat.training import interrupt
from kdgat.training.lightning import DDPStrategy, L


@dataclass(frozen=True)
class Devices:
    """One training's devices.

    Attributes:
        accelerator: cpu or gpu.
        count: processes, each with a device of its own.
        precision: in Lightning's words.
        replays: whether passes are recorded and played again (`kdgat.training.replay`).
    """

    accelerator: str = "cpu"
    count: int = 1
    precision: str = "32-true"
    replays: bool = False

    def trainer(self) -> dict[str, Any]:
        """Arguments of Lightning's trainer."""
        # spawned: Lightning's other way starts the command line again, which here is a task of a flow
        strategy = DDPStrategy(start_method="spawn") if self.count > 1 else "auto"
        return {
            "accelerator": self.accelerator,
            "devices": self.count,
            "precision": self.precision,
            "strategy": strategy,
        }

    def __str__(self) -> str:
        """What a record adds to the machine's own line; nothing for one process without a GPU."""
        if self.accelerator == "gpu":
            return f", {self.count} × {torch.cuda.get_device_name()}, {self.precision}"
        return f", {self.count} processes per training" if self.count > 1 else ""


def mixed(capability: tuple[int, int]) -> str:
    """The precision for a GPU of this compute capability.

    bf16 from Ampere (8.0: A100, H100) on; fp16 with a scaled loss on Volta and Turing (7.x: V100), which have fast units
    for that alone; what is older gains from neither.
    """
    return "bf16-mixed" if capability >= (8, 0) else "16-mixed" if capability >= (7, 0) else "32-true"


def granted() -> Devices:
    """What this task may use: the GPUs that were granted to it, or as many processes as the site says.

    Raises:
        KdgatError: the site says more than there are.
    """
    limit = settings().training.devices
    if not torch.cuda.is_available():
        return Devices(count=limit or 1)
    visible = torch.cuda.device_count()
    # a scheduler names what it grants; where nobody does, the other GPUs may be other tasks'
    count = limit or (visible if "CUDA_VISIBLE_DEVICES" in os.environ else 1)
    if count > visible:
        raise KdgatError(f"training.devices asks for {count} GPUs, and this task sees {visible}")
    precision = mixed(torch.cuda.get_device_capability())
    # a scaled loss is not recorded, nor is what several processes exchange
    return Devices("gpu", count, precision, settings().training.replay and count == 1 and precision != "16-mixed")


class Ranks(L.Callback):
    """What each of several processes does by itself: it listens for the signal to stop, and draws its own noise."""

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        """Listen for the signal, in every process."""
        self._seed = torch.initial_seed()
        if trainer.world_size > 1:
            interrupt.listen()

    def on_train_epoch_start(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Seed this process's noise by epoch and rank."""
        if trainer.global_rank:
            torch.manual_seed((self._seed + 1_000_003 * trainer.current_epoch + trainer.global_rank) % 2**63)


def run(trainer: L.Trainer, *what: Any, **options: Any) -> None:
    """`trainer.fit`; a process that saved its epoch and ended ends this one in the same way."""
    try:
        trainer.fit(*what, **options)
    except ProcessExitedException as ended:
        if ended.exit_code == interrupt.SAVED:
            raise SystemExit(interrupt.SAVED) from None
        raise
    finally:
        os.environ.pop("MASTER_PORT", None)  # the next training finds a free one again
