"""Training on one thread against the same model and loop written with PyG, and starting up (`python -m benchmarks`).

PyG's loop has the plain AdamW, as it is written; this project's has the fused one, which is worth about a hundredth.

Processor seconds of epochs over the same windows of the built-in synthetic bus, one after the other in one process.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from benchmarks.row import row
from kdgat.paths import REPO

BATCH = 128
#: what a training's task does before its first batch, besides opening its store
STARTING = """
from kdgat import collector
collector.skip_at_exit()
with collector.paused():
    import kdgat.experiment.train, torch
torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
"""


def epochs(
    name: str, windows: int | None, device: str = "cpu", *, replays: bool = False
) -> tuple[Callable[[], None], Callable[[], None], int]:
    """An epoch of the classifier `name` of the preset `paper`: this project's, PyG's, and the windows of each.

    Args:
        name: of the classifier.
        windows: the first so many, from the beginning again where there are fewer; None: all.
        device: what trains; on another one than the CPU this project's graphs live there.
        replays: this project's passes are recorded on the GPU and played again.
    """
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F
    from torch_geometric.data import Data
    from torch_geometric.loader import DataLoader
    from torch_geometric.nn import GATv2Conv, GraphNorm, global_add_pool, global_max_pool, global_mean_pool

    from kdgat.dataset.prepare import prepare
    from kdgat.models.gat import GAT
    from kdgat.presets import preset
    from kdgat.training.batches import Batches
    from kdgat.training.fit import keep_memory
    from kdgat.training.replay import Replay, Unmades

    torch.set_num_threads(1)
    keep_memory()  # PyG's loop gains from it too
    prepared = prepare("synthetic", None, preset("smoke"), 0)
    config = getattr(preset("paper"), name.replace("-", "_")).model_copy(update={"jumping_knowledge": "cat"})
    store = prepared.store("train")
    index = np.resize(np.arange(len(store)), windows or len(store))
    batches = Batches(store, prepared.scalers, BATCH, index, seed=0)
    ours = GAT(config, len(store.node_features), len(store.edge_features), torch.zeros(0, dtype=torch.long))

    class Theirs(nn.Module):
        """The same layers, of PyG."""

        def __init__(self) -> None:
            super().__init__()
            widths = [len(store.node_features), *[config.hidden * config.heads] * config.layers]
            edges = {"edge_dim": len(store.edge_features), "add_self_loops": False}
            self.convolutions = nn.ModuleList(GATv2Conv(w, config.hidden, config.heads, **edges) for w in widths[:-1])
            self.norms = nn.ModuleList(GraphNorm(w) for w in widths[1:])
            self.dropout, self.head = nn.Dropout(config.dropout), ours.head

        def forward(self, b: Any) -> Any:
            h, states = b.x, []
            for conv, norm in zip(self.convolutions, self.norms, strict=True):
                h = self.dropout(F.elu(norm(conv(h, b.edge_index, b.edge_attr), b.batch)))
                states.append(h)
            h = torch.cat(states, 1)
            pooled = [global_mean_pool(h, b.batch), global_max_pool(h, b.batch), global_add_pool(h * b.share, b.batch)]
            if ours.least:
                pooled.append(-global_max_pool(-h, b.batch))
            return self.head(torch.cat(pooled, 1))

    theirs = Theirs()
    whole = [Batches(store, prepared.scalers, 1).batch(batches.index[i : i + 1]) for i in range(len(batches.index))]
    graphs = [Data(b.x, b.edge_index, b.edge_attr, b.y, share=b.share[:, None]) for b in whole]
    loader = DataLoader(graphs, batch_size=BATCH, shuffle=True)
    batches.move(torch.device(device))

    own = Unmades(batches) if replays else batches
    replay = Replay(lambda b: F.cross_entropy(ours(b)[: len(b.y)], b.y), ours.parameters)
    return (
        partial(_epoch, ours, own, device, replay, fused=True),
        partial(_epoch, theirs, loader, device, replay, fused=False),
        len(index),
    )


def _epoch(model: Any, source: Any, device: str, replay: Callable[[Any], object], *, fused: bool) -> None:
    """An optimiser step for each batch of `source`; `replay` plays those that are not made."""
    import torch
    from torch.nn import functional as F

    from kdgat.training.replay import Unmade

    model.to(device).train()
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, fused=fused)
    for b in source:
        b = b if device == "cpu" else b.to(device)
        optimiser.zero_grad()
        if isinstance(b, Unmade):
            replay(b)
        else:
            F.cross_entropy(model(b), b.y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def _spent(work: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def rows(
    repetitions: int = 5, names: Sequence[str] = ("gat-student", "gat-teacher"), windows: int | None = None
) -> Iterator[dict[str, Any]]:
    """Rows of the table `benchmarks`: medians over the repetitions, for the classifiers `names`, over `windows` (None: all)."""

    for name in names:
        ours, theirs, _ = epochs(name, windows)
        for warm in (ours, theirs):
            warm()  # kernels are loaded, caches filled
        pairs = [(_spent(ours), _spent(theirs)) for _ in range(repetitions)]
        yield row(f"training {name}, PyG over this project", [b / a for a, b in pairs], "")
    starts = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", STARTING], cwd=REPO, check=True)
        starts.append(time.perf_counter() - begin)
    yield row("start of a training", starts, "s")
    from kdgat.dataset.prepare import prepare
    from kdgat.presets import preset

    again = partial(prepare, "synthetic", None, preset("smoke"), 0)
    again()
    yield row("prepare from a warm store", [_spent(again) for _ in range(repetitions)], "s")
