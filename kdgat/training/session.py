"""How one training is called, and what it logs: needs no torch, so that what names trainings needs none either."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: what a training logged: (epoch, metric, value), oldest first
Rows = list[tuple[int, str, float]]


@dataclass(frozen=True)
class Session:
    """How one training is called, where it logs, and what it leaves to be resumed from.

    Attributes:
        name: shown in the progress.
        logger: of the tracker, for Lightning; False for none.
        state: file that the training leaves after each epoch, and resumes from if it is there: a killed training
            loses one epoch at most and ends with the weights of an undisturbed one. None keeps nothing.
    """

    name: str
    logger: Any = False
    state: Path | None = None


def last(history: Rows, metric: str) -> float | None:
    """Look up the newest value of a metric; None if it was never logged."""
    return next((value for _, name, value in reversed(history) if name == metric), None)
