"""Tables shaped for the paper's pages: one dataset, models down, scenarios across."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.numbers import choice, quiet
from analysis.numbers.values import Numbers
from analysis.reference import labels
from analysis.reference.format import slug
from analysis.tables.results import Source, cell, main_table, markdown, numbers_of, scenario_label
from kdgat.catalog.datasets import unions
from kdgat.models import registry
from kdgat.records import HEADLINE_MODEL, PROTOCOLS

#: protocols of the tables that show few, and whether they give a profile
_SPLITS = {"zero-shot": False, "calibrated": True}
_CARS = {"zero-shot": False, "profiled": True}


def _rows(numbers: Numbers, dataset: str, protocol: str) -> tuple[list[str], list[str]]:
    """Models and test scenarios of a dataset and protocol, in reading order."""
    rows = [
        r
        for r in numbers.release.table("summary").to_pylist()
        if r["dataset"] == dataset and r["protocol"] == protocol and r["attack"] == "all" and "test" in r["scenario"]
    ]
    return labels.sort_models(r["model"] for r in rows), sorted({r["scenario"] for r in rows})


def f1_table(release: Source = None) -> str:
    """F1 of the compared models on the release's first dataset: scenario × model × protocol, with cited rows."""
    numbers = numbers_of(release)
    only = {p: [m.name for m in registry.compared("tbl-main", profiled=profiled)] for p, profiled in _SPLITS.items()}
    return main_table(release, dataset=numbers.main_dataset, only=only)


def whole_f1_table(release: Source = None) -> str:
    """F1 of all models whose scores are released, on the release's first dataset, under every protocol."""
    numbers = numbers_of(release)
    only = dict.fromkeys(PROTOCOLS, numbers.release.scored_models)
    return main_table(release, dataset=numbers.main_dataset, only=only)


def _left_out(numbers: Numbers) -> dict[str, list[str]]:
    """Union of the release → the cars that it leaves out, as they are written; none for some."""
    there = numbers.release.manifest["datasets"]
    return {
        name: [car.capitalize() for car in sorted(entry.get("left_out", ()))]
        for name, entry in unions().items()
        if name in there
    }


