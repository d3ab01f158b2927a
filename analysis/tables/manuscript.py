"""Tables shaped for the paper's pages: one dataset, models down, scenarios across."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.numbers.values import Numbers
from analysis.reference import labels
from analysis.reference.format import slug
from analysis.tables.results import Source, cell, main_table, markdown, numbers_of, scenario_label
from kdgat.records import HEADLINE_MODEL

#: detectors without a network or trees, which the sentences leave out
FRUGAL = ("interarrival-baseline", "frequency-baseline")


def _rows(numbers: Numbers, dataset: str, protocol: str) -> tuple[list[str], list[str]]:
    """Models and test scenarios of a dataset and protocol, in reading order."""
    rows = [
        r
        for r in numbers.release.table("summary").to_pylist()
        if r["dataset"] == dataset and r["protocol"] == protocol and r["attack"] == "all" and "test" in r["scenario"]
    ]
    return labels.sort_models(r["model"] for r in rows), sorted({r["scenario"] for r in rows})


def f1_table(release: Source = None) -> str:
    """F1 of the main models on the release's first dataset: scenario × model × protocol, with cited rows."""
    numbers = numbers_of(release)
    return main_table(release, dataset=numbers.main_dataset, only=numbers.release.scored_models)


def metric_table(
    metrics: Sequence[str],
    release: Source = None,
    protocol: str = "zero-shot",
    models: Sequence[str] | None = None,
    interval: bool = True,
) -> str:
    """Metrics of models on the release's first dataset: one column per scenario, one row per model and metric.

    Args:
        models: None for those whose scores are released.
    """
    numbers = numbers_of(release)
    dataset = numbers.main_dataset
    rows, scenarios = _rows(numbers, dataset, protocol)
    several = len(metrics) > 1
    body = []
    for model in (m for m in rows if m in (numbers.release.scored_models if models is None else models)):
        for metric in metrics:
            keys = [".".join((*map(slug, (dataset, s, model, protocol)), metric)) for s in scenarios]
            if any(key in numbers and numbers[key].value is not None for key in keys):
                names = [labels.model(model), *([labels.metric(metric)] if several else [])]
                body.append([*names, *(cell(numbers, key, interval=interval) for key in keys)])
    header = ["Model", *(["Metric"] if several else []), *(scenario_label(numbers, s, dataset) for s in scenarios)]
    return markdown(header, body, left=1 + several)


def alarm_table(release: Source = None, protocol: str = "zero-shot") -> str:
    """False alarms of the main and the frugal models on the release's first dataset, under the benign windows they were counted in.

    The last two lines give the headline model's by the hour, and their upper bound.
    """
    numbers = numbers_of(release)
    dataset = numbers.main_dataset
    models, scenarios = _rows(numbers, dataset, protocol)

    def row(head: str, keys: list[str]) -> list[str]:
        return [head, *(cell(numbers, key) for key in keys)]

    body = [row("*Benign windows*", [f"{slug(dataset)}.{slug(s)}.negatives" for s in scenarios])]
    for model in (m for m in models if m in numbers.release.scored_models or m in FRUGAL):
        prefixes = [".".join(map(slug, (dataset, s, model, protocol))) for s in scenarios]
        body.append(row(labels.model(model), [f"{prefix}.false_alarms" for prefix in prefixes]))
    prefixes = [".".join(map(slug, (dataset, s, HEADLINE_MODEL, protocol))) for s in scenarios]
    for head, metric in (
        ("by the hour", "false_alarms_per_hour"),
        ("at most by the hour", "false_alarms_per_hour_high"),
    ):
        name = f"*{labels.model(HEADLINE_MODEL)}, {head}*"
        body.append(row(name, [f"{prefix}.{metric}" for prefix in prefixes]))
    return markdown(["Model", *(scenario_label(numbers, s, dataset) for s in scenarios)], body)
