"""What a finished task shows: `python flows/kdgat_flow.py card view vgae`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdgat import records


def training_card(card: Any, dumped: Mapping[str, bytes]) -> None:
    """Curves of each training of the task, and its run rows."""
    from metaflow.cards import Markdown, Table, VegaChart

    tables = records.load(dumped)
    card.append(Markdown("# Training"))
    runs = tables["runs"].to_pylist()
    keys = ("model", "dataset", "seed", "parameters", "seconds", "selection_metric", "selection_value")
    card.append(
        Table([[f"{r[k]:.4g}" if isinstance(r[k], float) else str(r[k]) for k in keys] for r in runs], list(keys))
    )
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
        card.append(VegaChart({"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "width": 500} | spec))


def leaderboard_card(card: Any, dumped: Mapping[str, bytes]) -> None:
    """F1 with its interval: a row a scenario and protocol, a column a model."""
    from metaflow.cards import Markdown, Table

    rows = [r for r in records.load(dumped)["summary"].to_pylist() if r["metric"] == "f1" and r["attack"] == "all"]
    models = sorted({r["model"] for r in rows})
    places = sorted({(r["dataset"], r["scenario"], r["protocol"]) for r in rows})
    cell = {(r["dataset"], r["scenario"], r["protocol"], r["model"]): r for r in rows}

    def shown(r: dict[str, Any] | None) -> str:
        if r is None or r["mean"] is None:
            return "n/a"
        return f"{r['mean']:.3f}" + (f" [{r['ci_low']:.3f}, {r['ci_high']:.3f}]" if r["ci_low"] is not None else "")

    card.append(Markdown("# F1 at the operating point, mean over seeds"))
    card.append(
        Table(
            [[*p, *(shown(cell.get((*p, m))) for m in models)] for p in places],
            ["dataset", "scenario", "protocol", *models],
        )
    )


def search_card(
    card: Any, best: Mapping[str, Any], history: list[dict[str, Any]], importances: Mapping[str, float]
) -> None:
    """How a search went: the best trial, losses trial by trial, importance of each parameter."""
    from metaflow.cards import Markdown, Table, VegaChart

    schema = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "width": 500}
    card.append(Markdown(f"# Best: trial {best['number']}, validation loss {best['value']:.5f}"))
    card.append(Table([[k, f"{v:.4g}" if isinstance(v, float) else str(v)] for k, v in best["params"].items()]))
    trial = {"field": "trial", "type": "quantitative", "axis": {"tickMinStep": 1}}
    loss = {"type": "quantitative", "scale": {"zero": False}, "title": "validation loss"}
    points = {"mark": "point", "encoding": {"x": trial, "y": loss | {"field": "loss"}, "color": {"field": "state"}}}
    line = {
        "mark": {"type": "line", "interpolate": "step-after"},
        "encoding": {"x": trial, "y": loss | {"field": "best"}},
    }
    card.append(Markdown("## History"))
    card.append(VegaChart(schema | {"data": {"values": history}, "layer": [points, line]}))
    if importances:
        bars = [{"parameter": k, "importance": v} for k, v in importances.items()]
        encoding = {
            "x": {"field": "importance", "type": "quantitative"},
            "y": {"field": "parameter", "type": "nominal", "sort": "-x"},
        }
        card.append(Markdown("## Importance"))
        card.append(VegaChart(schema | {"data": {"values": bars}, "mark": "bar", "encoding": encoding}))
