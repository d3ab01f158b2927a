"""Operations over the edges of a node and the nodes of a graph: compiled kernels on CPUs, torch's own elsewhere.

Torch's are also what is exported and differentiated twice; the kernels give the same up to rounding, and
`tests/kdgat/test_segments.py` holds both to torch_geometric's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from torch.autograd import Function

from kdgat.models.kernels import attention, graphs

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
        left, right, edge, edge_weight, att, source, target = tensors
        order, begins = attention.by_target(*_arrays(target), left.shape[0])
        arrays = [*_arrays(left, right, edge, edge_weight.t(), att, source), order, begins, np.float32(SLOPE)]
        out, alpha = (torch.from_numpy(array) for array in attention.forward(*arrays))
        ctx.arrays, ctx.alpha = arrays, alpha
        ctx.mark_non_differentiable(alpha)
        return out, alpha

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        gradients = attention.backward(*_arrays(grad), *ctx.arrays, ctx.alpha.numpy(), ctx.needs_input_grad[2])
        left, right, edge, edge_weight, att = (torch.from_numpy(m) for m in gradients)
        return left, right, edge, edge_weight.t(), att, None, None


def normalise(
    x: Float32[Tensor, "N D"],
    graph: Int64[Tensor, " N"],
    size: int,
    weight: Float32[Tensor, " D"],
    bias: Float32[Tensor, " D"],
    mean_scale: Float32[Tensor, " D"],
) -> Float32[Tensor, "N D"]:
    """GraphNorm (Cai et al. 2021, eq. 6) over the nodes of each of `size` graphs."""
    if _by_kernel(x):
        return _Normalised.apply(x, weight, bias, mean_scale, graph, size)
    out = x - averaged(x, graph, size)[graph] * mean_scale
    variance = averaged(out.square(), graph, size)
    return weight * out / (variance + EPSILON).sqrt()[graph] + bias


class _Normalised(Function):
    """`normalise` by kernels."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean_scale: Tensor, graph: Tensor, size: int
    ) -> Tensor:
        rows, w, b, scale, of = _arrays(x, weight, bias, mean_scale, graph)
        count = graphs.sizes(of, size)
        out, *kept = graphs.normalised(rows, of, count, w, b, scale, np.float32(EPSILON))
        ctx.arrays = (*kept, of, count, w, scale)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        gradients = graphs.normalised_backward(*_arrays(grad), *ctx.arrays)
        return (*(torch.from_numpy(m) for m in gradients), None, None)


def read_out(
    h: Float32[Tensor, "N D"],
    share: Float32[Tensor, " N"],
    graph: Int64[Tensor, " N"],
    size: int,
    *,
    least: bool = False,
) -> Float32[Tensor, "{size} _"]:
    """Graph vector of node states: mean, maximum, mean weighted by the share of frames and, if asked for, minimum.

    3·D columns, with the minimum 4·D.
    """
    if least:
        return torch.cat([read_out(h, share, graph, size), extreme(h, graph, size, "amin")], 1)
    if _by_kernel(h):
        return _Readout.apply(h, share, graph, size)
    weighted = summed(h * share[:, None], graph, size)
    return torch.cat([averaged(h, graph, size), extreme(h, graph, size, "amax"), weighted], 1)


class _Readout(Function):
    """`read_out` by kernels; the shares are data and get no gradient."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, share: Tensor, graph: Tensor, size: int) -> Tensor:
        rows, weights, of = _arrays(h, share, graph)
        count = graphs.sizes(of, size)
        out = graphs.readout(rows, weights, of, count)
        ctx.arrays = (out, rows, weights, of, count)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return torch.from_numpy(graphs.readout_backward(*_arrays(grad), *ctx.arrays)), None, None, None


def around(x: Float32[Tensor, "N D"], edge_index: Int64[Tensor, "2 E"]) -> Float32[Tensor, "N D"]:
    """Mean features of the sources of each node's edges; 0 without any."""
    source, target = edge_index
    if _by_kernel(x) and not x.requires_grad:
        return torch.from_numpy(graphs.neighbours(*_arrays(x, source, target)))
    return averaged(x[source], target, x.shape[0])
