"""Diagrams of the system and of the classifier, drawn from code in the figures' style; they show no result."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.figures.style import COLUMN, PAGE, style
from analysis.reference.labels import color
from kdgat import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#333333"
Point = tuple[float, float]


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A drawing whose unit is an inch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def _box(axes: Axes, at: Point, size: Point, title: str, lines: str = "", color: str = INK) -> None:
    """A rounded box around its centre, with a title and smaller lines below it."""
    from matplotlib.patches import FancyBboxPatch

    x, y = at[0] - size[0] / 2, at[1] - size[1] / 2
    style: Any = "round,pad=0,rounding_size=0.05"
    axes.add_patch(
        FancyBboxPatch((x, y), *size, boxstyle=style, facecolor=color + "18", edgecolor=color, linewidth=0.9)
    )
    rise = 0.1 + 0.05 * lines.count("\n", lines.find("\n") + 1) if lines else 0  # more room for a third line
    axes.text(at[0], at[1] + rise, title, ha="center", va="center", fontsize=8, weight="bold")
    if lines:
        axes.text(at[0], at[1] - 0.09, lines, ha="center", va="center", fontsize=7, color=INK, linespacing=1.25)


def _shade(at: Point, width: float, height: float, color: str) -> Any:
    """A translucent rectangle."""
    from matplotlib.patches import Rectangle

    return Rectangle(at, width, height, facecolor=color + "22", edgecolor=color, linewidth=0.7)


def _arrow(axes: Axes, start: Point, end: Point, text: str = "", **style: Any) -> None:
    """An arrow, with a word over its middle."""
    look = {
        "arrowstyle": "-|>",
        "color": INK,
        "linewidth": 0.8,
        "shrinkA": 0,
        "shrinkB": 0,
        "mutation_scale": 7,
    } | style
    axes.annotate("", xy=end, xytext=start, arrowprops=look)
    if text:
        axes.text(
            (start[0] + end[0]) / 2 + 0.05,
            (start[1] + end[1]) / 2,
            text,
            ha="left",
            va="center",
            fontsize=7,
            color=INK,
        )


def pipeline() -> Figure:
    """From captures to the page: what is trained on what, and what is frozen."""
    figure, axes = _canvas(PAGE, 1.62)
    y_top, y_mid, y_low = 1.3, 0.81, 0.32
    size = (0.98, 0.46)
    _box(axes, (0.55, y_mid), size, "Captures", "frames, labels\none reader a format")
    _box(axes, (1.72, y_mid), size, "Windows", "time blocks, a gap\nbetween splits")
    _box(axes, (2.89, y_mid), size, "Graphs", "ID → node\ntransition → edge")
    _box(axes, (4.12, y_top), size, "VGAE", "benign windows\nanomaly score", color("vgae-teacher"))
    _box(axes, (4.12, y_low), size, "GAT", "teacher → student\nattack probability", color("gat-student"))
    _box(axes, (5.3, y_mid), (0.86, 0.46), "Fusion", "21 weights\nDQN", color("fusion-dqn-student"))
    _box(axes, (6.45, y_mid), (0.98, 0.46), "Release", "hashed tables\n→ every number")
    _arrow(axes, (1.04, y_mid), (1.23, y_mid))
    _arrow(axes, (2.21, y_mid), (2.4, y_mid))
    _arrow(axes, (3.38, y_mid + 0.08), (3.63, y_top - 0.1))
    _arrow(axes, (3.38, y_mid - 0.08), (3.63, y_low + 0.1))
    _arrow(axes, (4.12, y_top - 0.23), (4.12, y_low + 0.23), "hard windows\nenter late", linestyle="--")
    _arrow(axes, (4.61, y_top - 0.08), (4.87, y_mid + 0.1))
    _arrow(axes, (4.61, y_low + 0.08), (4.87, y_mid - 0.1))
    _arrow(axes, (5.73, y_mid), (5.96, y_mid))
    return figure


def classifier() -> Figure:
    """The classifier from node and edge features to two logits."""
    figure, axes = _canvas(COLUMN, 1.5)
    ink = color("gat-student")
    _box(axes, (0.46, 1.15), (0.84, 0.44), "nodes", "features of each ID")
    _box(axes, (0.46, 0.45), (0.84, 0.44), "edges", "features of each\ntransition")
    for i, x in enumerate((1.3, 1.83)):
        _box(axes, (x, 0.8), (0.44, 1.0), f"GATv2\nlayer {i + 1}", "", ink)
    _box(axes, (2.43, 0.8), (0.56, 1.0), "readout", "mean, max,\nmin, sum\nby share", ink)
    _box(axes, (3.08, 0.8), (0.5, 0.6), "MLP", "two logits", ink)
    _arrow(axes, (0.88, 1.1), (1.08, 0.95))
    _arrow(axes, (0.88, 0.5), (1.08, 0.65))
    _arrow(axes, (1.52, 0.8), (1.61, 0.8))
    _arrow(axes, (2.05, 0.8), (2.15, 0.8))
    _arrow(axes, (2.71, 0.8), (2.83, 0.8))
    _arrow(axes, (1.3, 0.3), (2.38, 0.3), connectionstyle="arc3,rad=0.35", linestyle="--")
    axes.text(1.83, 0.04, "jumping knowledge: every layer's output", ha="center", va="center", fontsize=7, color=INK)
    return figure


def keyhole() -> Figure:
    """What a window shows of a slow identifier, one frame without a gap, and what carried state adds: the gap before it."""
    figure, axes = _canvas(COLUMN, 1.75)
    ink, forged = color("gat-student"), color("vgae-student")
    left, right, low, high = 0.55, 3.35, 1.55, 2.05
    axes.add_patch(_shade((low, 0.62), high - low, 0.92, ink))
    axes.text((low + high) / 2, 1.65, "window", ha="center", va="center", fontsize=7, color=ink)
    sent = {"10 ms": (1.36, 0.13), "100 ms": (1.1, 0.42), "1 s": (0.8, 1.75)}
    first = left + 0.15
    for name, (y, period) in sent.items():
        axes.text(0.03, y, name, ha="left", va="center", fontsize=7, color=INK)
        axes.plot((left, right), (y, y), color="0.85", linewidth=0.6, zorder=0)
        for k in range(int((right - first) / period) + 1):
            axes.plot([first + k * period] * 2, (y - 0.08, y + 0.08), color=INK, linewidth=1.1)
    y, period = sent["1 s"]
    at = 1.94
    axes.plot((at, at), (y - 0.11, y + 0.11), color=forged, linewidth=2.2)
    axes.text(at - 0.05, y + 0.14, "forged", ha="right", va="center", fontsize=7, color=forged)
    for height, end, text, shade in (
        (0.42, at, "gap that the state carries", ink),
        (0.14, first + period, "usual gap of this identifier", INK),
    ):
        _arrow(axes, (first, height), (end, height), arrowstyle="<|-|>", color=shade)
        axes.text((first + end) / 2, height + 0.08, text, ha="center", va="center", fontsize=7, color=shade)
    return figure


DIAGRAMS: dict[str, Callable[[], Figure]] = {"pipeline": pipeline, "classifier": classifier, "keyhole": keyhole}


def write(folder: Path) -> list[Path]:
    """Write every diagram as SVG, the same bytes every time."""
    files = []
    for name, draw in DIAGRAMS.items():
        with style():
            out = io.BytesIO()
            draw().savefig(out, format="svg", metadata={"Date": None, "Title": name})
        files.append(folder / f"{name}.svg")
        atomic.write_bytes(files[-1], out.getvalue())
    return files
