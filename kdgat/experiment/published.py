"""The published recipe, trained whole beside this project's models and judged as they are.

VGAE, teacher and student on the published features with an ID embedding and an LSTM over layers, on captures alone (KD-GAT,
arXiv 2507.19686), each until its validation loss no longer falls; split without leaks.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdgat.captures.reader import OnBadRows
from kdgat.config import override
from kdgat.dataset.prepare import prepare
from kdgat.experiment.detect import Moments
from kdgat.experiment.operating_points import as_json, operating_points
from kdgat.experiment.scoring import PUBLISHED, PUBLISHED_FEATURES
from kdgat.experiment.stages import GATStage
from kdgat.experiment.task import Recorder, Tables, Task
from kdgat.experiment.train import fit_gat, fit_vgae, gat_scores, seed_of
from kdgat.models.checkpoint import Checkpoint
from kdgat.records import PROTOCOLS
from kdgat.training.batches import Batches
from kdgat.training.predict import SCORING_BATCH, predict_gat, predict_vgae

#: over the configuration's own
SETTINGS: dict[str, Any] = {
    "features": PUBLISHED_FEATURES,
    "windows.balance": "none",
    "augmentation.kind": "windows",
    "augmentation.vehicles": 0,
    "gat_teacher.id_encoding": "lookup",
    "gat_student.id_encoding": "lookup",
    "gat_teacher.jumping_knowledge": "lstm",
    "gat_student.jumping_knowledge": "lstm",
    "gat_teacher.readout": "mean-max",
    "gat_student.readout": "mean-max",
    "training.epochs": 30,
    "training.patience": 5,
}


def train_published(task: Task, root: Path | None, on_bad_rows: OnBadRows = "raise") -> GATStage:
    """Train the published recipe on the task's captures; its checkpoint holds scalers of its own.

    Args:
        task: where this runs.
        root: folder of captures.
        on_bad_rows: as in `kdgat.captures.read`.
    """
    own = replace(task, config=override(task.config, SETTINGS))
    config, tables = own.config, Tables()
    prepared = prepare(task.dataset, root, config, task.seed, on_bad_rows)
    train = Batches(prepared.store("train"), prepared.scalers, SCORING_BATCH)

    def recorder(model: str, *parents: str) -> Recorder:
        stage = "gat" if parents else "vgae"
        return Recorder(tables, own, stage, model, prepared.meta["data_hash"], parents)

    record = recorder("published-vgae")
    vgae, history, seconds = fit_vgae(
        config, prepared, config.vgae_teacher, seed_of(task, "published", "vgae"), record.session, None
    )
    record.spent(seconds)
    record.trained(vgae, history, "validation_loss")
    errors = predict_vgae(vgae, train)[0]
    difficulty = Moments.of(errors).standardised(errors).mean(1)
    logits = None
    for name, architecture, parents in (
        ("published-teacher", config.gat_teacher, ["published-vgae"]),
        (PUBLISHED, config.gat_student, ["published-teacher", "published-vgae"]),
    ):
        record = recorder(name, *parents)
        model, history, seconds = fit_gat(
            config, prepared, architecture, seed_of(task, name), record.session, difficulty, logits
        )
        record.spent(seconds)
        record.trained(model, history, "validation_loss")
        logits = torch.from_numpy(predict_gat(model, train)[0])
    scores = gat_scores(model, prepared, prepared.store("validation"))
    points = operating_points(config, prepared, scores, resolved=True)  # captures alone are few windows
    # it knows no profile: with one it scores as without
    points = dict.fromkeys(PROTOCOLS, points["zero-shot"])
    checkpoint = Checkpoint.of(
        "gat", model, config=config.gat_student.model_dump(), vocabulary=prepared.vocabulary, points=as_json(points),
        node_features=len(train.store.node_features), edge_features=len(train.store.edge_features),
        scalers=prepared.scalers.to_dict(),
    )  # fmt: skip
    return GATStage(tables=tables, checkpoints={PUBLISHED: checkpoint}, logits=np.empty((0, 2), np.float32))
