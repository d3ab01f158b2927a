"""The frames that the windows of a training were cut from, for rules that look at frames and not at windows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeAlias

from kdgat.captures.reader import OnBadRows
from kdgat.config import Config
from kdgat.dataset.prepare import DRAWN, VIRTUAL
from kdgat.dataset.protocols import Traffic, profile_of
from kdgat.dataset.sources import training_captures
from kdgat.errors import KdgatError

#: name of a capture → its traffic
TrafficOf: TypeAlias = Callable[[str], Traffic]


def of_training(
    dataset: str, root: Path | None, config: Config, seed: int, on_bad_rows: OnBadRows = "raise"
) -> TrafficOf:
    """Give the traffic of training captures, and of the virtual vehicles that are not in the part `train`, by name.

    Captures are read again and vehicles drawn again where they are asked for: all of them fit in no memory.

    Raises:
        KdgatError: (when called) no training capture is called so.
    """
    listed = {c.name: c for c in training_captures(dataset, root, on_bad_rows)}

    @cache
    def recorded(name: str) -> Traffic:
        if name not in listed:
            raise KdgatError(f"dataset {dataset}: no training capture is called {name!r}")
        frames = listed[name].frames(on_bad_rows)
        return Traffic(frames, profile_of(frames, config))

    def traffic(name: str) -> Traffic:
        if not name.startswith(DRAWN):
            return recorded(name)
        vehicle = VIRTUAL[config.augmentation.kind](int(name.removeprefix(DRAWN)), config, seed, {})
        return Traffic(vehicle.frames, vehicle.profile)

    return traffic
