"""When attacks run in each test recording, and when a timer would say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.figures.style import PAGE, Rows, empty, lines, panels
from analysis.reference import labels
from analysis.reference.format import by_metric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ATTACK, _TIMER = "#A50F15", "0.25"


def schedule(rows: Rows) -> Figure:
    """Attacks of the first dataset's recordings over time; outlined: the first one, repeated at the distance of the second, after the second."""
    if not rows:
        return empty("no attacks in this release")
    dataset = min(r["dataset"] for r in rows)
    rows = [r for r in rows if r["dataset"] == dataset]
    figure, axes = panels(1, 1, PAGE, 0.6 + 0.2 * len(rows))
    ax = axes[0, 0]
    names = [f"{labels.scenario(r['scenario'])}: {r['capture'].split('/')[-1].partition('.')[0]}" for r in rows]
    lines(ax, names)
    runs = [[[int(ms) / 1000 for ms in r[column].split()] for column in ("begins_ms", "ends_ms")] for r in rows]
    last = max(ends[-1] for _, ends in runs)
    for y, (r, (begins, ends)) in enumerate(zip(rows, runs, strict=True)):
        spans = [(begin, end - begin) for begin, end in zip(begins, ends, strict=True)]
        ax.broken_barh(spans, (y - 0.3, 0.6), facecolors=_ATTACK, lw=0)
        if r["period"] is None:
            continue
        repeats = range(2, int((ends[-1] - r["first_at"]) / r["period"]) + 1)
        promised = [(r["first_at"] + k * r["period"], r["seconds"]) for k in repeats]
        ax.broken_barh(promised, (y - 0.42, 0.84), facecolors="none", edgecolors=_TIMER, lw=0.7)
        if r["timer_f1"] is not None:
            ax.text(last * 1.02, y, by_metric("f1", r["timer_f1"]), va="center")
    ax.set_xlim(0, last * 1.08)
    ax.set_xlabel("seconds since the recording began; red: attacked, outlined: what a timer expects, right: its F1")
    return figure
