"""`kdgat evaluate`: a release's frozen models, all seeds, on captures that it never saw.

What comes out is marked as no part of the release: it has no place among the numbers that are traced.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from analysis.checks import released
from analysis.reference.format import by_metric, interval
from analysis.releases.release import Release
from kdgat import atomic, records, terminal
from kdgat.captures.reader import OnBadRows
from kdgat.catalog import contents, datasets
from kdgat.catalog.datasets import Capture
from kdgat.dataset import sources
from kdgat.dataset.sources import VIRTUAL
from kdgat.errors import KdgatError
from kdgat.synthetic import judged

if TYPE_CHECKING:
    from analysis.checks.models import Frozen
    from kdgat.dataset.protocols import View
    from kdgat.evaluation.summary import Scored
    from kdgat.graphs.profile import Profile

#: what files without an entry in the catalog are called as a dataset
FILES = "files"
MARK = "not part of the release"
#: metrics of the printed tables
SHOWN = ("f1", "recall_at_fpr_1pct", "roc_auc", "events_found", "alarm_events_far_per_hour")


def captures_below(data: Path, names: Sequence[str]) -> Iterator[Capture]:
    """List captures below `data`: those of the datasets `chosen`, else of every dataset there, else every plain file.

    Raises:
        KdgatError: there is none.
    """
    if not data.exists():
        raise KdgatError(f"no folder or file {data}")
    if VIRTUAL in names:
        yield from (c for c in judged.captures() if c.split != "train")
    if list(names) == [VIRTUAL]:
        return
    entries = [name for name in names if name != VIRTUAL] or [
        name for name in datasets.entries() if data.is_dir() and datasets.files(name, data)
    ]
    for name in entries:
        yield from datasets.captures(name, data)
    if entries:
        return
    files = [data] if data.is_file() else sorted(p for p in data.rglob("*") if p.is_file())
    plain = [p for p in files if not p.name.startswith(".") and p.suffix != ".md"]
    if not plain:
        raise KdgatError(f"no captures in {data}")
    first: dict[str, str] = {}
    for path in plain:
        name = path.relative_to(data).as_posix() if path != data else path.name
        digest, content = datasets.hashes(path)
        twin = original if (original := first.setdefault(content, name)) != name else ""
        vehicle = path.parent.name if path.parent != data and path != data else "unknown"
        yield Capture(FILES, name, vehicle, datasets.kind(path), "test", path, digest, "real", twin)


@dataclass(frozen=True)
class Known:
    """Captures that a release has seen with the models of a dataset.

    Attributes:
        split: sha256 → `train` or the scenario that it was scored in.
        shapes: what `kdgat.dataset.sources.shape` counts in a capture → its name and split.
        trained: name and frames (numbered by `kdgat.catalog.contents.sequence`) of the training captures that are here.
    """

    split: dict[str, str]
    shapes: dict[tuple[Any, ...], tuple[str, str]]
    trained: list[tuple[str, np.ndarray]]

    @staticmethod
    def of(release: Release, dataset: str, captures: Sequence[Capture], on_bad_rows: OnBadRows = "raise") -> Known:
        """Look for the release's training captures among `captures` and where datasets lie; note how many are in neither."""
        rows = [r for r in release.table("datasets").to_pylist() if r["dataset"] == dataset]
        split = {r["sha256"]: r["split"] for r in rows}
        shapes = {tuple(r[c] for c in sources.SHAPE): (r["capture"], r["split"]) for r in rows if r["frames"]}
        here = {c.sha256: c for c in (*_at_home(dataset), *captures) if split.get(c.sha256) == "train"}
        trained = sum(s == "train" for s in split.values())
        if absent := trained - len(here):
            terminal.note(
                f"{absent} of the {trained} training captures of {release.name} not found ($KDGAT_DATA names their folder): "
                "what holds their frames among forged ones is not recognised"
            )
        return Known(split, shapes, [(c.name, _sequence(c.frames(on_bad_rows))) for c in here.values()])

    def reason(self, capture: Capture, frames: pa.Table) -> str:
        """Say why a capture cannot serve; empty if it can."""
        name, split = self.shapes.get(sources.shape(frames), ("", ""))
        copied = f", as {name}" if split and capture.sha256 not in self.split else ""
        if split := self.split.get(capture.sha256, split):
            seen = "the models were trained on it" if split == "train" else f"the release has scored it ({split})"
            return seen + copied
        if capture.duplicate_of:
            return f"the same content as {capture.duplicate_of}"
        own = _sequence(frames)
        for name, sequence in self.trained:
            longer, shorter = sorted((own, sequence), key=len, reverse=True)
            if contents.contains(longer, shorter):
                return f"apart from forged frames it holds those of {name}, which the models were trained on"
        attacked = bool(frames["label"].to_numpy().any())
        if capture.dataset != FILES and capture.attack != "benign" and not attacked:
            return f"an attack ({capture.attack}) by its name, and no frame is labelled: nothing to judge it by"
        return ""


