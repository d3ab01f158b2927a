"""Training that goes on after a kill: Lightning's state at the end of each epoch, as safetensors and JSON.

Nothing is pickled: tensors go into `state.safetensors`, everything else, with references to them, into its header.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from kdgat import atomic
from kdgat.errors import KdgatError
from kdgat.training import interrupt
from kdgat.training.lightning import CheckpointIO, L


def _flat(value: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON for `value`; its tensors are moved to `tensors`."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):  # keys may be numbers, as in an optimiser's state
        return {"dict": [[_flat(k, tensors), _flat(v, tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_flat(v, tensors) for v in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a training state holds {type(value).__name__}, which is neither tensor nor JSON")


def _nested(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The reverse of `_flat`."""
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "tensor":
        return tensors[inner]
    if kind == "dict":
        return {_nested(k, tensors): _nested(v, tensors) for k, v in inner}
    return {"list": list, "tuple": tuple}[kind](_nested(v, tensors) for v in inner)


class SafetensorsIO(CheckpointIO):
    """How Lightning's trainer writes and reads its whole state."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Replace the state at `path` atomically."""
        tensors: dict[str, Tensor] = {}
        # its version is read only to migrate old files
        state = json.dumps(_flat({k: v for k, v in checkpoint.items() if k != "hyper_parameters"}, tensors))
        atomic.write_bytes(Path(path), save(tensors, {"state": state}))

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """The state at `path`.

        Raises:
            KdgatError: it is damaged.
        """
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
                return dict(_nested(json.loads(file.metadata()["state"]), tensors))
        except Exception as error:
            raise KdgatError(f"{path}: no training state ({error}); delete it to train from the start") from None

    def remove_checkpoint(self, path: Any) -> None:
        """Delete the state."""
        Path(path).unlink(missing_ok=True)


class SaveEpoch(L.Callback):
    """Saves the trainer's state after each epoch, with the random generator's and the time spent so far.

    Args:
        path: of the state; None saves nothing and only takes the time.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._begin, self._earlier = time.monotonic(), 0.0
        self._generator: Tensor | None = None

    @property
    def seconds(self) -> float:
        """Time spent in this training so far (s), interrupted attempts included."""
        return self._earlier + time.monotonic() - self._begin

    def state_dict(self) -> dict[str, Any]:
        """Time spent (s) and the random generator's state, u8[n], kept with the trainer's state."""
        return {"seconds": self.seconds, "generator": torch.get_rng_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What the interrupted attempt left."""
        self._earlier, self._generator = float(state["seconds"]), state["generator"]

    def on_train_start(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Draw on where the interrupted attempt stopped."""
        if self._generator is not None:
            torch.set_rng_state(self._generator)

    def on_train_epoch_end(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Save the state; end the process if somebody asked for a stop, unless this was the last epoch."""
        if self.path is None:
            return
        trainer.save_checkpoint(self.path)
        if trainer.current_epoch + 1 == (trainer.max_epochs or 0):
            return
        if trainer.strategy.reduce_boolean_decision(
            interrupt.asked(), all=False
        ):  # the signal may reach one of several
            interrupt.stop(self.path.stem, tell=trainer.is_global_zero)
