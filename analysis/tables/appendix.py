"""Tables of the paper's appendix that only a machine would write: checklist, captures, layers, runs, numbers."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from analysis.claims import judged
from analysis.numbers.values import Numbers
from analysis.reference import EQUATIONS, labels
from analysis.reference.format import NA, by_metric, count, enumerate_words
from analysis.reference.queries import query
from analysis.reference.sources import sources, uses
from analysis.tables.results import Source, first_listed, markdown, numbers_of, sister
from kdgat.catalog.datasets import entries, members
from kdgat.paths import REPO

BASELINE = "gbm-baseline"
#: in what a threshold was fitted on: the rate, which differs with the number of windows
_RATE = re.compile(r", (false-positive )?rate [\d.e-]+")


def checklist(release: Source = None) -> str:
    """What a reviewer asks of a machine-learning paper, answered from the release."""
    numbers = numbers_of(release)
    manifest = numbers.release.manifest
    runs = numbers.release.trained()
    configurations = sorted({r["config_hash"] for r in runs})
    captures = numbers.release.table("datasets").to_pylist()
    catalog = entries()

    def distinct(rows: Iterable[dict[str, object]], column: str) -> str:
        return "; ".join(sorted({str(row[column]) for row in rows if row[column]}) or ["not recorded"])

    def code(values: Iterable[str]) -> str:
        return enumerate_words([f"`{value[:10]}`" for value in values])

    def yes(condition: object) -> str:
        return "Yes" if condition else "No"

    points = numbers.release.table("operating_points").to_pylist()
    synthetic = sorted(name for name, entry in manifest["datasets"].items() if entry["data_kind"] == "synthetic")
    terms: dict[str, list[str]] = {}  # as they are written → datasets
    for name in sorted(manifest["datasets"]):
        licences = sorted({catalog[m].get("licence", "see the catalog") for m in members(name)})
        terms.setdefault(enumerate_words(licences or ["made by this project"]), []).append(name)
    contents = len({(row["dataset"], row["sha256"]) for row in captures})
    missing = sorted(set(catalog) - {m for name in manifest["datasets"] for m in members(name)})
    rows = [
        ("Code that made the results is named", f"Yes: commit {code(manifest['code']['commits'])}"),
        ("It had no uncommitted changes", yes(not manifest["code"]["dirty"])),
        ("Versions of all packages are fixed", f"Yes: lock {code(manifest['code']['lock_hashes'])}"),
        ("All runs, ablations apart, used one configuration", f"{yes(len(configurations) == 1)}: {code(configurations)}"),
        ("Every hyper-parameter is listed", f"Yes: {count(len({r['name'] for r in numbers.release.table('hyperparameters').to_pylist()}))}"),
        ("Captures are identified by hash", f"Yes: {count(len({row['sha256'] for row in captures}))} files"),
        ("Their terms of use are stated", f"Yes: {'; '.join(f'{enumerate_words(names)}: {term}' for term, names in terms.items())}"),
        ("Rows that could not be read are counted", f"Yes: {count(sum(row['quarantined'] for row in captures))} set aside"),
        ("No content stands in a dataset twice", f"{yes(contents == len(captures))}: {count(len(captures))} captures, {count(contents)} contents, counted by dataset"),
        ("Scored captures are recorded, not synthetic", f"No: {', '.join(synthetic)}" if synthetic else "Yes; virtual drives are in training alone"),
        ("Datasets of the catalog that are not covered", ", ".join(missing) or "none"),
        ("Seeds", f"{numbers.markdown('release.seeds')} ({', '.join(map(str, manifest['seeds']))})"),
        ("Intervals", f"95 %, {distinct(numbers.summary, 'interval')}, {numbers.markdown('config.bootstrap_draws') if 'config.bootstrap_draws' in numbers else 'n/a'} draws"),
        ("What runs may be selected by", distinct((r for r in runs if r["model"] != BASELINE), "selection_metric")),
        ("What thresholds were fitted on", distinct(({"source": _RATE.sub("", str(p["source"]))} for p in points), "source")),
        ("Readings of the test folders are counted", _readings(numbers)),
        ("A simple baseline stands beside", yes(any(row["model"] == BASELINE for row in runs))),
        ("Computing", f"{numbers.markdown('release.compute_hours')} hours in {numbers.markdown('release.runs')} runs on {numbers.markdown('release.machine')}"),
        ("Weights are published", f"{yes(manifest['weights'])}: {count(len(manifest['weights']))} files, each hashed"),
        ("Results can be checked without training", "Yes: `kdgat reproduce --level render` or `evaluate`"),
    ]  # fmt: skip
    return markdown(["Question", "Answer"], rows, left=2)


def claim_table(release: Source = None) -> str:
    """Every claim of the paper: what it asserts, whether the release bears it out, and by how much."""
    numbers = numbers_of(release)
    body = []
    for j in judged.of_project(numbers, REPO):
        file = j.claim.file.relative_to(REPO)
        if file == Path("paper/index.qmd") or file.parent == Path("paper/sections"):
            margin = "–" if math.isnan(j.verdict.margin) else f"{j.verdict.margin:.3g}"
            row = [f"{file.stem}, line {j.claim.line}", f"`{j.claim.assertion}`", j.verdict.state, margin]
            body.append(row)
    return markdown(["Where", "Asserts", "Borne out", "Margin"], body or [["none", "–", "–", "–"]], left=3)


def equation_table(release: Source = None) -> str:
    """Every equation with the function that it stands for; the same for every release."""
    rows = tomllib.loads(EQUATIONS.read_text(encoding="utf-8"))
    body = [[f"@{label}", f"`{row['function']}`", row["note"]] for label, row in rows.items()]
    return markdown(["Equation", "Function", "What it gives"], body, left=3)


def _readings(numbers: Numbers) -> str:
    if "readings.evaluations" not in numbers:
        return "No"
    evaluations, configurations, commits, first = (
        numbers.markdown(f"readings.{name}") for name in ("evaluations", "configurations", "commits", "first")
    )
    return f"Yes: {evaluations} evaluations, {configurations} configurations, {commits} commits, the first on {first}"


def capture_table(release: Source = None) -> str:
    """Every capture that was read, with what it holds, under the first dataset that has it."""
    rows = first_listed(numbers_of(release).release.table("datasets").to_pylist())
    body = [
        [
            row["dataset"], row["capture"].split("/")[-1].replace("_", "_\u200b"), labels.scenario(row["split"]), row["vehicle"] + sister([row]), row["attack"],
            count(row["frames"]), count(row["injected"]), count(row["ids"]), f"{row['seconds']:.0f}", count(row["windows"]),
            f"`{row['sha256'][:8]}`",
        ]
        for row in rows
    ]  # fmt: skip
    header = [
        "Dataset",
        "Capture",
        "Split",
        "Vehicle",
        "Attack",
        "Frames",
        "Injected",
        "IDs",
        "Seconds",
        "Windows",
        "SHA-256",
    ]
    return markdown(header, body, left=5)


def schedule_table(release: Source = None) -> str:
    """Every recording with attacks that was scored: when they begin, how far a timer gets, and, if any has it, what else has its content."""
    opened = numbers_of(release).release
    listed = first_listed([r for r in opened.table("datasets").to_pylist() if r["split"] != "train"])
    copies = {(r["dataset"], r["capture"]): r["duplicate_of"] for r in listed}
    body = [
        [
            row["dataset"], f"`{row['capture'].split('/')[-1]}`", count(row["bursts"]), f"{row['first_at']:.1f}", f"{row['seconds']:.1f}",
            NA if row["period"] is None else f"{row['period']:.1f}", by_metric("f1", row["timer_f1"]),
            f"`{copy}`" if (copy := copies[row["dataset"], row["capture"]]) else "",
        ]
        for row in opened.rows(query("schedule").sql)
        if (row["dataset"], row["capture"]) in copies
    ]  # fmt: skip
    header = [
        "Dataset",
        "Recording",
        "Attacks",
        "First at (s)",
        "Lasts (s)",
        "Second after (s)",
        "F1 of a timer",
        "Same content as",
    ]
    return markdown(header, body, left=2)


def layer_table(release: Source = None) -> str:
    """Counted parameters by layer (all its weights and biases together), one column per model, of the first dataset that has it."""
    rows = numbers_of(release).release.table("parameters").to_pylist()
    models = labels.sort_models(row["model"] for row in rows)
    counted: dict[str, Counter[str]] = {}  # layer → model → parameters
    for model in models:
        mine = [row for row in rows if row["model"] == model]
        for row in (row for row in mine if row["dataset"] == mine[0]["dataset"]):
            counted.setdefault(_layer(row["layer"]), Counter())[model] += row["count"]
    body = [
        [f"`{layer}`", *(count(by[m]) if m in by else "–" for m in models)] for layer, by in sorted(counted.items())
    ]
    totals = [f"**{count(sum(by[m] for by in counted.values()))}**" for m in models]
    return markdown(["Layer", *map(labels.model, models)], [*body, ["*all*", *totals]])


def _layer(parameter: str) -> str:
    """`convolutions.0.att.weight` → `convolutions.0`, `features.bias` → `features`."""
    first, _, rest = parameter.partition(".")
    second = rest.partition(".")[0]
    return f"{first}.{second}" if second.isdecimal() else first


def _runs(numbers: Numbers) -> dict[tuple[str, ...], list[dict[str, object]]]:
    """Rows of `runs` by what they share but the seed: flow run, dataset, model, preset, commit, kind of data."""
    groups: dict[tuple[str, ...], list[dict[str, object]]] = {}
    rows = numbers.release.table("runs").to_pylist()
    for row in sorted(rows, key=lambda r: (r["dataset"], r["seed"], r["started"], r["run"])):
        flow = "/".join(row["run"].split("/")[:2])
        groups.setdefault((row["dataset"], row["model"], flow, *(row[c] for c in _SHARED)), []).append(row)
    return groups


#: what a run has besides dataset, model and seed
_SHARED = ("preset", "commit", "data_kind")


def run_table(release: Source = None) -> str:
    """Every run: its flow run by its place in the manifest, its task and seconds in the column of its seed; on what and from which code, where runs differ."""
    groups = _runs(numbers_of(release))
    seeds = sorted({r["seed"] for rows in groups.values() for r in rows}, key=lambda seed: int(str(seed)))

    def task(row: dict[str, object]) -> str:
        name = str(row["run"]).removesuffix(f"/{row['model']}").split("/")
        return f"`{'/'.join(name[2:] or name)}` {row['seconds']:.0f} s"

    flows = numbers_of(release).release.manifest["flow_runs"]
    columns: dict[str, list[str]] = {
        "No.": [str(number) for number, _ in enumerate(groups, 1)],
        "Model": [model for _, model, *_ in groups],
        "Dataset": [dataset for dataset, *_ in groups],
        "Flow": [str(1 + flows.index(flow)) for _, _, flow, *_ in groups],
        "Preset": [preset for *_, preset, _, _ in groups],
        "Commit": [f"`{commit[:10]}`" for *_, commit, _ in groups],
        "Data": [kind for *_, kind in groups],
    }
    shared = {name for name in ("Dataset", "Preset", "Commit", "Data") if len(set(columns[name])) == 1}
    body = {name: cells for name, cells in columns.items() if name not in shared}
    for seed in seeds:
        cells = [", ".join(task(r) for r in rows if r["seed"] == seed) for rows in groups.values()]
        body[f"Seed {seed}"] = [cell or "–" for cell in cells]
    return markdown(list(body), list(zip(*body.values(), strict=True)), left=len(body))


def departures_table(release: Source = None) -> str:
    """Where runs, those of ablations and of the published recipe, have other hyper-parameters than the method's: with it, every run's are known."""
    numbers = numbers_of(release)
    position = _positions(numbers)
    usual: dict[str, set[str]] = {}
    for row in numbers.hyperparameters:
        usual.setdefault(row["name"], set()).add(row["value"])
    departures: dict[tuple[str, str], set[int]] = {}
    for row in numbers.release.table("hyperparameters").to_pylist():
        if row["value"] not in usual.get(row["name"], set()):
            departures.setdefault((row["name"], row["value"]), set()).add(position[row["run"]])
    body = [[f"`{name}`", f"`{value}`", ranges(runs)] for (name, value), runs in sorted(departures.items())]
    return markdown(["Name", "Value", "Runs"], body or [["none", "–", "–"]], left=3)


def _positions(numbers: Numbers) -> dict[str, int]:
    """Run → its number in the table of runs."""
    return {str(row["run"]): i for i, rows in enumerate(_runs(numbers).values(), 1) for row in rows}


def ranges(numbers: Iterable[int]) -> str:
    """`1–3, 7`."""
    parts = []
    for _, run in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        values = [value for _, value in run]
        parts.append(str(values[0]) if len(values) == 1 else f"{values[0]}–{values[-1]}")
    return ", ".join(parts)


#: what a number rests on that names no run of its own, by the first segment of its key
_WITHOUT_RUN = {"config": "all", "release": "all", "benchmarks": "benchmarks", "readings": "log of readings"}


def number_table(release: Source = None, keys: Sequence[str] | None = None) -> str:
    """Every number that the sources use: key, value, interval, seeds, and the runs behind it by their number."""
    numbers = numbers_of(release)
    if keys is None:
        keys = sorted({k for k, _, _ in uses(sources(REPO)) if k in numbers})
    position = _positions(numbers)
    body = []
    for key in keys:
        number = numbers[key]
        if number.span:
            seeds = str(number.n_seeds) if number.n_seeds else "–"
            behind = ranges({position[run] for run in numbers.runs(number)}) or _WITHOUT_RUN[key.split(".")[0]]
            body.append([f"`{key}`", numbers.markdown(key), number.interval or "–", seeds, behind])
    return markdown(["Key", "Value", "95 % interval", "Seeds", "Runs"], body, left=1)