def _sequence(frames: pa.Table) -> np.ndarray:
    from kdgat.captures.frames import Frames

    return contents.sequence(Frames.from_table(frames))


def _at_home(dataset: str) -> list[Capture]:
    """List the training captures of a dataset where datasets lie ($KDGAT_DATA, else `data/raw`); none is no error."""
    try:
        return sources.captures(dataset, train_only=True)
    except KdgatError:
        return []


class Evaluation:
    """Scores captures with the models of several seeds.

    Args:
        seeds: models of each seed.
        classifier: the student whose seeds are an ensemble, too.
        models: names of models; empty: all.
        profile: of the car, for the protocol `profiled`, and the recording that gave it; None: another recording below
            `data`, if there is one.
        data: folder of captures.
    """

    def __init__(
        self,
        seeds: Sequence[Frozen],
        classifier: str,
        models: Sequence[str],
        profile: tuple[str, Profile] | None,
        data: Path,
    ) -> None:
        from analysis.checks.models import ENSEMBLE
        from kdgat.dataset.profiles import Profiles

        self.seeds, self.profile, self.classifier = seeds, profile, classifier
        self.models = [m for m in (*seeds[0].models, ENSEMBLE) if not models or m in models]
        if unknown := [m for m in models if m not in (*seeds[0].models, ENSEMBLE)]:
            choices = ", ".join((*seeds[0].models, ENSEMBLE))
            raise KdgatError(f"the release holds no weights of {unknown[0]!r}; there are {choices}")
        self.profiles = Profiles(seeds[0].config, data if data.is_dir() else None)
        #: (dataset, car or kind of attack, protocol) → for each seed, the captures' names, windows and scores
        self.parts: dict[tuple[str, str, str], list[tuple[str, Any, list[dict[str, np.ndarray]]]]] = {}
        #: sha256 of what was scored → dataset and name
        self.done: dict[str, str] = {}

    def score(self, capture: Capture, frames: pa.Table) -> list[str]:
        """Score one capture under every protocol that it allows; return their names, with what gave the profile."""
        from kdgat.experiment.scoring import scored_windows

        protocols = []
        for protocol, view, source in self._views(capture, frames):
            windows = scored_windows([view.store], self.seeds[0].config)
            per_seed = [s.score(view) for s in self.seeds]
            # virtual cars are many: they are joined by what they are attacked with
            scenario = capture.split if capture.dataset == VIRTUAL else capture.vehicle
            self.parts.setdefault((capture.dataset, scenario, protocol), []).append((capture.name, windows, per_seed))
            protocols.append(f"{protocol} from {source}" if source else protocol)
            if protocol == "zero-shot":
                protocols.append("adapted")  # by `scored`, from the same scores
            self.done[capture.sha256] = f"{capture.dataset}/{capture.name}"
        return protocols

    def _views(self, capture: Capture, frames: pa.Table) -> Iterator[tuple[str, View, str]]:
        """Protocol, windows and, where another recording gave the car's profile, which."""
        from kdgat.dataset.protocols import view
        from kdgat.graphs.features import takes_profile

        config = self.seeds[0].config
        config = config.model_copy(update={"windows": config.windows.model_copy(update={"max_windows": None})})
        for protocol in ("zero-shot", "calibrated", "profiled") if takes_profile(config.features) else ("zero-shot",):
            source, profile = self._known_car(capture, frames) if protocol == "profiled" else ("", None)
            windows = view(capture, frames, config, protocol, known=profile)
            if windows is not None:
                yield protocol, windows, source

    def _known_car(self, capture: Capture, frames: pa.Table) -> tuple[str, Profile | None]:
        """Name the recording that gives the profile of a capture's car, and give it; empty and None where there is none."""
        if self.profile is not None:
            return self.profile
        found = self.profiles.recording(capture, frames) if capture.dataset != FILES else None
        return ("", None) if found is None else (f"{found[0].dataset}/{found[0].name}", found[1])

    def scored(self) -> Iterator[list[Scored]]:
        """Join the captures of each (dataset, car, protocol): a list of one `Scored` per seed, and one of the ensemble."""
        for (dataset, vehicle, protocol), parts in sorted(self.parts.items()):
            per_seed = [self._joined(dataset, vehicle, protocol, parts, i) for i in range(len(self.seeds))]
            groups = [per_seed, *self._ensemble(per_seed)]
            if protocol == "zero-shot":
                groups += self._adapted(groups)
            for group in groups:
                models = [m for m in group[0].scores if m in self.models]
                if models:
                    yield [replace(s, scores={m: s.scores[m] for m in models}) for s in group]

    def _joined(self, dataset: str, vehicle: str, protocol: str, parts: Sequence[Any], number: int) -> Scored:
        from kdgat.experiment.scoring import joined_scores

        seed = self.seeds[number]
        return joined_scores(
            [(name, windows, per_seed[number]) for name, windows, per_seed in parts],
            dataset=dataset,
            scenario=vehicle,
            protocol=protocol,
            seed=seed.seed,
            threshold=lambda model: seed.threshold(model, protocol),
            run=lambda _: f"evaluate/{seed.seed}",
        )

    def _ensemble(self, per_seed: Sequence[Scored]) -> Iterator[list[Scored]]:
        from analysis.checks.models import ENSEMBLE, mean_logit

        if len(per_seed) < 2 or ENSEMBLE not in self.models:
            return
        name = self.classifier
        values = mean_logit([s.scores[name] for s in per_seed])
        point = float(mean_logit([np.array([s.thresholds[name]]) for s in per_seed])[0])
        first = per_seed[0]
        yield [
            replace(
                first, scores={ENSEMBLE: values}, thresholds={ENSEMBLE: point}, runs={ENSEMBLE: "evaluate/ensemble"}
            )
        ]

    def _adapted(self, groups: Sequence[Sequence[Scored]]) -> list[list[Scored]]:
        from kdgat.experiment.scoring import adapted, tell_broken

        config = self.seeds[0].config
        tell_broken(groups[0][0], config)  # the windows of all seeds are the same
        return [[adapted(s, config) for s in group] for group in groups]


