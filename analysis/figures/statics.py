"""Static twins of the site's figures: vector, deterministic, from the same named queries as the interactive ones.

Each SVG states the release and the hash of the rows it was drawn from, so that a stale figure can be told from a fresh
one.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.figures import ablations, schedule, scores
from analysis.figures.static import Static
from analysis.figures.style import (
    COLUMN,
    PAGE,
    Rows,
    empty,
    lines,
    multiples,
    panels,
    protocol_handles,
    protocol_mark,
    style,
)
from analysis.reference import labels
from analysis.reference.queries import query
from analysis.releases.release import Release
from kdgat import atomic
from kdgat.models import registry
from kdgat.records import PROTOCOLS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rows_hash(rows: Rows) -> str:
    """sha256 of a query's result: names the data a figure shows."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


#: least error that is drawn apart from none, and protocols of a static figure
_LEAST, _SHOWN = 1e-4, ("zero-shot", "calibrated")

#: dataset of the figure of cars left out
_LEFT_OUT = "universal-without-platform"


def leaderboard(rows: Rows) -> Figure:
    """1 − F1 with interval of the compared models on the first dataset: one panel per scenario, filled marks zero-shot."""
    compared = {m.name for m in registry.compared("fig-leaderboard")}
    rows = [r for r in rows if r["mean"] is not None and r["model"] in compared and r["protocol"] in _SHOWN]
    if not rows:
        return empty("no results in this release")
    dataset = min(r["dataset"] for r in rows)
    rows = [r for r in rows if r["dataset"] == dataset]
    places = sorted({r["scenario"] for r in rows})
    models = labels.sort_models(r["model"] for r in rows)
    protocols = [p for p in _SHOWN if any(r["protocol"] == p for r in rows)]
    figure, axes = multiples(len(places), 4, lambda n: 0.5 + n * (0.35 + 0.17 * len(models)), sharex=True, sharey=True)
    for ax, scenario in zip(axes, places, strict=True):
        ax.set_xscale("log")
        lines(ax, [labels.model(m) for m in models])
        for r in rows:
            if r["scenario"] != scenario:
                continue
            rank = protocols.index(r["protocol"])
            y = models.index(r["model"]) + (rank - (len(protocols) - 1) / 2) * 0.7 / len(protocols)
            color = labels.color(r["model"])
            ends = [max(1 - r[end], _LEAST) for end in ("ci_high", "ci_low") if r[end] is not None]
            ax.plot(ends, [y] * len(ends), color=color, lw=1.2, solid_capstyle="butt")
            ax.plot(max(1 - r["mean"], _LEAST), y, ls="", ms=3, mew=0.8, **protocol_mark(rank, color))
        ax.set_title(labels.scenario(scenario))
        ax.set_xlim(_LEAST * 0.7, 1.2)
    figure.legend(handles=protocol_handles(protocols, 3.5), loc="outside upper right", ncols=len(protocols))
    figure.supxlabel(f"1 − F1, mean over seeds and 95 % interval ({_LEAST:g}: at most that)")
    return figure


def left_out(rows: Rows) -> Figure:
    """Recall on cars that were left out with their sisters: one panel per protocol, a line per attack, a mark per model."""
    compared = {m.name for m in registry.compared("fig-left-out")}
    rows = [r for r in rows if r["mean"] is not None and r["dataset"] == _LEFT_OUT and r["model"] in compared]
    rows = [r for r in rows if r["protocol"] in ("zero-shot", "profiled")]
    if not rows:
        return empty("no cars left out in this release")
    kinds = sorted({(r["scenario"], r["attacks"]) for r in rows})
    models = labels.sort_models(r["model"] for r in rows)
    protocols = [p for p in PROTOCOLS if any(r["protocol"] == p for r in rows)]
    figure, axes = multiples(len(protocols), 2, lambda n: 0.6 + n * (0.3 + 0.34 * len(kinds)), sharey=True)
    for ax, protocol in zip(axes, protocols, strict=True):
        lines(ax, [attacks.replace("-", " ") for _, attacks in kinds])
        for r in rows:
            if r["protocol"] != protocol:
                continue
            rank = models.index(r["model"])
            y = kinds.index((r["scenario"], r["attacks"])) + (rank - (len(models) - 1) / 2) * 0.8 / len(models)
            color = labels.color(r["model"])
            if r["ci_low"] is not None:
                ax.plot([r["ci_low"], r["ci_high"]], [y, y], color=color, lw=1.2, solid_capstyle="butt")
            ax.plot(r["mean"], y, ls="", ms=3.2, mew=0.8, marker="osD^v"[rank % 5], mec=color, mfc=color)
        ax.set_title(protocol)
        ax.set_xlim(-0.02, 1.02)
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], ls="", ms=3.5, marker="osD^v"[i % 5], color=labels.color(m), label=labels.model(m))
        for i, m in enumerate(models)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    figure.supxlabel("recall at 1 % false positives, mean over seeds and 95 % interval")
    return figure


