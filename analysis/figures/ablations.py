"""Static forest plot of the ablations."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from analysis.figures.style import Rows, empty, multiples
from analysis.numbers.effects import sign
from analysis.reference import labels
from kdgat.records import HEADLINE_MODEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def forest(rows: Rows) -> Figure:
    """Difference in F1 from the reference with its interval, zero-shot: one panel per scenario, one line per changed factor.

    Of the dataset that has most factors. Filled marks: the interval excludes zero.
    """
    rows = [r for r in rows if r["protocol"] == "zero-shot" and r["difference"] is not None]
    if not rows:
        return empty("no ablations in this release")
    ((widest, _),) = Counter(d for d, _ in {(r["dataset"], r["factor"]) for r in rows}).most_common(1)
    rows = [r for r in rows if r["dataset"] == widest]
    scenarios = sorted({r["scenario"] for r in rows})
    changes = sorted({(r["factor"], r["level"]) for r in rows})
    color = labels.color(HEADLINE_MODEL)
    figure, axes = multiples(
        len(scenarios), 4, lambda lines: 0.4 + lines * (0.35 + 0.125 * len(changes)), sharex=True, sharey=True
    )
    for ax, scenario in zip(axes, scenarios, strict=True):
        ax.axvline(0, color="0.3", lw=0.6)
        for r in rows:
            if r["scenario"] != scenario:
                continue
            y = changes.index((r["factor"], r["level"]))
            ax.plot([r["difference_low"], r["difference_high"]], [y, y], color=color, lw=1.2, solid_capstyle="butt")
            face = color if sign(r["difference_low"], r["difference_high"]) else "white"
            ax.plot(r["difference"], y, ls="", marker="o", ms=3.2, mew=0.9, mec=color, mfc=face)
        ax.set_title(labels.scenario(scenario))
        ax.set_yticks(range(len(changes)), [f"{factor}: {level}" for factor, level in changes])
        ax.set_ylim(len(changes) - 0.5, -0.5)
    figure.supxlabel("F1, difference from the reference and its 95 % interval")
    return figure
