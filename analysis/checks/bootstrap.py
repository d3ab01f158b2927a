"""The intervals of a release's summary, drawn again from its window scores by the evaluation's own bootstrap.

The draws are seeded, so they must come out as they were frozen. Needs scipy and scikit-learn (the `train` extra); minutes, not
seconds, so `analysis.verify --intervals` asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from analysis.releases.release import Release

#: how intervals of the first releases were made, which do not say it
FIRST = "circular-blocks"
#: quantiles of draws; float32 sums may differ in the last bits between machines
TOLERANCE = 1e-4


def scored(release: Release) -> Iterator[list[Any]]:
    """One list of `kdgat.evaluation.summary.Scored`, a seed each, for every dataset, scenario and protocol."""
    from kdgat.evaluation.metrics import POOLED
    from kdgat.evaluation.scored import ScoredWindows
    from kdgat.evaluation.summary import Scored, pooled

    thresholds = {
        (r["dataset"], r["model"], r["protocol"], r["seed"]): r["threshold"]
        for r in release.table("operating_points").to_pylist()
    }
    groups: dict[tuple[str, str, str], dict[int, list[dict[str, Any]]]] = {}
    together: dict[tuple[str, str], list[list[Any]]] = {}
    for r in release.table("predictions").to_pylist():
        groups.setdefault((r["dataset"], r["scenario"], r["protocol"]), {}).setdefault(r["seed"], []).append(r)
    order = release.table("datasets").to_pylist()
    models = release.scored_models
    for (dataset, scenario, protocol), by_seed in sorted(groups.items()):
        captures = [r["capture"] for r in order if (r["dataset"], r["split"]) == (dataset, scenario)]
        made = []
        for seed, rows in sorted(by_seed.items()):
            rows.sort(key=lambda r: (captures.index(r["capture"]), r["window"]))
            held = [c for c in captures if any(r["capture"] == c for r in rows)]
            columns = {k: np.array([r[k] for r in rows]) for k in ("window", "t0", "duration", "injected", "attack")}
            here = [m for m in models if all(r[m] is not None for r in rows)]
            made.append(
                Scored(
                    dataset=dataset,
                    scenario=scenario,
                    protocol=protocol,
                    seed=seed,
                    captures=tuple(held),
                    windows=ScoredWindows(recording=np.array([held.index(r["capture"]) for r in rows]), **columns),
                    scores={m: np.array([r[m] for r in rows], np.float64) for m in here},
                    thresholds={m: thresholds[dataset, m, protocol, seed] for m in here},
                    runs=dict.fromkeys(here, ""),
                )
            )
        together.setdefault((dataset, protocol), []).append(made)
        yield made
    if POOLED in release.table("summary")["scenario"].to_pylist():
        for scenarios in together.values():
            if joined := list(pooled([s for made in scenarios for s in made])):
                yield joined


def mismatches(release: Release) -> list[str]:
    """Summary rows of the scored models whose interval the bootstrap does not give again."""
    from kdgat.evaluation.alarms import AlarmRule
    from kdgat.evaluation.summary import summary_rows

    key = ("dataset", "scenario", "attack", "model", "protocol", "metric")
    told = {tuple(r[k] for k in key): r for r in release.table("summary").to_pylist()}
    metrics = release.table("metrics").to_pylist()
    (draws,) = {c["bootstrap_draws"] for c in release.manifest["configurations"].values()}
    (method,) = {row["interval"] or FIRST for row in told.values()}
    (rule,) = {AlarmRule(*c.get("alarm", (1, 1))) for c in release.manifest["configurations"].values()}
    found = []
    for per_seed in scored(release):
        for row in summary_rows(per_seed, metrics, draws, method, rule):
            have = told.get(tuple(row[k] for k in key))
            for end in ("ci_low", "ci_high"):
                a, b = (None if r is None else r[end] for r in (have, row))
                if (a is None) != (b is None) or (
                    a is not None and b is not None and abs(a - b) > TOLERANCE * max(1.0, abs(b))
                ):
                    who = "{metric} of {model} ({dataset}, {scenario}, {attack}, {protocol})".format(**row)
                    found.append(f"summary: {end} of {who} is {a}, the bootstrap gives {b}")
    return found