def tables(evaluation: Evaluation) -> dict[str, pa.Table]:
    """Tables as in a release: `metrics`, `confusion`, `summary`, `differences`."""
    from kdgat.evaluation.alarms import AlarmRule
    from kdgat.evaluation.summary import metric_rows, pooled
    from kdgat.experiment.join import over_seeds

    config = evaluation.seeds[0].config
    groups = list(evaluation.scored())
    cars: dict[tuple[str, ...], list[list[Scored]]] = {}
    for group in groups:
        cars.setdefault((group[0].dataset, group[0].protocol, *group[0].scores), []).append(group)
    groups += [list(pooled([s for group in together for s in group])) for together in cars.values()]
    judged = [[metric_rows(s, AlarmRule(*config.alarm)) for s in group] for group in groups]
    metrics = [[row for part, _ in seeds for row in part] for seeds in judged]
    results = {
        "metrics": records.table("metrics", [row for rows in metrics for row in rows]),
        "confusion": records.table("confusion", [row for seeds in judged for _, part in seeds for row in part]),
    }
    together = [pair for pair in zip(groups, metrics, strict=True) if pair[0]]
    return results | over_seeds(together, config.bootstrap_draws, config.alarm)


def printed(summary: pa.Table) -> Iterator[str]:
    """Lines of the table on stdout: car, attack, protocol and model with the metrics `SHOWN` and their intervals."""
    from kdgat.models import registry

    rows = [r for r in summary.to_pylist() if r["metric"] in SHOWN]
    kinds: dict[tuple[str, str], set[str]] = {}
    for r in rows:
        kinds.setdefault((r["dataset"], r["scenario"]), set()).add(r["attack"])
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for r in rows:
        here = kinds[r["dataset"], r["scenario"]] - {"all"}
        if len(here) == 1 and r["attack"] != "all":
            continue  # the same windows as all, whose row is named after the attack
        attack = min(here) if len(here) == 1 else r["attack"] if here else "none"
        key = (r["dataset"], r["scenario"], attack, r["protocol"], r["model"])
        within = interval(r["metric"], r["ci_low"], r["ci_high"])
        cells.setdefault(key, {})[r["metric"]] = f"{by_metric(r['metric'], r['mean'])} ({within})"
    yield "| " + " | ".join(("dataset", "car", "attack", "protocol", "model", *SHOWN)) + " |"
    yield "|" + ":--|" * 5 + "--:|" * len(SHOWN)
    order = registry.in_order(key[4] for key in cells)
    for names in sorted(cells, key=lambda k: (*k[:4], order.index(k[4]))):
        yield "| " + " | ".join((*names, *(cells[names].get(metric, "") for metric in SHOWN))) + " |"


