"""Trained models as safetensors and JSON: nothing a stranger can hand us is unpickled."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import nn

from kdgat.errors import KdgatError
from kdgat.models import registry

#: a header this long describes far more tensors than any model here has
MAX_HEADER = 1 << 20
#: far over any layer and any number of layers here
MAX_WIDTH, MAX_DEPTH = 4096, 64


@dataclass(frozen=True)
class Checkpoint:
    """A model at rest.

    Attributes:
        kind: vgae, gat or q.
        weights: safetensors bytes.
        meta: JSON-able: configuration, input widths, vocabulary, and whatever the stage adds (calibration, threshold).
    """

    kind: str
    weights: bytes
    meta: dict[str, Any]

    @staticmethod
    def of(kind: str, model: nn.Module, **meta: Any) -> Checkpoint:
        """A copy of the model's weights as they are now (an alias of live weights would change under its holder)."""
        return Checkpoint(kind, weights_of(model), json.loads(json.dumps(meta)))

    def json(self) -> bytes:
        """`meta` and `kind` as canonical JSON."""
        return json.dumps({"kind": self.kind, **self.meta}, sort_keys=True).encode()

    def model(self) -> nn.Module:
        """The model, rebuilt, in eval mode.

        Raises:
            KdgatError: the weights are damaged or do not fit the configuration.
        """
        tensors = read_tensors(self.weights)
        try:
            _check_widths(self.meta.get("config", self.meta.get("hidden")))
            # without memory first: what a stranger's configuration asks for may be far more than its weights hold
            with torch.device("meta"):
                asked = sum(t.numel() for t in self._build().state_dict().values())
            if asked != (held := sum(t.numel() for t in tensors.values())):
                raise KdgatError(
                    f"weights do not fit the {self.kind}: {held} numbers, its configuration asks for {asked}"
                )
            model = self._build()
            model.load_state_dict(tensors)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise KdgatError(f"weights do not fit the {self.kind}: {reason}") from None
        return model.eval()

    def _build(self) -> nn.Module:
        """The model with the weights it is initialised with."""
        return registry.network(self.kind)(self.meta)


def weights_of(model: nn.Module) -> bytes:
    """The model's tensors as a safetensors file."""
    return save_safetensors({k: v.detach().clone().contiguous() for k, v in model.state_dict().items()})


def _check_widths(value: Any) -> None:
    """Refuse widths and depths that no model here has: building such a model could take for ever."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        if len(value) > MAX_DEPTH:
            raise KdgatError(f"a model of {len(value)} layers or settings: refused")
        for inner in value:
            _check_widths(inner)
    elif isinstance(value, int) and not 0 <= value <= MAX_WIDTH:
        raise KdgatError(f"a layer of {str(value)[:40]} units: refused")


def read_tensors(data: bytes) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file; the claimed header length is checked before anything is parsed.

    Raises:
        KdgatError: truncated, oversized or malformed.
    """
    if len(data) < 8 or (header := struct.unpack("<Q", data[:8])[0]) > min(MAX_HEADER, len(data) - 8):
        raise KdgatError("weights: not a safetensors file, or its header is longer than the file or 1 MiB")
    del header
    try:
        return load_safetensors(data)
    except SafetensorError as error:
        raise KdgatError(f"weights: {' '.join(str(error).split())[:200]}") from None
