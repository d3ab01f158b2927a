"""What explaining costs: integrated gradients of all windows at once against PyG's CaptumExplainer, window by window.

Theirs attributes to node features alone, ours to those of edges too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from benchmarks.row import row

STEPS = 32


def rows(windows: int = 64) -> Iterator[dict[str, Any]]:
    """Rows of the table `benchmarks`: so many windows of the synthetic bus, with a student of the size of the preset `paper`."""
    import numpy as np
    import torch
    from torch import Tensor, nn
    from torch_geometric.explain import CaptumExplainer, Explainer, ModelConfig

    from kdgat.dataset.prepare import prepare
    from kdgat.models.explain import integrated_gradients
    from kdgat.models.gat import GAT
    from kdgat.presets import preset
    from kdgat.training.batches import Batches

    torch.set_num_threads(1)
    prepared = prepare("synthetic", None, preset("smoke"), 0)
    store = prepared.store("validation")
    index = np.arange(min(windows, len(store)))
    student = GAT(
        preset("paper").gat_student,
        len(store.node_features),
        len(store.edge_features),
        torch.zeros(0, dtype=torch.long),
    ).eval()

    class Named(nn.Module):
        """The student, called as PyG's explainers call a model."""

        def forward(self, x: Tensor, edge_index: Tensor, batch: Any) -> Tensor:
            return student(replace(batch, x=x, edge_index=edge_index))

    explainer = Explainer(
        Named().eval(),
        CaptumExplainer("IntegratedGradients", n_steps=STEPS),
        explanation_type="model",
        node_mask_type="attributes",
        model_config=ModelConfig(mode="multiclass_classification", task_level="graph", return_type="raw"),
    )
    together = Batches(store, prepared.scalers, len(index)).batch(index)
    alone = [Batches(store, prepared.scalers, 1).batch(index[i : i + 1]) for i in index]
    begin = time.process_time()
    integrated_gradients(student, together, STEPS)
    ours = time.process_time() - begin
    begin = time.process_time()
    for b in alone:
        explainer(b.x, b.edge_index, batch=b)
    yield row("attributions, PyG's CaptumExplainer over this project", [(time.process_time() - begin) / ours], "")
