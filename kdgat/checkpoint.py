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

from kdgat.config import GATConfig, VGAEConfig
from kdgat.errors import KdgatError
from kdgat.models.fusion import QNetwork
from kdgat.models.gat import GAT
from kdgat.models.vgae import VGAE

#: a header this long describes far more tensors than any model here has
MAX_HEADER = 1 << 20


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
        state = {k: v.detach().clone().contiguous() for k, v in model.state_dict().items()}
        return Checkpoint(kind, save_safetensors(state), json.loads(json.dumps(meta)))

    def json(self) -> bytes:
        """`meta` and `kind` as canonical JSON."""
        return json.dumps({"kind": self.kind, **self.meta}, sort_keys=True).encode()

    def model(self) -> nn.Module:
        """The model, rebuilt, in eval mode.

        Raises:
            KdgatError: the weights are damaged or do not fit the configuration.
        """
        m = self.meta
        model: nn.Module
        if self.kind == "gat":
            vocabulary = torch.tensor(m["vocabulary"], dtype=torch.long)
            model = GAT(GATConfig(**m["config"]), m["node_features"], m["edge_features"], vocabulary)
        elif self.kind == "vgae":
            model = VGAE(VGAEConfig(**m["config"]), m["node_features"], m["edge_features"])
        elif self.kind == "q":
            model = QNetwork(tuple(m["hidden"]))
        else:
            raise KdgatError(f"no model is of kind {self.kind!r}")
        try:
            model.load_state_dict(read_tensors(self.weights))
        except RuntimeError as error:
            raise KdgatError(f"weights do not fit the {self.kind}: {str(error).splitlines()[0]}") from None
        return model.eval()


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
        raise KdgatError(f"weights: {error}") from None