def _places(numbers: Numbers, left_out: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """(dataset, scenario) with attacks on cars that are left out → these cars and attacks, in order.

    Args:
        left_out: dataset → the cars that it leaves out, empty for none.
    """
    held: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for r in numbers.release.table("datasets").to_pylist():
        if left_out.get(r["dataset"]) and r["split"] != "train" and r["injected"]:
            held.setdefault((r["dataset"], r["split"]), []).append(r)
    places = {}
    for place, captures in sorted(held.items()):
        places[place] = _cars_and_attacks(captures)
    return places


def _cars_and_attacks(captures: Iterable[Mapping[str, Any]]) -> str:
    """Rows of `datasets` → `Sonata, Soul: dos, fuzzing`."""
    cars = sorted({str(c["vehicle"]).capitalize() for c in captures})
    attacks = sorted({str(c["attack"]).replace("-", " ") for c in captures})
    return f"{', '.join(cars)}: {', '.join(attacks)}"


def left_out_table(release: Source = None, metric: str = "recall_at_fpr_1pct", *, whole: bool = True) -> str:
    """One metric on captures of cars that were left out of training: scenario × protocol, models across; what was left out, if that differs.

    Args:
        release: as for every table.
        metric: what is shown.
        whole: False for the dataset alone that leaves out most cars.
    """
    numbers = numbers_of(release)
    cars = _left_out(numbers)
    most = max(map(len, cars.values()), default=0)
    left_out = {n: " and ".join(c) for n, c in cars.items() if whole or len(c) == most}
    places = _places(numbers, left_out)
    body, several = [], len({dataset for dataset, _ in places}) > 1
    kinds = list(dict.fromkeys(m.kind for m in registry.compared("tbl-cars")))
    for place, what in places.items():
        windows = cell(numbers, f"{'.'.join(map(slug, place))}.positives")
        for protocol, profiled in _CARS.items():
            prefix = ".".join(map(slug, place))
            of_kind = {m.kind: slug(m.name) for m in registry.compared("tbl-cars", profiled=profiled)}
            cells = [cell(numbers, f"{prefix}.{of_kind[kind]}.{slug(protocol)}.{metric}") for kind in kinds]
            body.append([*([left_out[place[0]]] if several else []), what, windows, protocol, *cells])
    header = [*(["Left out"] if several else []), "Car and attack", "Attacked windows", "Protocol"]
    header += [kind.capitalize() for kind in kinds]
    return markdown(header, body, left=1 + several)


def quiet_table(release: Source = None) -> str:
    """Attack events found on cars left out at five alarm events an hour: what was left out × protocol, detectors across."""
    numbers = numbers_of(release)
    left_out = {name: cars for name, cars in _left_out(numbers).items() if cars}
    kinds = list(dict.fromkeys(m.kind for m in registry.compared("tbl-cars")))
    body = []
    for dataset, cars in sorted(left_out.items(), key=lambda item: (-len(item[1]), item)):
        for protocol, profiled in _CARS.items():
            of_kind = {m.kind: slug(m.name) for m in registry.compared("tbl-cars", profiled=profiled)}
            prefix = f"{slug(dataset)}.pooled"
            cells = [cell(numbers, f"{prefix}.{of_kind[kind]}.{slug(protocol)}.{quiet.NAME}") for kind in kinds]
            body.append([" and ".join(cars), protocol, *cells])
    header = ["Left out", "Protocol", *(kind.capitalize() for kind in kinds)]
    return markdown(header, body, left=2)


#: what shows the worth of columns that read payloads: (heading, factor, level, what of it)
_PAYLOAD = (
    ("Student, without them", "payload columns of frames", "the configuration's", ""),
    ("change with them", "payload columns of frames", "seen", "_minus_reference"),
    ("Boosting, with them", "payload columns of boosting", "seen", ""),
    ("change without them", "payload columns of boosting", "hidden", "_minus_reference"),
)


def payload_table(release: Source = None) -> str:
    """Recall at 1 % false positives on cars left out, zero-shot, by the payload columns that a detector sees: scenario down, levels across."""
    numbers = numbers_of(release)
    ablated = {row["dataset"] for row in numbers.release.table("ablations").to_pylist()}
    left_out = {name: " and ".join(cars) for name, cars in _left_out(numbers).items() if name in ablated}
    body = []
    for (dataset, scenario), what in _places(numbers, left_out).items():
        keys = [
            ".".join(
                (
                    slug(dataset),
                    "ablations",
                    *map(slug, (factor, level, scenario, "zero-shot")),
                    f"recall_at_fpr_1pct{of}",
                )
            )
            for _, factor, level, of in _PAYLOAD
        ]
        body.append([what, *(cell(numbers, key) for key in keys)])
    return markdown(["Car and attack", *(heading for heading, *_ in _PAYLOAD)], body)


#: dataset on whose cars one detector was trained, and what of it is shown: (heading, kind of detector, metric)
_ALL_CARS = "universal"
_OF_ALL_CARS = (
    ("F1, student", "gat-alone-student", "f1"),
    ("F1, boosting", "gbm-memory-baseline", "f1"),
    ("Recall, student", "gat-alone-student", "recall_at_fpr_1pct"),
    ("Recall, boosting", "gbm-memory-baseline", "recall_at_fpr_1pct"),
    ("Recall, rule", "rule-online-baseline", "recall_at_fpr_1pct"),
    ("Alarm events per hour, student", "gat-alone-student", "alarm_events_far_per_hour"),
)


def all_cars_table(release: Source = None) -> str:
    """Student, boosting and rule where all cars of the catalog are trained on: one row per test folder, zero-shot."""
    numbers = numbers_of(release)
    recordings = [r for r in numbers.release.table("datasets").to_pylist() if r["dataset"] == _ALL_CARS]
    body = []
    for scenario in _rows(numbers, _ALL_CARS, "zero-shot")[1]:
        keys = [f"{_ALL_CARS}.{slug(scenario)}.{slug(model)}.zero_shot.{metric}" for _, model, metric in _OF_ALL_CARS]
        what = _cars_and_attacks([r for r in recordings if r["split"] == scenario])
        body.append([what, *(cell(numbers, key) for key in keys)])
    header = ["Car and attack", *(heading for heading, *_ in _OF_ALL_CARS)]
    return markdown(header, body, left=1)


#: kinds of attack on virtual cars: two that evade nothing, and what attackers do who know the detector
_EVADERS = {
    "spoofing": "forged frames at any time (plain)",
    "masquerade_timed": "genuine frames replaced on schedule, any payload (plain)",
    "evade_midpoint": "frames midway between two genuine ones",
    "evade_before": "frames just before a genuine one",
    "evade_least_gap": "frames after the shortest gap seen so far",
    "evade_doubled": "frames at twice the genuine rate, for good",
    "evade_creeping": "frames at a rate that creeps up",
    "evade_slow_start": "frames at a rate that starts low",
    "evade_offset": "genuine frames replaced, a byte shifted by a constant",
    "evade_drift": "genuine frames replaced, a byte that drifts away",
}
_VIRTUAL_CARS = {"recorded": "recorded traffic", "drawn": "drawn buses"}


def evader_table(release: Source = None) -> str:
    """Recall on virtual cars when the settings were chosen, by what the attacker does: traffic and protocol across."""
    numbers = numbers_of(release)
    columns = [(cars, protocol) for cars in _VIRTUAL_CARS for protocol in _CARS]
    body = [
        [label, *(cell(numbers, ".".join(("choice", kind, cars, slug(protocol)))) for cars, protocol in columns)]
        for kind, label in (_EVADERS if choice.covers(numbers.release) else {}).items()
    ]
    header = [
        "What the attacker sends",
        *(f"{_VIRTUAL_CARS[cars].capitalize()}, {protocol}" for cars, protocol in columns),
    ]
    return markdown(header, body, left=1)


#: what was tried when the settings were chosen
_CANDIDATES = {
    "before": "settings of paper-7",
    "steady": "byte jumps, new bits and ranges hidden",
    "unranged-driven-parked": "the same, also against the profile; driven cuts; parked cars",
    "timing-parked": "all payload columns hidden; parked cars",
    "timing-driven": "all payload columns hidden; driven cuts",
    "timing-driven-parked": "all payload columns hidden; driven cuts; parked cars",
}


def choice_table(release: Source = None) -> str:
    """Candidates of the choice: recall and alarms where they were screened, and where the best two were judged."""
    numbers = numbers_of(release)
    columns = [
        (part, metric)
        for part in ("screening", "ranking")
        for metric in ("recall_at_fpr_1pct", "alarm_events_far_per_hour")
    ]
    body = [
        [
            f"{label} (chosen)" if candidate == choice.document().candidate else label,
            *(cell(numbers, f"choice.{part}.{slug(candidate)}.{metric}") for part, metric in columns),
        ]
        for candidate, label in (_CANDIDATES if choice.covers(numbers.release) else {}).items()
    ]
    header = ["Candidate", "Recall, screened", "Alarms, screened", "Recall, three platforms", "Alarms, three platforms"]
    return markdown(header, body, left=1)


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
    """False alarms of the compared models on the release's first dataset, under the benign windows they were counted in.

    The last two lines give the headline model's by the hour, and their upper bound.
    """
    numbers = numbers_of(release)
    dataset = numbers.main_dataset
    models, scenarios = _rows(numbers, dataset, protocol)

    def row(head: str, keys: list[str]) -> list[str]:
        return [head, *(cell(numbers, key) for key in keys)]

    body = [row("*Benign windows*", [f"{slug(dataset)}.{slug(s)}.negatives" for s in scenarios])]
    compared = {m.name for m in registry.compared("tbl-alarms")}
    for model in (m for m in models if m in compared):
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
