"""Lightning, and of what it imports beside torch only what a training needs.

Lightning imports torchmetrics, and torchmetrics matplotlib and SciPy's signal processing wherever they are installed, the one for
plots and the other for audio. Nothing here has either; they would take a second of every training's start.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from unittest.mock import patch

from lightning_utilities.core import imports

_LEFT_OUT = ("matplotlib", "scipy")
_available, _version = imports.package_available, imports._version


def _package_available(name: str) -> bool:
    return name not in _LEFT_OUT and _available(name)


def _version_of(name: str) -> str:
    if name in _LEFT_OUT:
        raise PackageNotFoundError(name)
    return _version(name)


# what torchmetrics asks while it is imported; both packages can be imported as ever
with patch.object(imports, "package_available", _package_available), patch.object(imports, "_version", _version_of):
    import torchmetrics  # noqa: F401

import lightning as L  # noqa: E402
from lightning.fabric.plugins import CheckpointIO  # noqa: E402
from lightning.pytorch.plugins.environments import LightningEnvironment  # noqa: E402
from lightning.pytorch.strategies import DDPStrategy  # noqa: E402

__all__ = ["CheckpointIO", "DDPStrategy", "L", "LightningEnvironment"]
