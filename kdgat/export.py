"""Students for elsewhere: safetensors with their JSON, and ONNX with dynamic nodes and edges."""

from __future__ import annotations

import json
import warnings
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from kdgat.checkpoint import Checkpoint
from kdgat.dataset import Prepared
from kdgat.models.gat import GAT
from kdgat.models.layers import GraphBatch

INPUTS = ("x", "edge_index", "edge_attr", "share")


class _OneWindow(nn.Module):
    """A GAT on one window: x f32[N, F], edge_index i64[2, E], edge_attr f32[E, G], share f32[N] → P(attack) f32[1].

    Features are standardised already; IDs do not enter (the encodings that use them are not exported).
    """

    def __init__(self, model: GAT) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, share: Tensor) -> Tensor:
        nodes = torch.zeros_like(share, dtype=torch.long)
        b = GraphBatch(x, edge_index, edge_attr, share, nodes, nodes, 1, nodes[:1], nodes[:1])
        return torch.softmax(self.model(b), 1)[:, 1]


def to_onnx(model: GAT) -> bytes:
    """ONNX bytes of `_OneWindow`, with names `INPUTS` → `p_attack`."""
    first: Any = model.convolutions[0]
    features = first.in_channels - model.identity.width
    edges = first.edge_dim
    example = (
        torch.randn(7, features),
        torch.randint(0, 7, (2, 11)),
        torch.randn(11, edges),
        torch.full((7,), 1 / 7),
    )
    n, e = torch.export.Dim("nodes"), torch.export.Dim("edges")
    shapes = ({0: n}, {1: e}, {0: e}, {0: n})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _OneWindow(model).eval(), example, dynamo=True, dynamic_shapes=shapes, input_names=list(INPUTS),
            output_names=["p_attack"], verbose=False,
        )  # fmt: skip
    assert program is not None
    return without_notes(program.model_proto)


def without_notes(proto: onnx.ModelProto) -> bytes:
    """The model without what the exporter notes at each node: stack traces with paths of the machine it ran on."""
    for container in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.functions):
        del container.metadata_props[:]
        container.doc_string = ""
    for item in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    return proto.SerializeToString(deterministic=True)


def weights(dataset: str, seed: int, checkpoints: dict[str, Checkpoint], prepared: Prepared) -> dict[str, bytes]:
    """Files of a release: the students' weights, their configuration with scalers, and the classifier as ONNX."""
    out = {}
    for name in ("vgae-student", "gat-student", "fusion-dqn-student"):
        checkpoint = checkpoints[name]
        stem = f"{dataset}/{name}-s{seed}"
        out[f"{stem}.safetensors"] = checkpoint.weights
        meta = json.loads(checkpoint.json()) | {"scalers": prepared.meta["scalers"]}
        out[f"{stem}.json"] = (json.dumps(meta, sort_keys=True) + "\n").encode()
    model = checkpoints["gat-student"].model()
    assert isinstance(model, GAT)
    out[f"{dataset}/gat-student-s{seed}.onnx"] = to_onnx(model)
    return out
