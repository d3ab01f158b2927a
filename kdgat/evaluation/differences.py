"""Paired differences between models, corrected for how many are looked at, and what may be said of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from kdgat.evaluation.methods import METHOD
from kdgat.evaluation.stratified import apart, whole
from kdgat.evaluation.summary import Scored
from kdgat.records import HEADLINE_MODEL

#: that differences are taken of
METRICS = ("f1", "roc_auc", "recall_at_fpr_1pct")
#: students that all models are compared with, the first that is there
STUDENTS = (HEADLINE_MODEL, "gat-alone-student")
#: a student joined with a rule, and what it has to be worth more than
JOINED, RIVALS = "rule-or-{}", ("rule-online-baseline", "rule-profile-baseline", "gbm-memory-baseline")
#: half-width of an interval up to which two models that cannot be told apart are called alike
ALIKE = 0.01
_LEVEL = 0.05


def comparisons(models: Iterable[str]) -> list[tuple[str, list[str]]]:
    """List what is compared: (model, those that are compared with it)."""
    names = list(models)
    student = next((m for m in STUDENTS if m in names), None)
    if student is None:
        return []
    either = JOINED.format(student)
    against = [(student, [m for m in names if m != student]), (either, [m for m in RIVALS if m in names])]
    return [(other, those) for other, those in against if other in names and those]


def differences(per_seed: Sequence[Scored], draws: int) -> list[dict[str, Any]]:
    """Compare the models of a (dataset, scenario, protocol) as `comparisons` says, on the same windows, seeds and draws.

    Args:
        per_seed: one `Scored` per seed, over the same windows.
        draws: bootstrap draws.

    Returns:
        Rows of `differences` that `corrected` completes.
    """
    first = per_seed[0]
    resampled = whole(first.windows, draws)

    @cache
    def of(model: str) -> list[list[dict[str, np.ndarray]]]:
        return [resampled.values(s.scores[model], s.thresholds[model], ranking=True) for s in per_seed]

    rows = []
    for other, model in ((other, model) for other, models in comparisons(first.scores) for model in models):
        for metric, estimate in resampled.estimates(apart(of(model), of(other), METRICS)).items():
            low, high = estimate.ends(-1.0, 1.0)
            rows.append(
                {
                    "dataset": first.dataset,
                    "scenario": first.scenario,
                    "protocol": first.protocol,
                    "metric": metric,
                    "model": model,
                    "other": other,
                    "difference": estimate.mean,
                    "ci_low": low,
                    "ci_high": high,
                    "interval": METHOD,
                    "p": estimate.p,
                    "n_seeds": len(per_seed),
                }
            )
    return rows


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust p-values f64[m] of m comparisons (Holm 1979): f64[m], in their order."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    out = np.empty(len(p))
    out[order] = np.minimum(steps, 1.0)
    return out


def corrected(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Complete rows of `differences`: Holm's correction over all of a dataset and metric, and the verdict."""
    families: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault((row["dataset"], row["metric"]), []).append(row)
    out = []
    for family in families.values():
        adjusted = holm(np.array([row["p"] for row in family]))
        for row, p in zip(family, adjusted, strict=True):
            word = verdict(row["difference"], row["ci_low"], row["ci_high"], float(p))
            out.append(row | {"p_holm": float(p), "comparisons": len(family), "verdict": word})
    return out


def verdict(difference: float, low: float, high: float, p: float) -> str:
    """Say what an interval and a corrected p-value allow, in the words of `kdgat.records.VERDICTS`."""
    if p < _LEVEL:
        return "more" if difference > 0 else "less"
    return "indistinguishable" if high - low <= 2 * ALIKE else "not resolved by this data"
