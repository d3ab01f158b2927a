"""Training with Lightning: batches from a graph store, the two modules, curriculum, distillation."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import torch

from kdgat.training import devices
from kdgat.training.batches import Batches
from kdgat.training.callbacks import Curriculum, History, Patience, Progress, Residence, SetEpoch
from kdgat.training.checkpoint_io import SafetensorsIO, SaveEpoch
from kdgat.training.lightning import L, LightningEnvironment
from kdgat.training.modules import GATModule, VGAEModule
from kdgat.training.replay import Unmades
from kdgat.training.session import Rows, Session

#: of glibc's mallopt: bytes at the heap's end that are given back, and bytes from which memory is asked of the kernel
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3


def keep_memory() -> None:
    """Keep what this process frees, where its C library can: each step asks for as much memory as the one before.

    Getting it from the kernel anew took a sixth of a teacher's training.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_THRESHOLD, 2**25)  # the most that every glibc takes
        library.mallopt(TRIM_THRESHOLD, 2**31 - 1)


def fit(
    module: VGAEModule | GATModule,
    train: Batches,
    validation: Batches,
    session: Session,
    *,
    epochs: int,
    patience: int = 0,
    curriculum: Curriculum | None = None,
    on: devices.Devices | None = None,
) -> tuple[Rows, float]:
    """Train to the last epoch, or until patience ends; return the history and the seconds spent. The module is left in eval mode.

    One thread: two processes side by side beat two threads of one on small graphs.

    Args:
        module, train, validation: what is trained, on what, and what it is validated on.
        session: its name, logger and state.
        epochs: at most.
        patience: epochs without a lower validation loss after which training ends; 0: it goes on to the last.
        curriculum: sets the windows of each epoch.
        on: what it runs on (None: what the task was granted).
    """
    on = on or devices.granted()
    state = session.state
    if on.count > 1 and state is None:  # also the way in which several processes hand over what they logged
        with tempfile.TemporaryDirectory() as folder:
            kept = replace(session, state=Path(folder) / "state")
            return fit(module, train, validation, kept, epochs=epochs, patience=patience, curriculum=curriculum, on=on)
    torch.set_num_threads(1)
    keep_memory()
    for noisy in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    history, io = History(), SafetensorsIO()
    # not Lightning's own estimate: the curriculum gives each epoch another number of batches
    module.steps = curriculum.steps(epochs) if curriculum else epochs * len(train)
    # in mixed precision Lightning refuses to clip the gradients of a fused optimiser, which unscales them itself
    module.fused = on.precision == "32-true"
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
            logger=session.logger if on.count == 1 else False,
            # the last one saves what the others hold
            callbacks=[
                devices.Ranks(),
                Residence(train, validation),
                SetEpoch(train),
                *([curriculum] if curriculum else []),
                history,
                *([Patience(patience)] if patience else []),
                Progress(session.name),
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
        devices.run(trainer, module, Unmades(train) if on.replays else train, validation, ckpt_path=resumed)
    module.eval()
    if on.count == 1:
        return history.rows, save.seconds
    assert state is not None
    callbacks = io.load_checkpoint(state)["callbacks"]
    history.load_state_dict(callbacks[history.state_key])
    for epoch, metric, value in history.rows if session.logger else ():
        session.logger.log_metrics({metric: value, "epoch": epoch}, step=epoch)
    return history.rows, float(callbacks[save.state_key]["seconds"])
