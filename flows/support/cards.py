"""What a finished task shows: `python flows/kdgat_flow.py card view vgae`."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kdgat import records
from support import gpu_use

_VEGA = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "width": 500}


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def used() -> list[list[str]]:
    """What this process has used so far: rows of (name, value)."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    rows = [
        ["processor time", f"{own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime:.1f} s"],
        ["peak memory", f"{max(own.ru_maxrss, children.ru_maxrss) / 1024:.0f} MB"],
    ]
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        rows.append(["GPU", torch.cuda.get_device_name()])
        rows.append(["peak GPU memory", f"{torch.cuda.max_memory_allocated() / 2**20:.0f} MB"])
        rows.extend(gpu_use.rows())
    else:
        rows.append(["GPU", "none"])
    return rows


def usage(card: Any, runs: Sequence[Mapping[str, Any]]) -> None:
    """Seconds of each training, and what the task used."""
    from metaflow.cards import Markdown, Table, VegaChart

    card.append(Markdown("## Time and memory"))
    bars = [{"model": r["model"], "seconds": r["seconds"]} for r in runs]
    encoding = {"x": {"field": "seconds", "type": "quantitative"}, "y": {"field": "model", "type": "nominal"}}
    card.append(VegaChart(_VEGA | {"data": {"values": bars}, "mark": "bar", "encoding": encoding}))
    card.append(Table([*used(), *([["machine", runs[0]["machine"]]] if runs else [])]))


def confusion(rows: Iterable[Mapping[str, Any]]) -> Any:
    """A table of counts, one row per model."""
    from metaflow.cards import Table

    names = {"tp": "attacks found", "fn": "attacks missed", "fp": "false alarms", "tn": "benign left alone"}
    return Table([[r["model"], *(str(r[c]) for c in names)] for r in rows], ["model", *names.values()])


def training_card(card: Any, dumped: Mapping[str, bytes], validation: Sequence[Mapping[str, Any]]) -> None:
    """Curves of each training of the task, confusion on validation windows, its run rows, time and memory."""
    from metaflow.cards import Markdown, Table, VegaChart

    tables = records.load(dumped)
    card.append(Markdown("# Training"))
    runs = tables["runs"].to_pylist() if "runs" in tables else []
    if not runs:
        card.append(Markdown("Nothing is trained here (`--models alone`)."))
        return
    keys = ("model", "dataset", "seed", "parameters", "seconds", "selection_metric", "selection_value")
    card.append(Table([[_shown(r[k]) for k in keys] for r in runs], list(keys)))
    for protocol in dict.fromkeys(r["protocol"] for r in validation):
        card.append(Markdown(f"## Confusion on the validation windows, {protocol}"))
        card.append(confusion(r for r in validation if r["protocol"] == protocol))
    usage(card, runs)
    if "curves" not in tables:
        return
    curves = tables["curves"].select(["model", "metric", "epoch", "value"]).to_pylist()
    encoding = {
        "x": {"field": "epoch", "type": "quantitative", "axis": {"tickMinStep": 1}},
        "y": {"field": "value", "type": "quantitative", "scale": {"zero": False}},
        "color": {"field": "model", "type": "nominal"},
    }
    for metric in sorted({c["metric"] for c in curves}):
        values = [c for c in curves if c["metric"] == metric]
        spec = {"data": {"values": values}, "mark": {"type": "line", "point": True}, "encoding": encoding}
        card.append(Markdown(f"## {metric.replace('_', ' ')}"))
        card.append(VegaChart(_VEGA | spec))


def evaluation_card(card: Any, dumped: Mapping[str, bytes]) -> None:
    """Confusion of every model on each scenario at its operating point, time and memory."""
    from metaflow.cards import Markdown

    tables = records.load(dumped)
    rows = [r for r in tables["confusion"].to_pylist() if r["attack"] == "all"]
    card.append(Markdown("# Confusion at the operating point"))
    for place in sorted({(r["scenario"], r["protocol"]) for r in rows}):
        models = sorted((r for r in rows if (r["scenario"], r["protocol"]) == place), key=lambda r: str(r["model"]))
        card.append(Markdown(f"## {place[0]}, {place[1]}"))
        card.append(confusion(models))
    usage(card, tables["runs"].to_pylist() if "runs" in tables else [])


def leaderboard_card(card: Any, dumped: Mapping[str, bytes]) -> None:
    """F1 with its interval: one row per scenario and protocol, one column per model."""
    from metaflow.cards import Markdown, Table

    rows = [r for r in records.load(dumped)["summary"].to_pylist() if r["metric"] == "f1" and r["attack"] == "all"]
    models = sorted({r["model"] for r in rows})
    places = sorted({(r["dataset"], r["scenario"], r["protocol"]) for r in rows})
    cell = {(r["dataset"], r["scenario"], r["protocol"], r["model"]): r for r in rows}

    def score(r: dict[str, Any] | None) -> str:
        if r is None or r["mean"] is None:
            return "n/a"
        return f"{r['mean']:.3f}" + (f" [{r['ci_low']:.3f}, {r['ci_high']:.3f}]" if r["ci_low"] is not None else "")

    card.append(Markdown("# F1 at the operating point, mean over seeds"))
    card.append(
        Table(
            [[*p, *(score(cell.get((*p, m))) for m in models)] for p in places],
            ["dataset", "scenario", "protocol", *models],
        )
    )


def search_card(
    card: Any, best: Mapping[str, Any], history: list[dict[str, Any]], importances: Mapping[str, float]
) -> None:
    """How a search went: the best trial, losses trial by trial, importance of each parameter."""
    from metaflow.cards import Markdown, Table, VegaChart

    card.append(Markdown(f"# Best: trial {best['number']}, validation loss {best['value']:.5f}"))
    card.append(Table([[k, _shown(v)] for k, v in best["params"].items()]))
    trial = {"field": "trial", "type": "quantitative", "axis": {"tickMinStep": 1}}
    loss = {"type": "quantitative", "scale": {"zero": False}, "title": "validation loss"}
    points = {"mark": "point", "encoding": {"x": trial, "y": loss | {"field": "loss"}, "color": {"field": "state"}}}
    line = {
        "mark": {"type": "line", "interpolate": "step-after"},
        "encoding": {"x": trial, "y": loss | {"field": "best"}},
    }
    card.append(Markdown("## History"))
    card.append(VegaChart(_VEGA | {"data": {"values": history}, "layer": [points, line]}))
    if importances:
        bars = [{"parameter": k, "importance": v} for k, v in importances.items()]
        encoding = {
            "x": {"field": "importance", "type": "quantitative"},
            "y": {"field": "parameter", "type": "nominal", "sort": "-x"},
        }
        card.append(Markdown("## Importance"))
        card.append(VegaChart(_VEGA | {"data": {"values": bars}, "mark": "bar", "encoding": encoding}))
