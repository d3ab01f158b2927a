"""Tables of the paper and the site, as Markdown; each takes a release (default: the current one).

Every number is the span that `analysis.numbers` makes for its key, so a table's cells trace like the text's numbers.
Results printed by others are marked as cited and carry no key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

from analysis.numbers import Number, Numbers
from analysis.reference import PUBLISHED, labels
from analysis.reference.format import NA, slug
from analysis.releases.release import Release
from kdgat.evaluation import registry
from kdgat.models.registry import bounds
from kdgat.records import HEADLINE_MODEL, PROTOCOLS

Source = Release | str | None


@cache
def _numbers(path: Path, manifest: str) -> Numbers:
    return Numbers(Release(path))


def numbers_of(release: Source) -> Numbers:
    """Numbers of a release given as such, by name, or the current one (opened once a process)."""
    opened = release if isinstance(release, Release) else Release.open(release)
    return _numbers(opened.path, opened.manifest_sha256)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A pipe table; the first `left` columns are aligned left, the others right. Without rows it says that the release has none.

    A column whose cells are all empty is left out.
    """
    rule = [":--" if i < left else "--:" for i in range(len(header))]
    body = rows or [["not covered by this release", *[NA] * (len(header) - 1)]]
    kept = [i for i in range(len(header)) if any(row[i] for row in body)]
    return "\n".join("| " + " | ".join(cells[i] for i in kept) + " |" for cells in (header, rule, *body))


def cell(numbers: Numbers, key: str, *, bold: bool = False, interval: bool = True) -> str:
    """A keyed number with its interval, or n/a where the release has none."""
    if key not in numbers:
        return NA
    text = numbers.with_interval(key) if interval else numbers.markdown(key)
    if not bold:
        return text
    value = numbers.markdown(key)
    return f"**{value}**{text.removeprefix(value)}"


def _summary(numbers: Numbers, **where: str) -> list[dict[str, Any]]:
    rows = numbers.by_metric.get(where.pop("metric"), []) if "metric" in where else numbers.summary
    return [r for r in rows if all(r[c] == v for c, v in where.items())]


def _best(numbers: Numbers, metric: str, keys: Mapping[str, str]) -> set[str]:
    """Keys that share the best value, as it is written; `keys`: model → key. Bounds, which know the labels, do not compete."""
    direction = registry.metric(metric).direction
    candidates: list[Number] = [
        numbers[k] for m, k in keys.items() if m not in bounds() and k in numbers and numbers[k].value is not None
    ]
    if not candidates or direction is None:
        return set()
    best = (min if direction == "low" else max)(candidates, key=lambda n: n.value)
    return {n.key for n in candidates if n.text == best.text}


def sister(captures: Iterable[Mapping[str, Any]]) -> str:
    """Mark captures of a car that was not trained on while one that shares most of its identifiers was; else nothing."""
    cars = {str(c["sisters"]) for c in captures if c.get("sisters") and not c["known_vehicle"]}
    return f" (sister of {', '.join(sorted(cars))} in training)" if cars else ""


def scenario_label(numbers: Numbers, scenario: str, dataset: str | None = None) -> str:
    """Label a scenario, of one dataset or any, with the mark of `sister`."""
    captures = numbers.release.table("datasets").to_pylist()
    return labels.scenario(scenario) + sister(
        c for c in captures if c["split"] == scenario and dataset in (None, c["dataset"])
    )


