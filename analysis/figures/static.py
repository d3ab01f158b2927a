"""What a static figure is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.style import Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Static:
    """A static figure: its name, the query it is drawn from, how it is drawn."""

    name: str
    query: str
    draw: Callable[[Rows], Figure]
