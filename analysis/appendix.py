"""Tables of the paper's appendix that only a machine would write: checklist, captures, layers, runs, numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from analysis import labels
from analysis.format import count
from analysis.numbers import Numbers
from analysis.phrases import BASELINE
from analysis.release import REPO
from analysis.sources import sources, uses
from analysis.statements import readings as readings_sentence
from analysis.tables import Source, markdown, names, numbers_of
from analysis.wording import enumerate_words
from kdgat.catalog import entries


def checklist(release: Source = None) -> str:
    """What a reviewer asks of a machine-learning paper, answered from the release."""
    numbers = numbers_of(release)
    manifest = numbers.release.manifest
    runs = numbers.release.trained()
    configurations = sorted({r["config_hash"] for r in runs})
    captures = numbers.release.table("datasets").to_pylist()
    known = entries()

    def distinct(rows: Iterable[dict[str, object]], column: str) -> str:
        return enumerate_words(sorted({str(row[column]) for row in rows if row[column]}) or ["not recorded"])

    def code(values: Iterable[str]) -> str:
        return enumerate_words([f"`{value[:10]}`" for value in values])

    def yes(condition: object) -> str:
        return "Yes" if condition else "No"

    points = numbers.release.table("operating_points").to_pylist()
    synthetic = sorted(name for name, entry in manifest["datasets"].items() if entry["data_kind"] == "synthetic")
    licences = [
        f"{name}: {known[name].get('licence', 'see the catalog') if name in known else 'made by this project'}"
        for name in sorted(manifest["datasets"])
    ]
    duplicates = sum(1 for row in captures if row["duplicate_of"])
    missing = sorted(set(known) - set(manifest["datasets"]))
    rows = [
        ("Code that made the results is named", f"Yes: commit {code(manifest['code']['commits'])}"),
        ("It had no uncommitted changes", yes(not manifest["code"]["dirty"])),
        ("Versions of all packages are fixed", f"Yes: lock {code(manifest['code']['lock_hashes'])}"),
        ("All runs, ablations apart, used one configuration", f"{yes(len(configurations) == 1)}: {code(configurations)}"),
        ("Every hyper-parameter is listed", f"Yes: {count(len({r['name'] for r in numbers.release.table('hyperparameters').to_pylist()}))}"),
        ("Captures are identified by hash", f"Yes: {count(len({row['sha256'] for row in captures}))} files"),
        ("Their terms of use are stated", f"Yes: {'; '.join(licences)}"),
        ("Rows that could not be read are counted", f"Yes: {count(sum(row['quarantined'] for row in captures))} set aside"),
        ("Copies of a capture count once", f"Yes: {count(duplicates)} left out"),
        ("Synthetic data is marked", f"Yes: {', '.join(synthetic) or 'none in this release'}"),
        ("Datasets of the catalog that are not covered", ", ".join(missing) or "none"),
        ("Seeds", f"{numbers.markdown('release.seeds')} ({', '.join(map(str, manifest['seeds']))})"),
        ("Intervals", f"95 %, moving blocks, {numbers.markdown('config.bootstrap_draws') if 'config.bootstrap_draws' in numbers else 'n/a'} draws"),
        ("What runs may be selected by", distinct((r for r in runs if r["model"] != BASELINE), "selection_metric")),
        ("What thresholds were fitted on", distinct(points, "source")),
        ("Readings of the test folders are counted", readings_sentence(numbers)),
        ("A simple baseline stands beside", yes(any(row["model"] == BASELINE for row in runs))),
        ("Computing", f"{numbers.markdown('release.compute_hours')} hours in {numbers.markdown('release.runs')} runs on {numbers.markdown('release.machine')}"),
        ("Weights are published", f"{yes(manifest['weights'])}: {count(len(manifest['weights']))} files, each hashed"),
        ("Results can be checked without training", "Yes: `python -m analysis.reproduce --level render` or `evaluate`"),
    ]  # fmt: skip
    return markdown(["Question", "Answer"], rows, left=2)


def capture_table(release: Source = None) -> str:
    """Every capture that was read, with what it holds."""
    rows = numbers_of(release).release.table("datasets").to_pylist()
    body = [
        [
            row["dataset"], f"`{row['capture'].split('/')[-1]}`", labels.scenario(row["split"]), row["vehicle"], row["attack"],
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


def layer_table(release: Source = None) -> str:
    """Counted parameters of every model by layer (all its weights and biases together), of the first dataset that has it."""
    rows = numbers_of(release).release.table("parameters").to_pylist()
    body = []
    for model in labels.sort_models(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        layers: Counter[str] = Counter()
        for row in mine:
            if row["dataset"] == mine[0]["dataset"]:
                layers[".".join(row["layer"].split(".")[:2])] += row["count"]
        body += [[labels.model(model), f"`{layer}`", count(total)] for layer, total in layers.items()]
        body.append([labels.model(model), "*all*", f"**{count(layers.total())}**"])
    return markdown(["Model", "Layer", "Parameters"], body, left=2)


def _runs(numbers: Numbers) -> list[dict[str, object]]:
    """Rows of `runs` in the order of the paper, which numbers them from 1."""
    rows = list(numbers.release.table("runs").to_pylist())
    return sorted(rows, key=lambda r: (r["dataset"], r["seed"], r["started"], r["run"]))


def run_table(release: Source = None) -> str:
    """Every run: what it trained and how long; on what and from which code, where runs differ in it."""
    rows = _runs(numbers_of(release))
    columns: dict[str, list[str]] = {
        "No.": [str(number) for number, _ in enumerate(rows, 1)],
        "Run": [f"`{str(r['run']).removesuffix('/' + str(r['model']))}`" for r in rows],
        "Model": [str(r["model"]) for r in rows],
        "Seed": [str(r["seed"]) for r in rows],
        "Dataset": [str(r["dataset"]) for r in rows],
        "Preset": [str(r["preset"]) for r in rows],
        "Commit": [f"`{str(r['commit'])[:10]}`" for r in rows],
        "Data": [str(r["data_kind"]) for r in rows],
        "Seconds": [f"{r['seconds']:.0f}" for r in rows],
    }
    shared = {name for name in ("Dataset", "Preset", "Commit", "Data") if len(set(columns[name])) == 1}
    shown = {name: cells for name, cells in columns.items() if name not in shared}
    return markdown(list(shown), list(zip(*shown.values(), strict=True)), left=len(shown) - 1)


def ranges(found: Iterable[int]) -> str:
    """`1–3, 7`."""
    parts = []
    for _, run in groupby(enumerate(sorted(found)), lambda pair: pair[1] - pair[0]):
        values = [value for _, value in run]
        parts.append(str(values[0]) if len(values) == 1 else f"{values[0]}–{values[-1]}")
    return ", ".join(parts)


def number_table(keys: Sequence[str] | None = None, release: Source = None) -> str:
    """Every number that the sources use: key, value, interval, seeds, and the runs behind it by their number."""
    numbers = numbers_of(release)
    if keys is None:  # those in sentences that the release chooses too
        used = {k for k, _, _ in uses(sources(REPO))}
        keys = sorted(used | {k for key in used for k in names(numbers.markdown(key))})
    position = {row["run"]: i for i, row in enumerate(_runs(numbers), 1)}
    body = []
    for key in keys:
        number = numbers[key]
        if number.span:
            seeds = str(number.n_seeds) if number.n_seeds else ""
            behind = ranges(position[run] for run in numbers.runs(number))
            body.append([f"`{key}`", numbers.markdown(key), number.interval, seeds, behind])
    return markdown(["Key", "Value", "95 % interval", "Seeds", "Runs"], body, left=1)
