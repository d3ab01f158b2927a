"""Names and colours of models, scenarios and metrics as readers see them.

Models and metrics come from the two registries, the other colours from `palette.json`; the site reads all three.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from analysis.reference import PALETTE
from kdgat.evaluation import registry as metrics
from kdgat.models import registry as models

model, color, sort_models = models.label, models.color, models.in_order


@cache
def palette() -> dict[str, Any]:
    """Read the colours by label, for categories and for what is none of these, and the words for scenarios."""
    return dict(json.loads(PALETTE.read_text(encoding="utf-8")))


def metric(name: str) -> str:
    """`roc_auc` → `ROC-AUC`."""
    return metrics.metric(name).label


def scenario(name: str) -> str:
    """`test_01` → `known car, known attack`, of a union's member `set_01-test_01` → `set 01 test 01`.

    In a union the folder's name does not tell what is known.
    """
    return palette()["scenarios"].get(name) or re.sub(r"-(?=test|left)", " ", name.replace("_", " "))