def main_table(
    release: Source = None,
    metric: str = "f1",
    dataset: str | None = None,
    only: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Scenario × model × protocol: mean over seeds, 95 % interval, best of a column in bold; published rows cited.

    `dataset` and `only` (models by protocol) narrow it.
    """
    numbers = numbers_of(release)
    rows = [r for r in _summary(numbers, metric=metric, attack="all") if dataset in (None, r["dataset"])]
    rows = [r for r in rows if only is None or r["model"] in only.get(r["protocol"], ())]
    datasets = sorted({r["dataset"] for r in rows})
    scenarios = sorted({r["scenario"] for r in rows if "test" in r["scenario"]})
    protocols = [p for p in PROTOCOLS if any(r["protocol"] == p for r in rows)]
    several = len(datasets) > 1
    body: list[list[str]] = []
    for name in datasets:
        mine = [r for r in rows if r["dataset"] == name]
        models = labels.sort_models(r["model"] for r in mine)
        for protocol in protocols:
            lines = [m for m in models if any(r["model"] == m and r["protocol"] == protocol for r in mine)]

            def key(model: str, scenario: str, name: str = name, protocol: str = protocol) -> str:
                return ".".join((*map(slug, (name, scenario, model, protocol)), metric))

            best = {k for s in scenarios for k in _best(numbers, metric, {m: key(m, s) for m in lines})}
            for model in lines:
                cells = [cell(numbers, key(model, s), bold=key(model, s) in best) for s in scenarios]
                body.append([*([name] if several else []), labels.model(model), protocol, *cells])
        body += [[*([name] if several else []), *cited] for cited in _cited(name, metric, scenarios)]
    header = [*(["Dataset"] if several else []), "Model", "Protocol"]
    header += [scenario_label(numbers, s, None if several else datasets[0]) for s in scenarios]
    return markdown(header, body, left=2 + several)


def _published() -> dict[str, Any]:
    return dict(json.loads(PUBLISHED.read_text(encoding="utf-8")))


def _cited(dataset: str, metric: str, scenarios: Sequence[str]) -> list[list[str]]:
    table = _published()["by_scenario"]
    if (table["dataset"], table["metric"]) != (dataset, metric):
        return []
    return [
        [
            _system(r),
            "zero-shot",
            *(_citation(r["values"].get(s), 3, table["document"]) for s in scenarios),
        ]
        for r in table["rows"]
    ]


def _system(row: dict[str, Any]) -> str:
    return f"[{row['model']} [@{row['cite']}], cited]{{.cited}}"


def _citation(value: float | None, decimals: int, source: str) -> str:
    return NA if value is None else f'[{value:.{decimals}f}]{{.cited data-source="{source}"}}'


def attack_table(release: Source = None, metric: str = "recall", model: str = HEADLINE_MODEL) -> str:
    """One metric of one model by scenario and attack kind, one column per protocol."""
    numbers = numbers_of(release)
    rows = [r for r in _summary(numbers, metric=metric, model=model) if r["attack"] not in ("all", "benign")]
    protocols = [p for p in PROTOCOLS if any(r["protocol"] == p for r in rows)]
    several = len({r["dataset"] for r in rows}) > 1
    body = []
    for dataset, scenario, attack in sorted({(r["dataset"], r["scenario"], r["attack"]) for r in rows}):
        prefix = f"{slug(dataset)}.{slug(scenario)}.{slug(f'attack_{attack}')}.{slug(model)}"
        cells = [cell(numbers, f"{prefix}.{slug(p)}.{metric}") for p in protocols]
        body.append([*([dataset] if several else []), scenario_label(numbers, scenario, dataset), attack, *cells])
    return markdown([*(["Dataset"] if several else []), "Scenario", "Attack", *protocols], body, left=2 + several)


def false_alarm_table(release: Source = None, protocol: str = "zero-shot") -> str:
    """False alarms of each model by scenario over the benign traffic they were counted in, and the rate they bound."""
    numbers = numbers_of(release)
    rows = _summary(numbers, metric="false_alarms", attack="all", protocol=protocol)
    columns = ("false_alarms", "benign_minutes", "false_alarms_per_hour", "false_alarms_per_hour_high")
    body = []
    for dataset, scenario in sorted({(r["dataset"], r["scenario"]) for r in rows if r["scenario"] != "validation"}):
        prefix = f"{slug(dataset)}.{slug(scenario)}"
        models = labels.sort_models(r["model"] for r in rows if (r["dataset"], r["scenario"]) == (dataset, scenario))
        keys = {m: f"{prefix}.{slug(m)}.{slug(protocol)}" for m in models}
        best = _best(numbers, "false_alarms", {m: f"{key}.false_alarms" for m, key in keys.items()})
        for model, key in keys.items():
            cells = [cell(numbers, f"{key}.{c}", bold=f"{key}.{c}" in best) for c in columns]
            body.append([dataset, scenario_label(numbers, scenario, dataset), labels.model(model), *cells])
    header = ["Dataset", "Scenario", "Model", "False alarms", "Benign minutes", "Per hour", "At most per hour"]
    return markdown(header, body, left=3)


def effect_table(release: Source = None, baseline: str = "gbm-baseline", model: str = HEADLINE_MODEL) -> str:
    """F1 of a model minus that of a baseline on the same windows, and whether the interval tells them apart."""
    numbers = numbers_of(release)
    rows = [r for r in _summary(numbers, metric="f1", attack="all", model=model) if "test" in r["scenario"]]
    body = []
    for dataset, scenario in sorted({(r["dataset"], r["scenario"]) for r in rows}):
        for protocol in (p for p in PROTOCOLS if any(r["protocol"] == p for r in rows)):
            key = ".".join(
                (slug(dataset), slug(scenario), f"{slug(model)}_{{}}_{slug(baseline)}", slug(protocol), "f1")
            )
            minus, words = key.format("minus"), key.format("vs")
            if minus in numbers:
                where = [dataset, scenario_label(numbers, scenario, dataset), protocol]
                body.append([*where, cell(numbers, minus), f"{labels.model(model)} {numbers.markdown(words)} it"])
    header = ["Dataset", "Scenario", "Protocol", "Difference in F1", f"Compared with {labels.model(baseline).lower()}"]
    return markdown(header, body, left=3)


def size_table(release: Source = None) -> str:
    """Counted parameters of every model that was trained, those of ablations apart; by dataset where it makes a difference."""
    numbers = numbers_of(release)
    rows = [r for r in numbers.release.trained() if r["parameters"]]
    body = []
    for model in labels.sort_models(r["model"] for r in rows):
        one = f"parameters.{slug(model)}"
        datasets = sorted({r["dataset"] for r in rows if r["model"] == model})
        keys = {"all": one} if one in numbers else {d: f"{slug(d)}.parameters.{slug(model)}" for d in datasets}
        body += [[labels.model(model), dataset, cell(numbers, key)] for dataset, key in keys.items()]
    if all(dataset == "all" for _, dataset, _ in body):
        return markdown(["Model", "Parameters"], [[model, size] for model, _, size in body])
    return markdown(["Model", "Dataset", "Parameters"], body, left=2)


def latency_table(release: Source = None) -> str:
    """Milliseconds a window by stage: median and 99th percentile on one thread."""
    numbers = numbers_of(release)
    pattern = re.compile(r"latency (\S+) p50")
    names = [m[1] for r in numbers.release.table("benchmarks").to_pylist() if (m := pattern.fullmatch(r["name"]))]
    body = []
    for name in sorted(names, key=lambda n: (n == "window", n)):
        title = "whole window" if name == "window" else labels.model(name)
        body.append([title, *(cell(numbers, f"benchmarks.latency_{slug(name)}_{p}") for p in ("p50", "p99"))])
    return markdown(["Stage", "Median (ms)", "99th percentile (ms)"], body)


def first_listed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `datasets` without recordings that an earlier dataset, by name, has listed: datasets that join others repeat them."""
    owners: dict[str, str] = {}
    for row in sorted(rows, key=lambda r: str(r["dataset"])):
        owners.setdefault(row["sha256"], row["dataset"])
    return [row for row in rows if owners[row["sha256"]] == row["dataset"]]


def dataset_table(release: Source = None) -> str:
    """Captures, frames, injected frames, windows and attacked windows by split; test recordings under the first dataset that has them."""
    numbers = numbers_of(release)
    rows = numbers.release.table("datasets").to_pylist()
    tests = first_listed([r for r in rows if r["split"] != "train"])
    own = {(r["dataset"], r["split"]) for r in tests}
    rows = [r for r in rows if (r["dataset"], r["split"]) in own or r["split"] == "train"]
    columns = ("captures", "vehicles", "frames", "injected", "windows", "positives", "seconds")
    body = []
    for dataset, split in sorted({(r["dataset"], r["split"]) for r in rows}):
        prefix = f"{slug(dataset)}.{slug(split)}"
        kinds = {r["data_kind"] for r in rows if r["dataset"] == dataset}
        title = f"{dataset} (synthetic)" if kinds == {"synthetic"} else dataset
        body.append(
            [title, scenario_label(numbers, split, dataset), *(cell(numbers, f"{prefix}.{c}") for c in columns)]
        )
    header = ["Dataset", "Split", "Captures", "Vehicles", "Frames", "Injected", "Windows", "Attacked", "Seconds"]
    return markdown(header, body, left=2)


def hyperparameter_table(release: Source = None) -> str:
    """Every hyper-parameter, in two columns side by side; one that differs between runs (ablations and the published recipe apart) lists all its values."""
    numbers = numbers_of(release)
    values: dict[str, set[str]] = {}
    for r in numbers.hyperparameters:
        values.setdefault(r["name"], set()).add(r["value"])
    rows = [[f"`{n}`", ", ".join(f"`{v}`" for v in sorted(vs))] for n, vs in sorted(values.items())]
    half = -(-len(rows) // 2)
    pairs = [[*left, *right] for left, right in zip_longest(rows[:half], rows[half:], fillvalue=["", ""])]
    return markdown(["Name", "Value", "Name", "Value"], pairs, left=4)


#: tables whose keys a page may show; their traces are written before the page is rendered
ALL: dict[str, Callable[[Source], str]] = {
    table.__name__: table
    for table in (
        main_table,
        attack_table,
        effect_table,
        false_alarm_table,
        size_table,
        latency_table,
        dataset_table,
        hyperparameter_table,
    )
}


def all_tables(release: Source = None) -> dict[str, str]:
    """Every table with its defaults, besides `main_table` for each metric."""
    numbers = numbers_of(release)
    tables = {name: table(numbers.release) for name, table in ALL.items()}
    for metric in sorted({r["metric"] for r in _summary(numbers, attack="all")}):
        tables[f"main_table {metric}"] = main_table(numbers.release, metric)
        tables[f"attack_table {metric}"] = attack_table(numbers.release, metric)
    return tables


def names(text: str) -> list[str]:
    """Keys of the spans in a Markdown text, in order."""
    return [key for key, _ in spans(text)]


def spans(text: str) -> list[tuple[str, str]]:
    """Key and written number of the spans in a Markdown text, in order."""
    return [(key, shown) for shown, key in re.findall(r'\[([^\[\]]*)\]\{\.num data-key="([^"]+)"', text)]
