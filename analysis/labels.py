"""Names and colours of models, scenarios and metrics as readers see them.

Colours come from `palette.json`, which the site uses too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

_FAMILY = {
    "vgae": "VGAE",
    "gat": "GAT",
    "fusion-dqn": "Fusion (DQN)",
    "fusion-linucb": "Fusion (LinUCB)",
    "fusion-mean": "Fusion (mean)",
    "fusion-max": "Fusion (max)",
    "fusion-logistic": "Fusion (logistic)",
    "fusion-mlp": "Fusion (MLP)",
    "fusion-oracle": "Fusion (oracle)",
    "gbm": "Gradient boosting",
    "interarrival": "Inter-arrival time",
    "frequency": "ID frequency",
}
_METRIC = {
    "f1": "F1",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "mcc": "MCC",
    "fpr": "False-positive rate",
    "tpr_at_fpr_1": "TPR at FPR 1 %",
    "train_loss": "Training loss",
}
_ROLES = ("teacher", "student", "baseline")


@cache
def palette() -> dict[str, Any]:
    """Colours by model, label and role."""
    return dict(json.loads((Path(__file__).parent / "palette.json").read_text()))


def color(model: str) -> str:
    """The colour of a model, the same everywhere."""
    return str(palette()["models"].get(model, palette()["other"]))


def model(name: str) -> str:
    """`gat-student` → `GAT student`."""
    family, _, role = name.rpartition("-")
    if role not in _ROLES or not family:
        return name
    shown = _FAMILY.get(family, family)
    return shown if role == "baseline" else f"{shown} {role}"


def metric(name: str) -> str:
    """`roc_auc` → `ROC-AUC`."""
    return _METRIC.get(name, name.replace("_", " ").capitalize())


def scenario(name: str) -> str:
    """`test_01` → `test 01`."""
    return name.replace("_", " ")


def sort_models(names: Iterable[str]) -> list[str]:
    """Families in the order of the method, teacher before student, unknown ones last."""
    order = list(_FAMILY)

    def place(name: str) -> tuple[int, int, str]:
        family, _, role = name.rpartition("-")
        return (
            order.index(family) if family in order else len(order),
            _ROLES.index(role) if role in _ROLES else len(_ROLES),
            name,
        )

    return sorted(set(names), key=place)
