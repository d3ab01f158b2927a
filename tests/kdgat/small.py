"""Small training data made in memory, for tests of models and training."""

from __future__ import annotations

import numpy as np

from kdgat.config import Augmentation, Config, Training, Windows
from kdgat.dataset.prepare import Prepared, prepare
from kdgat.presets import preset

CONFIG: Config = preset("smoke").model_copy(
    update={
        "windows": Windows(max_windows=400),
        "augmentation": Augmentation(vehicles=10, windows_per_vehicle=20),
        "training": Training(epochs=1, batch_size=64),
    }
)


def small(config: Config = CONFIG, seed: int = 0) -> Prepared:
    """Stores of the synthetic dataset (found again within one work folder)."""
    return prepare("synthetic", None, config, seed)


def benign_rows(prepared: Prepared, part: str = "train") -> np.ndarray:
    """Positions of benign windows."""
    return np.flatnonzero(np.asarray(prepared.store(part).y) == 0)
