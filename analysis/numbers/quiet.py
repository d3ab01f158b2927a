"""What a detector finds if it may hardly ever alarm: attack events at five alarm events an hour, over all recordings of a dataset.

Keys `<dataset>.pooled.<model>.<protocol>.events_found_at_5_an_hour`: mean over seeds, each at the lowest threshold that costs no more
than that farther than a second from attacks. The threshold is chosen on the recordings themselves: what a detector could do, not
what it does at its operating point. Recordings of scenarios in which no frame is labelled are left out.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow.compute as pc

from analysis.numbers.effects import windows_of
from analysis.numbers.number import Makers, Number
from analysis.reference.format import NA, by_metric, slug
from analysis.releases.release import Release
from kdgat.evaluation.alarms import SINGLE, found_at_cost
from kdgat.evaluation.scored import joined

AN_HOUR = 5.0
NAME = "events_found_at_5_an_hour"


def keys(release: Release) -> Makers:
    """Yield every number by key."""
    parts = release.manifest["tables"].get("predictions", {}).get("parts", [])
    for dataset in sorted({part["dataset"] for part in parts}):
        for model in release.scored_models:
            for protocol in ("zero-shot", "profiled"):
                key = ".".join(map(slug, (dataset, "pooled", model, protocol, NAME)))
                yield key, partial(_number, release, key, dataset, model, protocol)


def _number(release: Release, key: str, dataset: str, model: str, protocol: str) -> Number:
    sql = f"""select scenario, seed, capture, "window", t0, duration, attack, injected, "{model}" as score from predictions
      where dataset = '{dataset}' and protocol = '{protocol}' and "{model}" is not null order by seed, scenario, capture, "window\""""
    table = release.con().sql(sql).to_arrow_table()
    shares = []
    for seed in pc.unique(table["seed"]).to_pylist():
        rows = table.filter(pc.field("seed") == seed)
        of = [rows.filter(pc.field("scenario") == scenario) for scenario in pc.unique(rows["scenario"]).to_pylist()]
        labelled = [part for part in of if pc.max(part["injected"]).as_py() > 0]
        if labelled:
            windows = joined([windows_of(part) for part in labelled])
            scores = np.concatenate([part["score"].to_numpy().astype(np.float64) for part in labelled])
            shares.append(found_at_cost(windows, scores, SINGLE, AN_HOUR))
    value = float(np.mean(shares)) if shares else None
    query = (
        f"share of attack events that {model} finds, {protocol}, at the lowest threshold with at most {AN_HOUR:g} alarm events an "
        f"hour farther than a second from attacks in all labelled scenarios of {dataset}; mean over seeds (analysis.numbers.quiet)"
    )
    text = NA if value is None else by_metric("events_found", value)
    return Number(key, text, value, query, where={"dataset": dataset, "model": model}, n_seeds=len(shares))
