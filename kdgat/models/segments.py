"""Operations over the edges of a node and the nodes of a graph: compiled kernels on CPUs, torch's own elsewhere.

Torch's are also what is exported; the kernels, whose gradients cannot be differentiated again, give the same up to rounding, and
`tests/kdgat/test_segments.py` holds both to torch_geometric's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from kdgat.models.kernels import attention, graphs, noise

#: of the rectifier in GATv2, under 0
SLOPE = 0.2
#: added to a variance before its root is divided by
EPSILON = 1e-5


def _by_kernel(x: Tensor) -> bool:
    """Say whether a kernel may take this tensor: not on other devices, in other precisions, or while a graph is traced."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.compiler.is_compiling()


def _arrays(*tensors: Tensor) -> list[Any]:
    """Arrays over the memory of tensors; those that do not lie in a row are copied."""
    return [t.detach().contiguous().numpy() for t in tensors]


def summed(x: Tensor, index: Tensor, rows: int | torch.SymInt) -> Tensor:
    """Sum of the rows of `x` [n, …] with the same `index` i64[n], [rows, …]."""
    where = index.view(-1, *[1] * (x.dim() - 1)).expand_as(x)
    return x.new_zeros(rows, *x.shape[1:]).scatter_add(0, where, x)


def averaged(x: Tensor, index: Tensor, rows: int | torch.SymInt) -> Tensor:
    """Mean of the rows of `x` [n, D] with the same `index` i64[n], [rows, D]; 0 where there is none."""
    count = summed(x.new_ones(x.shape[0]), index, rows).clamp(min=1)
    return summed(x, index, rows) / count[:, None]


def extreme(x: Tensor, index: Tensor, rows: int | torch.SymInt, which: str) -> Tensor:
    """Maximum (`amax`) or minimum (`amin`) of the rows of `x` [n, …] with the same `index`, [rows, …]; 0 where there is none."""
    where = index.view(-1, *[1] * (x.dim() - 1)).expand_as(x)
    return x.new_zeros(rows, *x.shape[1:]).scatter_reduce(0, where, x, which, include_self=False)


def attend(
    left: Float32[Tensor, "N D"],
    right: Float32[Tensor, "N D"],
    edge_index: Int64[Tensor, "2 E"],
    edge: Float32[Tensor, "E G"],
    edge_weight: Float32[Tensor, "D G"],
    att: Float32[Tensor, "1 H C"],
) -> tuple[Float32[Tensor, "N D"], Float32[Tensor, "E H"]]:
    """Weigh the sources of each node by GATv2's attention (Brody et al. 2022, eq. 7): their sum, and the weights.

    Args:
        left, right: projections of a node as source and as target.
        edge_index: source and target.
        edge, edge_weight: edge features and what projects them; without any, G is 0.
        att: H heads of C columns each, D = H·C.
    """
    if _by_kernel(left):
        return _Attention.apply(left, right, edge, edge_weight, att[0], *edge_index)
    nodes, (heads, columns) = left.shape[0], att.shape[1:]
    source, target = edge_index
    values = left[source].view(-1, heads, columns)
    z = values + right[target].view(-1, heads, columns)
    if edge.shape[1]:
        z = z + torch.nn.functional.linear(edge, edge_weight).view(-1, heads, columns)
    score = (torch.nn.functional.leaky_relu(z, SLOPE) * att).sum(-1)
    weight = (score - extreme(score.detach(), target, nodes, "amax")[target]).exp()
    alpha = weight / (summed(weight, target, nodes) + 1e-16)[target]
    return summed(values * alpha[..., None], target, nodes).view(-1, heads * columns), alpha


