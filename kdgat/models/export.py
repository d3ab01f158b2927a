"""Students for elsewhere: safetensors with their JSON, and ONNX with dynamic nodes and edges."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import json
import logging
import warnings
from importlib import metadata
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from kdgat import atomic
from kdgat.compiled import kept_folder
from kdgat.dataset.prepare import Prepared
from kdgat.models.checkpoint import Checkpoint
from kdgat.models.gat import GAT
from kdgat.models.layers import GraphBatch
from kdgat.models.vgae import VGAE
from kdgat.provenance import code_hash, sha256
from kdgat.runtime import work_folder

INPUTS = ("x", "edge_index", "edge_attr", "share")


class _OneWindow(nn.Module):
    """A GAT on one window: x f32[N, F], edge_index i64[2, E], edge_attr f32[E, G], share f32[N] → P(attack) f32[1] and the
    window's embedding f32[1, D].

    Features are standardised already; IDs do not enter (the encodings that use them are not exported).
    """

    def __init__(self, model: GAT) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        nodes = torch.zeros_like(share, dtype=torch.long)
        embedding = self.model.embed(GraphBatch(x, edge_index, edge_attr, share, nodes, nodes, 1, nodes[:1], nodes[:1]))
        return torch.softmax(self.model.head(embedding), 1)[:, 1], embedding


class _OneWindowErrors(nn.Module):
    """A VGAE on one window: as `_OneWindow`, with id_code i64[N] for the share → errors f32[1, 3], latent statistics f32[1, 4]."""

    def __init__(self, model: VGAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, id_code: Tensor) -> tuple[Tensor, Tensor]:
        nodes = torch.zeros_like(id_code)
        out = self.model(GraphBatch(x, edge_index, edge_attr, x[:, 0], id_code, nodes, 1, nodes[:1], nodes[:1]))
        return out.parts, out.stats


def to_onnx(model: GAT) -> bytes:
    """ONNX bytes of `_OneWindow`, with names `INPUTS` → `p_attack`, `embedding`."""
    first: Any = model.convolutions[0]
    features = first.in_channels - model.identity.width
    return _exported(
        _OneWindow(model), features, first.edge_dim, torch.full((7,), 1 / 7), INPUTS, ("p_attack", "embedding")
    )


def vgae_to_onnx(model: VGAE) -> bytes:
    """ONNX bytes of `_OneWindowErrors`, with names x, edge_index, edge_attr, id_code → `parts`, `stats`."""
    first: Any = model.convolutions[0]
    names = (*INPUTS[:3], "id_code")
    return _exported(
        _OneWindowErrors(model), first.in_channels, first.edge_dim, torch.arange(7), names, ("parts", "stats")
    )


def _exported(
    window: nn.Module, features: int, edges: int, per_node: Tensor, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> bytes:
    """A model of one window, with any number of nodes and edges."""
    folder = kept_folder("onnx") or work_folder() / "onnx"
    folder.mkdir(exist_ok=True)
    window = window.eval()
    kept = folder / f"{_architecture(window)}.onnx"
    with open(kept.with_suffix(".lock"), "a") as lock:
        with contextlib.suppress(OSError):  # a file system without locks: then each seed exports
            fcntl.lockf(lock, fcntl.LOCK_EX)
        if not kept.exists():
            atomic.write_bytes(kept, _template(window, features, edges, per_node, inputs, outputs))
    proto, state = onnx.load_from_string(kept.read_bytes()), window.state_dict()
    for item in proto.graph.initializer:
        if item.name in state:
            item.CopyFrom(onnx.numpy_helper.from_array(state[item.name].numpy(), item.name))
    return proto.SerializeToString(deterministic=True)


def _architecture(window: nn.Module) -> str:
    """Tell apart what is exported differently: modules with their settings, shapes, code, exporter. Weights are put in afterwards."""
    modules = [
        (
            name,
            type(m).__qualname__,
            sorted((k, v) for k, v in vars(m).items() if isinstance(v, bool | int | float | str)),
        )
        for name, m in window.named_modules()
    ]
    shapes = [(name, tuple(value.shape)) for name, value in window.state_dict().items()]
    versions = [torch.__version__, onnx.__version__, metadata.version("onnxscript")]
    return sha256(repr((modules, shapes, versions, code_hash())).encode())[:32]


def _template(
    window: nn.Module, features: int, edges: int, per_node: Tensor, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> bytes:
    """Export a copy with drawn weights: the exporter merges tensors that are equal, and zeros of new layers are."""
    window = copy.deepcopy(window)
    with torch.random.fork_rng(), torch.no_grad():
        for value in window.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.1, 1.0)
        return _export(window, features, edges, per_node, inputs, outputs)


def _export(
    window: nn.Module, features: int, edges: int, per_node: Tensor, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> bytes:
    """Take seconds, nearly all of which is the same for any weights."""
    example = (torch.randn(7, features), torch.randint(0, 7, (2, 11)), torch.randn(11, edges), per_node)
    n, e = torch.export.Dim("nodes"), torch.export.Dim("edges")
    # it warns of every operator of torchvision, which is not installed and not needed
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            window, example, dynamo=True, dynamic_shapes=({0: n}, {1: e}, {0: e}, {0: n}),
            input_names=list(inputs), output_names=list(outputs), verbose=False,
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
    """Files of a release: the students' weights, their configuration with scalers, both as ONNX; of the one alone no ONNX."""
    out = {}
    full = "gat-student" in checkpoints
    for name in ("vgae-student", "gat-student", "fusion-dqn-student") if full else ("gat-alone-student",):
        checkpoint = checkpoints[name]
        stem = f"{dataset}/{name}-s{seed}"
        out[f"{stem}.safetensors"] = checkpoint.weights
        meta = json.loads(checkpoint.json()) | {"scalers": prepared.scalers.to_dict()}
        out[f"{stem}.json"] = (json.dumps(meta, sort_keys=True) + "\n").encode()
    if not full:
        return out
    gat, vgae = checkpoints["gat-student"].model(), checkpoints["vgae-student"].model()
    assert isinstance(gat, GAT) and isinstance(vgae, VGAE)
    print(f"{dataset} seed {seed}: gat-student as ONNX", flush=True)  # of which each takes seconds
    out[f"{dataset}/gat-student-s{seed}.onnx"] = to_onnx(gat)
    print(f"{dataset} seed {seed}: vgae-student as ONNX", flush=True)
    out[f"{dataset}/vgae-student-s{seed}.onnx"] = vgae_to_onnx(vgae)
    return out