def evaders(summary: pa.Table, costs: Mapping[str, float]) -> Iterator[str]:
    """Lines of a table: what each evader gives up, and its windows that each model finds at 1 % false positives.

    Args:
        summary: of the dataset `virtual`.
        costs: evader → share of the plain attack's frames that it does without.
    """
    from kdgat.models import registry

    rows = [r for r in summary.to_pylist() if r["metric"] == "recall_at_fpr_1pct" and r["attack"] == "all"]
    cells = {(r["scenario"], r["protocol"], r["model"]): by_metric(r["metric"], r["mean"]) for r in rows}
    models = registry.in_order(dict.fromkeys(r["model"] for r in rows))
    yield "| evader | frames given up | protocol | " + " | ".join(models) + " |"
    yield "|:--|--:|:--|" + "--:|" * len(models)
    for kind, share in costs.items():
        for protocol in dict.fromkeys(p for scenario, p, _ in cells if scenario == kind):
            values = (cells.get((kind, protocol, model), "") for model in models)
            yield f"| {kind} | {share:.0%} | {protocol} | " + " | ".join(values) + " |"


def keep(folder: Path, release: Release, results: dict[str, pa.Table]) -> None:
    """Write each table as Parquet; its schema says that it is no part of the release.

    Raises:
        KdgatError: the folder cannot be written to.
    """
    about = {"status": MARK, "release": release.name, "manifest_sha256": release.manifest_sha256}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in results.items():
            annotated = table.replace_schema_metadata({**(table.schema.metadata or {}), **about})
            atomic.write_bytes(folder / f"{name}.parquet", records.parquet_bytes(annotated))
    except OSError as error:
        raise KdgatError(f"cannot write {folder}: {error.strerror}") from None


def run(
    release: str | None,
    data: Path,
    *,
    chosen: Sequence[str] = (),
    profile: Path | None = None,
    models: Sequence[str] = (),
    trained_on: str | None = None,
    out: Path = Path("evaluation"),
    on_bad_rows: OnBadRows = "raise",
) -> int:
    """Score captures, print tables per car and attack, write Parquet; return the exit code 0.

    Args:
        release: name of the release; None: the current one.
        data: folder of captures, in a layout of the catalog or plain labelled files.
        chosen: datasets of the catalog; empty: all that are there.
        profile: attack-free recording of the car.
        models: names; empty: all that the release holds.
        trained_on: dataset whose models are used; None: the release's first.
        out: folder of the Parquet files.
        on_bad_rows: what to do with unreadable rows.

    Raises:
        KdgatError: no such release, models or captures, none of them can serve, or `out` cannot be written to.
    """
    atomic.check_folder(out)
    opened = Release.open(release)
    name, _ = released.choose(opened, trained_on, None)
    from analysis.checks.models import Frozen

    seeds = [Frozen.of(opened, name, seed) for seed in released.seeds(opened, name)]
    known_car = _profile(profile, seeds[0], on_bad_rows) if profile is not None else None
    evaluation = Evaluation(seeds, released.classifier(opened, name), models, known_car, data)
    captures = list(captures_below(data, chosen))
    known = Known.of(opened, name, captures, on_bad_rows)
    terminal.note(f"{opened.name}: models trained on {name}, seeds {', '.join(str(s.seed) for s in seeds)}")
    for number, capture in enumerate(captures, 1):
        begin = time.monotonic()
        line = _one(evaluation, known, capture, on_bad_rows)
        terminal.note(
            f"[{number}/{len(captures)}] {capture.dataset}/{capture.name}: {line}, {time.monotonic() - begin:.1f} s"
        )
    if not evaluation.parts:
        raise KdgatError(f"none of the {len(captures)} captures in {data} can serve")
    results = tables(evaluation)
    print(f"{MARK} {opened.name} (manifest sha256 {opened.manifest_sha256})\n")
    print("\n".join(printed(results["summary"])))
    if VIRTUAL in chosen:
        print("\nWhat attackers who know the detector give up, and recall at 1 % false positives:\n")
        print("\n".join(evaders(results["summary"], {kind: cost.share for kind, cost in judged.costs().items()})))
    keep(out, opened, results)
    terminal.note(f"tables in {out}: {', '.join(f'{table}.parquet' for table in results)} ({MARK})")
    return 0


def _one(evaluation: Evaluation, known: Known, capture: Capture, on_bad_rows: OnBadRows) -> str:
    """Score one capture, and say in words what became of it; a file that stands in two datasets is scored once."""
    if other := evaluation.done.get(capture.sha256):
        return f"the same file as {other}, not scored again"
    try:
        frames = capture.frames(on_bad_rows)
        if reason := known.reason(capture, frames):
            return f"cannot serve: {reason}"
        protocols = evaluation.score(capture, frames)
    except KdgatError as error:
        return f"cannot serve: {error}"
    return f"scored ({', '.join(protocols)})" if protocols else "cannot serve: shorter than a window"


def _profile(path: Path, frozen: Frozen, on_bad_rows: OnBadRows) -> tuple[str, Profile]:
    from kdgat.captures.reader import read
    from kdgat.dataset.profiles import of_recording

    return str(path), of_recording(read(path, on_bad_rows=on_bad_rows), frozen.config)
