"""What every static figure shares: style, font, widths, panels.

`fonts/` holds the Latin part of Libertinus Serif (SIL Open Font License), in which Typst sets the paper, so that figures
and text match; a character that it lacks is taken from DejaVu Sans, which comes with matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = list[dict[str, Any]]
#: widths in inches: one column, and the page, of a two-column paper
COLUMN, PAGE = 3.4, 7.0
STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "kdgat",
    "font.family": ["Libertinus Serif", "DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8,
    "figure.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.4,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@cache
def _fonts() -> None:
    """Make the text's font known to matplotlib."""
    from matplotlib.font_manager import fontManager

    for file in sorted((Path(__file__).parent / "fonts").glob("*.otf")):
        fontManager.addfont(file)


@contextmanager
def style() -> Iterator[None]:
    """The project's look, for the figures drawn inside."""
    import matplotlib

    _fonts()
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        yield


def panels(rows: int, columns: int, width: float, height: float, **kwargs: Any) -> tuple[Figure, Any]:
    """A figure of `width` × `height` inches and its grid of axes, also where it is one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def multiples(count: int, most: int, height: Callable[[int], float], **kwargs: Any) -> tuple[Figure, list[Any]]:
    """A page-wide figure of `count` panels, at most `most` in a line; `height` gives inches for a number of lines."""
    columns = min(most, count)
    lines = -(-count // columns)
    figure, axes = panels(lines, columns, PAGE, height(lines), **kwargs)
    for ax in axes.flat[count:]:
        ax.set_axis_off()
    return figure, list(axes.flat[:count])


def lines(ax: Any, names: Sequence[str]) -> None:
    """Give each name a line of its own, from above, with bands that keep the marks of a line together."""
    ax.grid(False, axis="y")
    for band in range(0, len(names), 2):
        ax.axhspan(band - 0.5, band + 0.5, color="0.95", lw=0)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)


def protocol_mark(rank: int, color: str) -> dict[str, Any]:
    """Marker of a protocol by its place: the first is filled, the others open."""
    return {"marker": "os^D"[rank % 4], "mec": color, "mfc": color if rank == 0 else "white"}


def protocol_handles(protocols: Sequence[str], size: float) -> list[Any]:
    """What a legend says of `protocol_mark`; `size` in points."""
    from matplotlib.lines import Line2D

    return [Line2D([], [], ls="", ms=size, label=p, **protocol_mark(i, "0.3")) for i, p in enumerate(protocols)]


def empty(text: str) -> Figure:
    """A figure that says why there is none."""
    figure, axes = panels(1, 1, COLUMN, 0.8)
    axes[0, 0].set_axis_off()
    axes[0, 0].text(0.5, 0.5, text, ha="center", va="center")
    return figure
