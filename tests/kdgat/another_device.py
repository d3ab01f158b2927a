"""A device that computes on the CPU and behaves as a GPU does: what lies there cannot be mixed with what does not.

torch lets a backend be written in Python. To this one every tensor is a CPU tensor under another name: an operation on tensors of
two devices fails, as does NumPy on one that was not copied back, and what makes the host wait for a GPU is counted. So the paths
that a GPU takes run where there is none, with the right numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

from kdgat.training.devices import Devices
from kdgat.training.lightning import L


class _Backend(_DummyBackendModule):
    """What torch asks of a backend, which has no device for other tests of the process."""

    def device_count(self) -> int:
        """None: nothing but `another_device` gives any."""
        return 0

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        """The precisions that autocast may choose."""
        return [torch.bfloat16]


_setup_privateuseone_for_python_backend("elsewhere", _Backend())
DEVICE = torch.device("elsewhere", 0)

_ops = torch.ops.aten
_COPIES = (_ops._to_copy.default, _ops.copy_.default)
#: what is as long as the numbers say, so that the host has to know them; a comparison of all is likewise
_WAITS = (
    _ops._local_scalar_dense.default, _ops.nonzero.default, _ops.masked_select.default, _ops.bincount.default,
    _ops._unique2.default, _ops.equal.default,
)  # fmt: skip


class There(Tensor):
    """A tensor that lies on the other device; `held` are its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> There:
        out = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=DEVICE,
        )  # fmt: skip
        out.held = held
        return out

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute it where its numbers are."""
        return _computed(func, args, kwargs or {}, Counter())


class _Present(TorchDispatchMode):
    """Makes tensors on the other device, and counts what the host waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {}, self.waits)


def _computed(func: Any, args: Any, kwargs: Any, waits: Counter[str]) -> Any:
    """An operation on tensors of one device or, if it copies, of two."""
    tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
    there = [t for t in tensors if isinstance(t, There)]
    # as CUDA does, it takes the CPU's single numbers
    if there and func not in _COPIES and any(t.dim() for t in tensors if not isinstance(t, There)):
        raise RuntimeError(f"{func}: tensors of two devices")
    if func is _ops.copy_.default:
        becomes = isinstance(args[0], There)
    else:
        becomes = torch.device(to).type == DEVICE.type if (to := kwargs.get("device")) is not None else bool(there)
    unknown = func is _ops.repeat_interleave.Tensor and kwargs.get("output_size") is None
    crosses = func in _COPIES and (becomes != bool(there) if len(tensors) == 1 else len(there) == 1)
    if crosses or (there and (func in _WAITS or unknown)):
        waits[str(func)] += 1
    out = func(*tree_map(_bare, args), **tree_map(_bare, kwargs))
    if not becomes or func in _WAITS[:1]:
        return out
    changed = {id(t.held): t for t in there}  # what is changed in place is given back itself
    return tree_map(lambda t: changed[id(t)] if id(t) in changed else _there(t), out)


def _bare(value: Any) -> Any:
    """The numbers of a tensor, and the device that computes."""
    if isinstance(value, There):
        return value.held
    return torch.device("cpu") if isinstance(value, torch.device) and value.type == DEVICE.type else value


def _there(value: Any) -> Any:
    return There(value) if isinstance(value, Tensor) and not isinstance(value, There) else value


@contextmanager
def another_device() -> Iterator[Counter[str]]:
    """Let tensors be made on `DEVICE`; gives how often the host waited for it, by operation."""
    lifted = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)  # of `torch.tensor(…, device=…)` the mode sees the copy
    try:
        with _Present() as mode:
            yield mode.waits
    finally:
        torch._C._set_only_lift_cpu_tensors(lifted)


def enter() -> None:
    """Let tensors be made on `DEVICE` in this thread, to its end."""
    _Present().__enter__()


class _Accelerator(L.pytorch.accelerators.Accelerator):  # type: ignore[misc]
    """What Lightning asks of a device."""

    def setup_device(self, device: torch.device) -> None:
        """Nothing to do."""

    def teardown(self) -> None:
        """Nothing to do."""

    @staticmethod
    def parse_devices(devices: Any) -> Any:
        """As they are."""
        return devices

    @staticmethod
    def get_parallel_devices(devices: int) -> list[torch.device]:
        """The one there is."""
        return [DEVICE] * devices

    @staticmethod
    def auto_device_count() -> int:
        """One."""
        return 1

    @staticmethod
    def is_available() -> bool:
        """Always."""
        return True

    @staticmethod
    def name() -> str:
        """Its name."""
        return DEVICE.type


@dataclass(frozen=True)
class AnotherDevice(Devices):
    """A training on `DEVICE`."""

    accelerator: str = DEVICE.type

    def trainer(self) -> dict[str, Any]:
        """Arguments of Lightning's trainer."""
        strategy = L.pytorch.strategies.SingleDeviceStrategy(DEVICE, accelerator=_Accelerator())
        return {"strategy": strategy, "devices": 1, "precision": self.precision}
