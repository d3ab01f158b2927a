"""Static forest plot of the ablations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.figures.style import Rows, empty, multiples
from analysis.numbers.effects import sign
from analysis.reference import labels
from kdgat.records import HEADLINE_MODEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def forest(rows: Rows) -> Figure:
    """Difference in F1 from the reference with its interval, zero-shot: one panel per scenario, one line per changed factor.

    Filled marks: the interval excludes zero.
    """
    rows = [r for r in rows if r["protocol"] == "zero-shot" and r["difference"] is not None]
    if not rows:
        return empty("no ablations in this release")
    places = sorted({(r["dataset"], r["scenario"]) for r in rows})
    changes = sorted({(r["factor"], r["level"]) for r in rows})
    color = labels.color(HEADLINE_MODEL)
    figure, axes = multiples(
        len(places), 4, lambda lines: 0.4 + lines * (0.35 + 0.125 * len(changes)), sharex=True, sharey=True
    )
    for ax, (dataset, scenario) in zip(axes, places, strict=True):
        ax.axvline(0, color="0.3", lw=0.6)
        for r in rows:
            if (r["dataset"], r["scenario"]) != (dataset, scenario):
                continue
            y = changes.index((r["factor"], r["level"]))
            ax.plot([r["difference_low"], r["difference_high"]], [y, y], color=color, lw=1.2, solid_capstyle="butt")
            face = color if sign(r["difference_low"], r["difference_high"]) else "white"
            ax.plot(r["difference"], y, ls="", marker="o", ms=3.2, mew=0.9, mec=color, mfc=face)
        title = labels.scenario(scenario)
        ax.set_title(title if len({d for d, _ in places}) == 1 else f"{dataset}, {title}")
        ax.set_yticks(range(len(changes)), [f"{factor}: {level}" for factor, level in changes])
        ax.set_ylim(len(changes) - 0.5, -0.5)
    figure.supxlabel("F1, difference from the reference and its 95 % interval")
    return figure
