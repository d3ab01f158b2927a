"""Forward and backward passes that a GPU plays again: recorded once for each padded size, then launched as one.

A pass over a batch of small graphs is hundreds of kernels, most of them shorter than their launch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kdgat.models.layers import GraphBatch
from kdgat.training.batches import Batches
from kdgat.training.resident import Resident

#: runs before a pass is recorded, in which libraries choose their kernels
WARM_UP = 3
#: sizes that a batch is padded to between a power of two and the next
SIZES = 8

Pass = Callable[[], Tensor]


@dataclass(frozen=True)
class Unmade:
    """A batch of b graphs that lie on a device, not yet joined.

    Attributes:
        graphs: all of them.
        index: i64[b], which, on their device.
        nodes, edges: of them.
    """

    graphs: Resident
    index: Tensor
    nodes: int
    edges: int

    @property
    def size(self) -> int:
        """b."""
        return len(self.index)

    def to(self, _: torch.device | str) -> Unmade:
        """Itself: it is where it is trained on."""
        return self

    def made(self) -> GraphBatch:
        """The batch."""
        return self.graphs.batch(self.index, self.nodes, self.edges)


class Unmades:
    """Batches of a training whose graphs lie on a device: full ones not yet joined, the last one, where it is smaller, joined."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[GraphBatch | Unmade]:
        graphs = self.batches.resident
        if graphs is None:  # they did not fit
            yield from self.batches
            return
        for planned in self.batches.planned(graphs):
            batch = Unmade(graphs, *planned)
            yield batch if batch.size == self.batches.size else batch.made()


def padded(count: int) -> int:
    """The next larger of a few sizes, at most an eighth too large: a graph of at least one node fills it."""
    step = max(1 << (count.bit_length() - 1), SIZES) // SIZES
    return (count // step + 1) * step


def recorded(run: Pass) -> Pass:
    """Record what `run` launches on the GPU, as a CUDA graph that is launched instead and gives the same tensor anew.

    Neither `run` nor what it calls may wait for the device, and all that changes between two runs lies in tensors that stay.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


class Replay:
    """Losses and gradients of batches of equal sizes, by passes that are recorded when a size first comes.

    Args:
        loss: of a batch.
        parameters: gives what gradients are taken of.
        record: makes a recorded pass of one.
    """

    def __init__(
        self,
        loss: Callable[[GraphBatch], Tensor],
        parameters: Callable[[], Iterable[Tensor]],
        record: Callable[[Pass], Pass] = recorded,
    ) -> None:
        self.loss, self.parameters, self.record = loss, parameters, record
        self._passes: dict[tuple[int, int, int], tuple[Tensor, Pass, list[Tensor | None]]] = {}

    def __call__(self, batch: Unmade) -> Tensor:
        """The loss of a batch; the gradients are there afterwards, and no others."""
        sizes = batch.size, padded(batch.nodes), padded(batch.edges)
        if sizes not in self._passes:
            self._passes[sizes] = self._recorded(batch, *sizes[1:])
        index, replay, gradients = self._passes[sizes]
        index.copy_(batch.index)
        loss = replay()
        for parameter, gradient in zip(self.parameters(), gradients, strict=True):
            parameter.grad = gradient
        return loss.clone()  # the next replay writes where it lies

    def _recorded(self, batch: Unmade, nodes: int, edges: int) -> tuple[Tensor, Pass, list[Tensor | None]]:
        """What is replayed for batches of one size: where their `index` goes, the pass, where the gradients are."""
        index = batch.index.clone()
        kind = index.device.type

        def run() -> Tensor:
            for parameter in self.parameters():
                parameter.grad = None  # made anew, where the recording will write them
            # weights that were cast once for several passes would be those of the recording
            with torch.autocast(kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind), False):
                loss = self.loss(batch.graphs.batch(index, nodes, edges, padded=True))
            with torch.autocast(kind, enabled=False):
                loss.backward()
            return loss.detach()

        replay = self.record(run)
        return index, replay, [parameter.grad for parameter in self.parameters()]