def curves(rows: Rows) -> Figure:
    """Training curves: one panel per metric, one line per run; the many of ablations, which share the method's colour, left out."""
    rows = [r for r in rows if " (" not in r["model"]]
    if not rows:
        return empty("no training curves in this release")
    metrics = sorted({r["metric"] for r in rows})
    models = labels.sort_models(r["model"] for r in rows)
    figure, axes = multiples(len(metrics), 3, lambda lines: 0.6 + 1.7 * lines)
    for ax, metric in zip(axes, metrics, strict=True):
        groups: dict[tuple[str, ...], list[tuple[int, float]]] = {}
        for r in rows:
            if r["metric"] == metric:
                groups.setdefault((r["model"], r["dataset"], r["seed"]), []).append((r["epoch"], r["value"]))
        for (model, _, _), points in sorted(groups.items()):
            x, y = zip(*sorted(points), strict=True)
            style = "-" if model.endswith("student") else "--" if model.endswith("teacher") else ":"
            ax.plot(x, y, style, color=labels.color(model), lw=1, marker="." if len(x) == 1 else None)
        ax.set_title(labels.metric(metric))
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=labels.color(m), ls="--" if m.endswith("teacher") else "-", label=labels.model(m))
        for m in models
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def captures(rows: Rows) -> Figure:
    """Frames of every capture, injected ones apart."""
    if not rows:
        return empty("no captures in this release")
    figure, axes = panels(1, 1, PAGE, 0.6 + 0.13 * len(rows))
    ax = axes[0, 0]
    colors = labels.palette()["labels"]
    names = [f"{labels.scenario(r['split'])}  {Path(r['capture']).stem}" for r in rows]
    injected = [r["frames"] * r["injected_share"] for r in rows]
    ax.barh(range(len(rows)), [r["frames"] for r in rows], color=colors["benign"], label="not injected")
    ax.barh(range(len(rows)), injected, color=colors["attack"], label="injected")
    ax.set_yticks(range(len(rows)), names, fontsize=6.5)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("frames")
    figure.legend(loc="outside upper right", ncols=2)
    return figure


def window(rows: Rows) -> Figure:
    """One CAN window as a graph: identifiers as nodes, transitions as edges, those with injected frames marked."""
    if not rows:
        return empty("no example window in this release")
    import math

    ids = [r["id"] for r in rows]
    counts = {i: ids.count(i) for i in ids}
    injected = {r["id"] for r in rows if r["label"]}
    edges: dict[tuple[int, int], int] = {}
    for a, b in pairwise(ids):
        edges[a, b] = edges.get((a, b), 0) + 1
    order = sorted(counts)
    place = {
        i: (math.cos(2 * math.pi * k / len(order)), math.sin(2 * math.pi * k / len(order))) for k, i in enumerate(order)
    }
    figure, axes = panels(1, 1, COLUMN, COLUMN)
    ax = axes[0, 0]
    ax.set_axis_off()
    ax.set_aspect("equal")
    most = max(edges.values())
    for (a, b), n in sorted(edges.items()):
        if a != b:
            arrow = {
                "arrowstyle": "-|>,head_width=0.12,head_length=0.25",
                "connectionstyle": "arc3,rad=0.12",
                "color": "0.45",
                "alpha": 0.25 + 0.7 * n / most,
                "lw": 0.3 + 1.5 * n / most,
                "shrinkA": 5,
                "shrinkB": 5,
            }
            ax.annotate("", place[b], place[a], arrowprops=arrow)
    colors = labels.palette()["labels"]
    for i in order:
        x, y = place[i]
        size = 25 + 160 * counts[i] / max(counts.values())
        marker = "D" if i in injected else "o"  # not by colour alone
        ax.scatter(
            x, y, s=size, c=colors["attack" if i in injected else "benign"], marker=marker, zorder=3, linewidths=0
        )
        ax.text(1.18 * x, 1.18 * y, f"{i:03X}", ha="center", va="center", fontsize=6.5)
    ax.set_xlim(-1.35, 1.35)
    ax.set_ylim(-1.35, 1.35)
    first = rows[0]
    ax.set_title(f"{first['vehicle']}, {first['attack']}: {len(order)} IDs, {len(edges)} transitions")
    return figure


#: every static figure, the twin of an interactive one over the same rows
STATICS: tuple[Static, ...] = (
    Static("leaderboard", "leaderboard", leaderboard),
    Static("left-out", "recall", left_out),
    Static("curves", "curves", curves),
    Static("window", "window", window),
    Static("scores", "operating-curve", scores.scores),
    Static("unseen", "unseen", scores.unseen),
    Static("alpha", "alpha", scores.alpha),
    Static("similarity", "similarity", scores.similarity),
    Static("size", "size-against-f1", scores.size),
    Static("embedding", "embeddings", scores.embedding),
    Static("ablations", "ablations", ablations.forest),
    Static("captures", "captures", captures),
    Static("schedule", "schedule", schedule.schedule),
)


def svg(release: Release, static: Static) -> bytes:
    """The figure's SVG: same rows, same bytes."""
    with style():
        rows = release.rows(query(static.query).sql)
        figure = static.draw(rows)
        out = io.BytesIO()
        about = f"release {release.name} {release.manifest_sha256}; query {static.query}; rows sha256 {rows_hash(rows)}"
        figure.savefig(out, format="svg", metadata={"Date": None, "Title": static.name, "Description": about})
    return out.getvalue()


def write_static(release: Release, folder: Path, statics: Sequence[Static] = STATICS) -> list[Path]:
    """Write every static figure as `<name>.svg` below `folder`, atomically; remove those of figures that are gone."""
    files = []
    for static in statics:
        files.append(folder / f"{static.name}.svg")
        atomic.write_bytes(files[-1], svg(release, static))
    for old in set(folder.glob("*.svg")) - set(files):
        old.unlink()
    return files