class _Attention(Function):
    """`attend` by kernels."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        left, right, edge, edge_weight, att, source, target = (t.detach() for t in tensors)
        order, begins, sources, targets, features = attention.by_target(*_arrays(source, target, edge), len(left))
        z = (torch.from_numpy(features) @ edge_weight.t()).numpy()
        arrays = [*_arrays(left, right), sources, targets, begins, z, *_arrays(att), np.float32(SLOPE)]
        out, alpha = attention.forward(*arrays)
        del arrays[1]
        ctx.arrays, ctx.edges = (*arrays, alpha), (order, features, edge_weight)
        by_edge = torch.from_numpy(attention.in_order(alpha, order))
        ctx.mark_non_differentiable(by_edge)
        return torch.from_numpy(out), by_edge

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        gradients = attention.backward(*_arrays(grad), *ctx.arrays)
        to_left, to_right, to_z, to_att = (torch.from_numpy(m) for m in gradients)
        order, features, edge_weight = ctx.edges
        to_edge = None
        if ctx.needs_input_grad[2]:
            to_edge = torch.from_numpy(attention.in_order((to_z @ edge_weight).numpy(), order))
        to_weight = (torch.from_numpy(features).t() @ to_z).t()
        return to_left, to_right, to_edge, to_weight, to_att, None, None


def activate(
    x: Float32[Tensor, "N D"],
    graph: Int64[Tensor, " N"],
    size: int,
    weight: Float32[Tensor, " D"],
    bias: Float32[Tensor, " D"],
    mean_scale: Float32[Tensor, " D"],
    dropout: float = 0.0,
) -> Float32[Tensor, "N D"]:
    """ELU of GraphNorm (Cai et al. 2021, eq. 6) over the nodes of each of `size` graphs, then dropout."""
    if _by_kernel(x):
        return _Activated.apply(x, weight, bias, mean_scale, graph, size, dropout)
    out = x - averaged(x, graph, size)[graph] * mean_scale
    variance = averaged(out.square(), graph, size)
    out = torch.nn.functional.elu(weight * out / (variance + EPSILON).sqrt()[graph] + bias)
    return torch.nn.functional.dropout(out, dropout) if dropout else out


def kept(count: int, dropout: float) -> Any:
    """Draw which of `count` numbers a dropout keeps, bool[count]: `torch.rand(count, dtype=torch.float64) < 1 - dropout`, faster.

    Those are the draws of torch's dropout wherever it does not leave them to MKL, and torch's generator moves on as with them.
    """
    state = torch.get_rng_state()
    out = noise.kept(state.numpy().view(np.uint64), count, 1 - dropout)
    torch.set_rng_state(state)
    return out


class _Activated(Function):
    """`activate` by kernels."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        x, weight, bias, mean_scale, graph, size, dropout = given
        rows, w, b, scale, of = _arrays(x, weight, bias, mean_scale, graph)
        begins, keep = graphs.begins(of, size), np.empty((0, rows.shape[1]), bool)
        if dropout:
            keep = kept(rows.size, dropout).reshape(rows.shape)
        factor = np.float32(1) / np.float32(1 - dropout)
        out, *made = graphs.activated(rows, begins, w, b, scale, np.float32(EPSILON), keep, factor)
        ctx.arrays = (*made, begins, w, scale, keep, factor)
        activated = torch.from_numpy(out)
        ctx.save_for_backward(activated)  # so that torch refuses a gradient of what was changed in place
        return activated

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        gradients = graphs.activated_backward(*_arrays(grad), *_arrays(*ctx.saved_tensors), *ctx.arrays)
        return (*(torch.from_numpy(m) for m in gradients), None, None, None)


def read_out(
    h: Float32[Tensor, "N D"],
    share: Float32[Tensor, " N"],
    graph: Int64[Tensor, " N"],
    size: int,
    *,
    least: bool = False,
) -> Float32[Tensor, "{size} P D"]:
    """Pool node states to a graph: mean, maximum, mean weighted by each ID's share of the frames, and, if `least`, minimum.

    Args:
        h: node states.
        share: share of the window's frames that the node's ID sent.
        graph: of each node, ascending.
        size: graphs.
        least: with the minimum: P is 4, otherwise 3.
    """
    if _by_kernel(h):
        return _Readout.apply(h, share, graph, size, least)
    parts = [averaged(h, graph, size), extreme(h, graph, size, "amax"), summed(h * share[:, None], graph, size)]
    return torch.stack([*parts, *([extreme(h, graph, size, "amin")] if least else [])], 1)


class _Readout(Function):
    """`read_out` by kernels; the shares are data and get no gradient."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, share: Tensor, graph: Tensor, size: int, least: bool) -> Tensor:
        rows, weights, of = _arrays(h, share, graph)
        begins = graphs.begins(of, size)
        out = graphs.readout(rows, weights, begins, least)
        ctx.arrays = (out, rows, weights, begins)
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return torch.from_numpy(graphs.readout_backward(*_arrays(grad), *ctx.arrays)), None, None, None, None


def around(x: Float32[Tensor, "N D"], edge_index: Int64[Tensor, "2 E"]) -> Float32[Tensor, "N D"]:
    """Mean features of the sources of each node's edges; 0 without any."""
    source, target = edge_index
    if _by_kernel(x) and not x.requires_grad:
        return torch.from_numpy(graphs.neighbours(*_arrays(x, source, target)))
    return averaged(x[source], target, x.shape[0])
