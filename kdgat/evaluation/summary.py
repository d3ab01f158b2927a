"""From scores to rows: metrics of each seed, and their summary over seeds with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kdgat.evaluation.alarms import SINGLE, AlarmRule
from kdgat.evaluation.methods import METHOD, METHODS
from kdgat.evaluation.metrics import POOLED, POOLED_METRICS, score
from kdgat.evaluation.scored import ScoredWindows, joined


@dataclass(frozen=True)
class Scored:
    """All models' scores on the windows of one scenario under one protocol, for one seed.

    Attributes:
        dataset, scenario, protocol, seed: what was scored.
        captures: names of the recordings, by number.
        windows: n windows.
        scores: model → f64[n].
        thresholds: model → its operating point.
        runs: model → run that trained it.
    """

    dataset: str
    scenario: str
    protocol: str
    seed: int
    captures: tuple[str, ...]
    windows: ScoredWindows
    scores: dict[str, np.ndarray]
    thresholds: dict[str, float]
    runs: dict[str, str]

    def attacks(self) -> Iterator[tuple[str, np.ndarray]]:
        """(attack, mask of windows): `all`, then each kind, judged on the captures that hold it."""
        yield "all", np.ones(len(self.windows), bool)
        for kind in sorted(set(self.windows.attack[self.windows.y == 1])):
            holds = np.isin(self.windows.recording, self.windows.recording[self.windows.attack == kind])
            other = (self.windows.y == 1) & (self.windows.attack != kind)
            yield kind, holds & ~other


def pooled(scenarios: Sequence[Scored]) -> Iterator[Scored]:
    """Join the scenarios of each (dataset, protocol, seed) that has several; of the scores, those that all of them hold.

    A model has one operating point for all of them, and what needs thousands of benign windows finds them together alone.
    """
    groups: dict[tuple[str, str, int], list[Scored]] = {}
    for s in scenarios:
        groups.setdefault((s.dataset, s.protocol, s.seed), []).append(s)
    for group in groups.values():
        if len(group) < 2:
            continue
        first = group[0]
        yield replace(
            first,
            scenario=POOLED,
            captures=tuple(name for s in group for name in s.captures),
            windows=joined([s.windows for s in group]),
            scores={
                m: np.concatenate([s.scores[m] for s in group])
                for m in first.scores
                if all(m in s.scores for s in group)
            },
        )


def metric_rows(scored: Scored, rule: AlarmRule = SINGLE) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of `metrics` and of `confusion`; `rule` makes alarm events of alarms. Pooled, few metrics and no counts are given."""
    metrics, confusion = [], []
    whole = scored.scenario == POOLED
    for attack, mask in scored.attacks():
        if whole and attack != "all":
            continue
        y = scored.windows.y[mask] == 1
        for model, scores in scored.scores.items():
            who = {
                "run": scored.runs[model],
                "dataset": scored.dataset,
                "seed": scored.seed,
                "scenario": scored.scenario,
                "attack": attack,
                "model": model,
                "protocol": scored.protocol,
            }
            threshold = scored.thresholds[model]
            values = score(scored.windows, scores, threshold, rule, mask)
            metrics += [
                who | {"metric": name, "value": value, "n": n}
                for name, (value, n) in values.items()
                if not whole or name in POOLED_METRICS
            ]
            if not whole:
                alarm = scores[mask] >= threshold
                counts = {"tp": alarm & y, "fp": alarm & ~y, "tn": ~alarm & ~y, "fn": ~alarm & y}
                confusion.append(who | {name: int(c.sum()) for name, c in counts.items()})
    return metrics, confusion


def summary_rows(
    per_seed: Sequence[Scored],
    metrics: Sequence[dict[str, Any]],
    draws: int,
    method: str = METHOD,
    rule: AlarmRule = SINGLE,
) -> list[dict[str, Any]]:
    """Rows of `summary` for one (dataset, scenario, protocol): mean over seeds, interval, and what it rests on.

    Args:
        per_seed: one `Scored` a seed, over the same windows.
        metrics: rows of `metrics` of all these seeds (and possibly others).
        draws: bootstrap draws.
        method: of the intervals, one of `methods.METHODS`.
        rule: that made alarm events of alarms.
    """
    first = per_seed[0]
    values: dict[tuple[str, str], dict[str, list[float | None]]] = {}
    for row in metrics:
        if (row["dataset"], row["scenario"], row["protocol"]) == (first.dataset, first.scenario, first.protocol):
            of_model = values.setdefault((row["attack"], row["model"]), {})
            of_model.setdefault(row["metric"], []).append(row["value"])
    rows = []
    for attack, mask in first.attacks():
        windows = first.windows.take(mask)
        interval = METHODS[method](first.windows, mask, draws, rule)
        base = {
            "dataset": first.dataset,
            "scenario": first.scenario,
            "protocol": first.protocol,
            "attack": attack,
            "interval": method,
            "n_seeds": len(per_seed),
            "recordings": len(np.unique(windows.recording)),
            "segments": int(windows.segments().max(initial=-1)) + 1,
            "positives": int(windows.y.sum()),
            "negatives": int((1 - windows.y).sum()),
        }
        for model in first.scores:
            ends = interval(
                [s.scores[model] for s in per_seed],
                [s.thresholds[model] for s in per_seed],
                ranking=attack == "all",
            )
            for metric, seed_values in values.get((attack, model), {}).items():
                # a metric that one seed leaves undefined has no mean: an average over the others would flatter
                defined = [v for v in seed_values if v is not None]
                mean = float(np.mean(defined)) if len(defined) == len(seed_values) else None
                low, high = ends.get(metric, (None, None)) if mean is not None else (None, None)
                rows.append(base | {"model": model, "metric": metric, "mean": mean, "ci_low": low, "ci_high": high})
    return rows
