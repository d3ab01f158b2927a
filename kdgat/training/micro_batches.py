"""Take optimiser steps over batches that need not fit into memory, nor onto one device: micro-batches' gradients add up.

A configuration's batch size decides what is learned; how much of a batch a device holds at once is the device's affair.
All losses are means over graphs and every normalisation stays within a graph, so that weighing each micro-batch by
its share of the graphs gives the whole batch's gradient, however it is cut (up to rounding and the draws of dropout).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor

from kdgat.models.layers import GraphBatch
from kdgat.settings import settings
from kdgat.training.lightning import L
from kdgat.training.replay import Replay, Unmade, padded

T = TypeVar("T")


@dataclass(frozen=True)
class Budget:
    """Nodes and edges that a device takes at once."""

    nodes: float = math.inf
    edges: float = math.inf

    def halved(self, parts: list[GraphBatch]) -> Budget | None:
        """Half of the largest of `parts`, which did not fit; None if each is a single graph already."""
        if all(part.size <= 1 for part in parts):
            return None
        return Budget(max(p.x.shape[0] for p in parts) // 2, max(p.edge_index.shape[1] for p in parts) // 2)


def graphs(batch: GraphBatch, begin: int, end: int) -> GraphBatch:
    """The graphs from `begin` to before `end` of a batch."""
    if (begin, end) == (0, batch.size):
        return batch
    nodes = torch.bincount(batch.batch, minlength=batch.size).cumsum(0)
    low, high = (int(nodes[at - 1]) if at else 0 for at in (begin, end))
    edges = (batch.edge_index[0] >= low) & (batch.edge_index[0] < high)
    return GraphBatch(
        x=batch.x[low:high],
        edge_index=batch.edge_index[:, edges] - low,
        edge_attr=batch.edge_attr[edges],
        share=batch.share[low:high],
        id_code=batch.id_code[low:high],
        batch=batch.batch[low:high] - begin,
        size=end - begin,
        y=batch.y[begin:end],
        index=batch.index[begin:end],
    )


def micro_batches(batch: GraphBatch, budget: Budget) -> list[GraphBatch]:
    """Cut the batch into runs of neighbouring graphs, each within the budget; a graph that is larger stands alone."""
    if batch.x.shape[0] <= budget.nodes and batch.edge_index.shape[1] <= budget.edges:
        return [batch] if batch.size else []
    nodes = torch.bincount(batch.batch, minlength=batch.size).tolist()
    edges = torch.bincount(batch.batch[batch.edge_index[0]], minlength=batch.size).tolist()
    cuts, n, e = [0], 0, 0
    for graph in range(batch.size):
        n, e = n + nodes[graph], e + edges[graph]
        if graph > cuts[-1] and (n > budget.nodes or e > budget.edges):
            cuts.append(graph)
            n, e = nodes[graph], edges[graph]
    return [graphs(batch, *pair) for pair in pairwise([*cuts, batch.size])]


class MicroBatchModule(L.LightningModule):
    """Train on the micro-batches of this process's share of each batch.

    Where memory runs out they are halved and the step begins again. With several processes each takes a part of every
    batch, so that their number changes no batch either.
    """

    def __init__(self) -> None:
        super().__init__()
        # set by `fit`: optimiser steps in all, and whether one pass updates all weights
        self.steps, self.fused = 1, False
        self.replay: Replay | None = None
        self.records = True
        limits = settings().training
        self.budget = Budget(limits.nodes or math.inf, limits.edges or math.inf)

    def loss(self, batch: GraphBatch) -> Tensor:
        """What training minimises, a mean over the batch's graphs."""
        raise NotImplementedError

    def validation_metrics(self, batch: GraphBatch) -> dict[str, Tensor]:
        """What validation logs: metric → mean over the batch's graphs."""
        raise NotImplementedError

    def on_train_epoch_start(self) -> None:
        """Begin the mean of the loss anew."""
        self._loss_sum, self._graphs = torch.zeros((), device=self.device), 0

    def training_step(self, batch: GraphBatch | Unmade, _: int) -> Tensor:
        """Run the backward passes of this process's share; the loss returned is zero and adds nothing to them."""
        loss = self._replayed(batch) if isinstance(batch, Unmade) else self._run(batch)
        # of an epoch, by Lightning's own sum and once: to log costs more than a small step
        self._loss_sum, self._graphs = self._loss_sum + loss * batch.size, self._graphs + batch.size
        if self.trainer.is_last_batch:
            mean = self._loss_sum / self._graphs
            self.log("train_loss", mean, on_epoch=True, on_step=False, batch_size=self._graphs, sync_dist=True)
        # the gradients are there. With several processes, a backward pass of nothing makes DDP average them; that it
        # comes last lets each process have as many micro-batches as it needs
        nothing = torch.zeros((), device=self.device, requires_grad=True)
        if self.trainer.world_size > 1:
            nothing = nothing + 0.0 * sum(p.sum() for p in self.parameters() if p.requires_grad)
        return nothing

    def _replayed(self, batch: Unmade) -> Tensor:
        """The loss of a batch, by a recorded pass where one fits; the gradients are there afterwards."""
        fits = padded(batch.nodes) <= self.budget.nodes and padded(batch.edges) <= self.budget.edges
        if not (self.records and fits):
            return self._run(batch.made())
        self.replay = self.replay or Replay(self.loss, self.parameters)
        try:
            return self.replay(batch)
        except torch.OutOfMemoryError:
            self.replay = None
        # after the handler, as below
        torch.cuda.empty_cache()
        print("out of memory while passes were recorded: they are run from now on", flush=True)
        self.records = False
        return self._run(batch.made())

    def _run(self, batch: GraphBatch) -> Tensor:
        """This process's part of the loss of a batch; its gradients are there afterwards."""
        optimiser: Any = self.optimizers(use_pl_optimizer=False)

        def attempt(parts: list[GraphBatch]) -> Tensor:
            optimiser.zero_grad()
            total = torch.zeros((), device=self.device)
            for part in parts:
                loss = self.loss(part) * self._weight(part, batch)
                with torch.autocast(self.device.type, enabled=False):  # what autocast is not made for
                    self.trainer.strategy.backward(loss, None)
                total += loss.detach()
            return total

        return self._within(batch, attempt)

    def optimizer_zero_grad(self, *_: Any) -> None:
        """Lightning would do it between a step and its backward pass; `training_step` does, when it begins."""

    def validation_step(self, batch: GraphBatch, _: int) -> None:
        """Log what `validation_metrics` gives, micro-batch by micro-batch."""

        def attempt(parts: list[GraphBatch]) -> list[tuple[float, dict[str, Tensor]]]:
            return [(self._weight(part, batch), self.validation_metrics(part)) for part in parts]

        weighted = self._within(batch, attempt)
        for name in weighted[0][1] if weighted else ():
            value = sum(weight * values[name] for weight, values in weighted)
            self.log(name, value, batch_size=batch.size)

    def _weight(self, part: GraphBatch, batch: GraphBatch) -> float:
        """Weigh a micro-batch in the mean over the batch; gradients of several processes are averaged, not added."""
        return part.size / batch.size * self._processes()

    def _processes(self) -> int:
        """Processes that share each training batch; each validates everything, so that all agree."""
        return self.trainer.world_size if self.training else 1

    def _within(self, batch: GraphBatch, attempt: Callable[[list[GraphBatch]], T]) -> T:
        """`attempt` on the micro-batches of this process's share, again with smaller ones as long as memory runs out.

        Raises:
            torch.OutOfMemoryError: a single graph is too large.
        """
        processes, rank = self._processes(), self.trainer.global_rank if self.training else 0
        share = graphs(batch, rank * batch.size // processes, (rank + 1) * batch.size // processes)
        while True:
            parts = micro_batches(share, self.budget)
            try:
                return attempt(parts)
            except torch.OutOfMemoryError:
                smaller = self.budget.halved(parts)
                if smaller is None:
                    raise
            # after the handler, whose traceback held the tensors of the failed attempt
            self.budget = smaller
            torch.cuda.empty_cache()
            print(f"out of memory: {smaller.nodes:g} nodes, {smaller.edges:g} edges at once from now on", flush=True)
