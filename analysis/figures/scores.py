"""Static figures of scores, fusion, distillation and embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.figures.style import COLUMN, PAGE, Rows, empty, multiples, panels, protocol_handles, protocol_mark
from analysis.reference import labels
from kdgat.models import registry
from kdgat.records import PROTOCOLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 50
#: steps of the fusion's weights from 0 to 1, as `kdgat.models.fusion_input` has them and the query `alpha` rounds to
_STEPS = 20


def _benign_first(attacks: set[str]) -> list[str]:
    return sorted(attacks, key=lambda a: (a != "benign", a))


def scores(rows: Rows) -> Figure:
    """Scores of the headline model: attacked windows upwards, benign ones downwards, as shares of their class."""
    if not rows:
        return empty("no window scores in this release")
    places = sorted({(r["dataset"], r["scenario"]) for r in rows})
    figure, axes = multiples(len(places), 4, lambda lines: 0.4 + 1.3 * lines, sharex=True, sharey=True)
    for ax, place in zip(axes, places, strict=True):
        _both_classes(ax, [r for r in rows if (r["dataset"], r["scenario"]) == place], _BINS)
        ax.set_title(labels.scenario(place[1]) if len({d for d, _ in places}) == 1 else " ".join(place))
        ax.set_yticks([-1, 0, 1], ["100 %", "0", "100 %"])
    axes[0].legend(loc="upper center")
    figure.supxlabel("score (zero-shot)")
    figure.supylabel("share of class, √ scale")
    return figure


def _both_classes(ax: Axes, rows: Rows, bins: int) -> None:
    """Draw attacked windows upwards and benign ones downwards, as shares of their class on a square-root scale."""
    for attacked, name, sign in ((True, "attack", 1), (False, "benign", -1)):
        of_class = [r for r in rows if r["attacked"] is attacked]
        total = sum(r["windows"] for r in of_class)
        heights = [sign * (r["windows"] / total) ** 0.5 for r in of_class]
        color = labels.palette()["labels"][name]
        ax.bar([r["bin"] + 0.5 / bins for r in of_class], heights, 1 / bins, color=color, label=name)
    ax.axhline(0, color="0.3", lw=0.5)


def unseen(rows: Rows) -> Figure:
    """Scores on the unknown car, a line per detector: attacked windows upwards, benign ones downwards, its operating point dashed."""
    if not rows:
        return empty("no window scores of an unknown car in this release")
    rows = [r for r in rows if r["dataset"] == rows[0]["dataset"]]
    held = {r["model"] for r in rows}
    first = {m.kind: m.name for m in reversed(registry.compared("fig-unseen")) if m.name in held}
    models = labels.sort_models(first.values())
    figure, axes = panels(len(models), 1, PAGE, 0.5 + 0.75 * len(models), sharex=True)
    for ax, model in zip(axes[:, 0], models, strict=True):
        mine = [r for r in rows if r["model"] == model]
        _both_classes(ax, mine, 60)
        if mine[0]["threshold"] is not None:
            ax.axvline(mine[0]["threshold"], color="0.2", lw=1, ls="--")
        ax.set_title(labels.model(model), loc="left")
        ax.set_yticks([])
        ax.grid(False)
    axes[0, 0].legend(loc="upper right", bbox_to_anchor=(1, 1.5), ncols=2)
    figure.supxlabel("score of a window; what lies to the right of the dashed line is called an attack")
    return figure


def alpha(rows: Rows) -> Figure:
    """How often the fusion chose each weight, one row per attack."""
    if not rows:
        return empty("no fusion policy in this release")
    attacks = _benign_first({r["attack"] for r in rows})
    grid = [[0.0] * (_STEPS + 1) for _ in attacks]
    for r in rows:
        grid[attacks.index(r["attack"])][round(r["alpha"] * _STEPS)] += r["share"]
    return _heat_map(
        grid,
        [f"{i / _STEPS:g}" if i % 5 == 0 else "" for i in range(_STEPS + 1)],
        attacks,
        "weight of the classifier",
        scale="share of windows",
    )


def similarity(rows: Rows) -> Figure:
    """Linear CKA between the layers of teacher and student, mean over seeds."""
    if not rows:
        return empty("no layer similarities in this release")
    teacher, student = (sorted({r[f"{who}_layer"] for r in rows}) for who in ("teacher", "student"))
    grid = [[0.0] * len(student) for _ in teacher]
    for r in rows:
        grid[teacher.index(r["teacher_layer"])][student.index(r["student_layer"])] = r["similarity"]
    return _heat_map(grid, student, teacher, "student", "teacher", numbers=True, scale="linear CKA")


def _heat_map(
    grid: list[list[float]],
    columns: list[str],
    rows: list[str],
    xlabel: str,
    ylabel: str = "",
    numbers: bool = False,
    scale: str = "",
) -> Figure:
    figure, axes = panels(1, 1, COLUMN, 0.7 + 0.28 * len(rows))
    ax = axes[0, 0]
    ax.grid(False)
    # cells as vectors: an image would be a bitmap in the PDF
    mesh = ax.pcolormesh(grid, cmap="cividis", vmin=0, vmax=1, linewidth=0.3, edgecolor="white")
    ax.set_xticks([i + 0.5 for i in range(len(columns))], columns)
    ax.set_yticks([i + 0.5 for i in range(len(rows))], rows)
    ax.tick_params(length=0)
    ax.invert_yaxis()
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    for y, line in enumerate(grid if numbers else []):
        for x, value in enumerate(line):
            ax.text(
                x + 0.5, y + 0.5, f"{value:.2f}", ha="center", va="center", color="black" if value > 0.5 else "white"
            )
    bar = figure.colorbar(mesh, ax=ax, fraction=0.05, label=scale)
    bar.outline.set_visible(False)
    return figure


def size(rows: Rows) -> Figure:
    """Counted parameters against mean F1 over the test scenarios: what distillation buys and costs."""
    if not rows:
        return empty("no counted parameters in this release")
    figure, axes = panels(1, 1, COLUMN, 2.3)
    ax = axes[0, 0]
    protocols = [p for p in PROTOCOLS if any(r["protocol"] == p for r in rows)]
    places = _side_by_side({r["model"]: r["parameters"] for r in rows})
    for r in rows:
        color, rank = labels.color(r["model"]), protocols.index(r["protocol"])
        ax.plot(places[r["model"]][0], r["f1"], ls="", ms=4, **protocol_mark(rank, color))
    ax.set_xscale("log")
    ax.margins(x=0.2, y=0.1)
    ax.grid(False, axis="x")
    for model, (x, align, line) in places.items():  # names over the panel, not colours alone
        ax.axvline(x, color=labels.color(model), lw=0.5, alpha=0.6, zorder=0)
        ax.annotate(
            labels.model(model), (x, 1), (0, 3 + 8 * line), xycoords=ax.get_xaxis_transform(),
            textcoords="offset points", ha=align, fontsize=7,
        )  # fmt: skip
    ax.set_xlabel("parameters")
    ax.set_ylabel("F1, mean of the scenarios")
    figure.legend(handles=protocol_handles(protocols, 4), loc="outside lower center", ncols=2)
    return figure


def _side_by_side(sizes: dict[str, int]) -> dict[str, tuple[float, str, int]]:
    """Where a model's marks stand, how its name is aligned there, and in what line; models of like size stand apart.

    Like size: names of both would not fit over their marks, a third of a decade.
    """
    groups: list[list[str]] = []
    for model in sorted(sizes, key=lambda m: (sizes[m], m)):
        if groups and sizes[model] < 2 * sizes[groups[-1][-1]]:
            groups[-1].append(model)
        else:
            groups.append([model])
    places: dict[str, tuple[float, str, int]] = {}
    for group in groups:
        for i, model in enumerate(group):
            close = len(group) > 1 and sizes[group[-1]] < 1.2 * sizes[group[0]]
            shift = 0.045 * (2 * i - len(group) + 1) if close else 0.0
            align = "center" if len(group) == 1 else "right" if 2 * i + 1 < len(group) else "left"
            places[model] = (sizes[model] * 10**shift, align, i // 2)
    return places


def embedding(rows: Rows) -> Figure:
    """Graph embeddings of the headline model in two dimensions, by attack."""
    if not rows:
        return empty("no embeddings in this release")
    figure, axes = panels(1, 1, COLUMN, 2.8)
    ax = axes[0, 0]
    colors = labels.palette()["categories"]
    for i, attack in enumerate(_benign_first({r["attack"] for r in rows})):
        mine = [r for r in rows if r["attack"] == attack]
        color = "0.7" if attack == "benign" else colors[i % len(colors)]
        # thousands of points: a bitmap inside the vector figure
        ax.scatter(
            [r["x"] for r in mine],
            [r["y"] for r in mine],
            s=2,
            color=color,
            label=attack,
            rasterized=True,
            linewidths=0,
        )
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    figure.legend(loc="outside lower center", ncols=4, markerscale=3)
    return figure
