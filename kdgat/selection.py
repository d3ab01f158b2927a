"""Choosing the configuration blind: candidates are scored where no test folder can be opened.

`python -m kdgat.selection` copies the training captures into folders of their own, trains every candidate there, and
scores it by the worst F1 over

- each training car held out of the training (its captures, their attack included, are then an unknown car's),
- 20 seeded virtual vehicles under each of six attack kinds, two of which are in no training data,
- `set_01/…/DoS-1`, another car of another collection, where it is on disk,

each under every protocol. Judged vehicles are drawn as lifelike as the training cars' own windows ask for
(`virtual.LIFELIKE_RANGES`). The winner is written to `data/choice.toml`, from which the preset `paper` is made.
Candidates are screened as students without a teacher and over few epochs: ranking recipes needs less than training
them out. All have about 20,000 windows of virtual vehicles.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from kdgat import atomic, provenance
from kdgat.catalog import datasets
from kdgat.catalog.datasets import Capture
from kdgat.config import CHOICE, PRESETS, Config, override, settings_lines
from kdgat.dataset.sources import captures
from kdgat.errors import KdgatError
from kdgat.front_door import start
from kdgat.runtime import work_folder

DATASET = "hcrl-sa"
#: what a candidate is screened with, over its own settings
BUDGET = {"training.epochs": 4, "training.curriculum": "none"}
#: capture of another car that is judged where it is on disk
JUDGED_CAPTURE = "train_02_with_attacks/DoS-1.csv"
#: kinds that virtual vehicles are judged under; malfunction and systematic are in no training data
JUDGED_ATTACKS = ("dos", "fuzzing", "spoofing", "replay", "malfunction", "systematic")
JUDGED_VEHICLES = 20
JUDGED_SECONDS = 8.0
#: frames a second of the judged virtual vehicles: 60 % of what a bus at 500 kbit/s carries at most
JUDGED_RATE = (1000.0, 2400.0)
#: share of their IDs that come in bursts, which the training cars do not send and other cars do
JUDGED_BURSTS = (0.0, 0.2)

#: candidate → settings over the preset `demo`
_LOAD = {
    "windows.profile_from": "quiet",
    "augmentation.vehicles": 800,
    "augmentation.windows_per_vehicle": 25,
    "augmentation.rate": JUDGED_RATE,
}
_LIFELIKE = _LOAD | {"augmentation.ranges": "lifelike"}
_FEW, _MANY = {"augmentation.bursts": (0.0, 0.08)}, {"augmentation.bursts": JUDGED_BURSTS}
#: no profile for more than half of the vehicles, and fewer windows under attack
_CALM = {"augmentation.profiles": (0.3, 0.55, 0.15), "augmentation.attacked": 0.3}
_MORE = {"augmentation.vehicles": 1600, "augmentation.windows_per_vehicle": 12}
CANDIDATES: dict[str, dict[str, Any]] = {
    "wide": _LOAD | _FEW,
    "lifelike": _LIFELIKE | _FEW,
    "lifelike-bursts": _LIFELIKE | _MANY,
    "lifelike-calm": _LIFELIKE | _MANY | _CALM,
    "lifelike-more": _LIFELIKE | _MANY | _MORE,
}
#: how a threshold may be chosen on validation windows; every candidate is judged with each
OPERATING_POINTS = ("validation", "half")


@dataclass(frozen=True)
class Fold:
    """What is trained on and what is judged.

    Attributes:
        name: `full`, or `<vehicle>-out`.
        root: folder of captures that training sees.
        judged: case → folder of captures it is judged on (dataset, folder); none for `full`'s virtual vehicles.
    """

    name: str
    root: Path
    judged: dict[str, tuple[str, Path]]


def blind_root(folder: Path, root: Path | None) -> list[Fold]:
    """Copies of training captures, one folder of captures a fold; nothing of a test folder is copied or opened.

    Raises:
        KdgatError: a training capture is missing.
    """
    entry = datasets.entries()[DATASET]
    train = [(name, path) for name, split, path in datasets.files(DATASET, root) if split == "train"]
    vehicles = sorted({_vehicle(name) for name, _ in train})
    if len(vehicles) < 2:
        raise KdgatError(
            f"dataset {DATASET}: a blind choice holds out one training car of two or more; see {datasets.root_folder(root) / entry['folder']}"
        )

    def copy(target: Path, wanted: list[tuple[str, Path]]) -> None:
        for name, path in wanted:
            to = target / entry["folder"] / name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)

    judged = {}
    for name, _, path in datasets.files("set_01", root):
        if name == JUDGED_CAPTURE:
            to = folder / "judged" / "set_01" / name
            to.parent.mkdir(parents=True)
            shutil.copyfile(path, to)
            judged["set_01 DoS-1"] = ("set_01", folder / "judged")
    copy(folder / "full", train)
    folds = [Fold("full", folder / "full", judged)]
    for vehicle in vehicles:
        copy(folder / f"{vehicle}-out", [x for x in train if _vehicle(x[0]) != vehicle])
        copy(folder / f"{vehicle}-only", [x for x in train if _vehicle(x[0]) == vehicle])
        case = {f"{vehicle} held out": (DATASET, folder / f"{vehicle}-only")}
        folds.append(Fold(f"{vehicle}-out", folder / f"{vehicle}-out", case))
    return folds


def _vehicle(name: str) -> str:
    return datasets.first_match(datasets.entries()[DATASET]["vehicles"], name)


def virtual_cases(config: Config, vehicles: int = JUDGED_VEHICLES) -> Iterator[tuple[str, Capture]]:
    """(case, drive): judged virtual vehicles, each under each attack; none of them is trained on."""
    from kdgat.captures.frames import Frames
    from kdgat.synthetic import virtual

    ranges = replace(virtual.LIFELIKE_RANGES, rate=JUDGED_RATE, bursts=JUDGED_BURSTS)
    for kind in JUDGED_ATTACKS:
        for number in range(vehicles):
            rng = np.random.default_rng([20_251_122, number])
            seconds = config.windows.profile_seconds
            attacks = virtual.Attacks(kinds=(kind,))
            drive = virtual.drive(number, JUDGED_SECONDS, seconds, [], rng, attacks=attacks, ranges=ranges)
            table = Frames.concat([drive.profile, drive.frames]).to_table()
            name = f"{kind}-{number}"
            yield f"virtual {kind}", Capture(DATASET, name, name, kind, "train", None, "", "synthetic", "", table)


def judge(config: Config, fold: Fold, seed: int) -> list[dict[str, Any]]:
    """Train a candidate's student on one fold; rows of case, protocol, operating point, F1 and ROC-AUC."""
    from sklearn.metrics import roc_auc_score

    from kdgat.dataset.prepare import prepare
    from kdgat.dataset.protocols import scored_store
    from kdgat.evaluation.metrics import f1_score
    from kdgat.experiment.operating_points import operating_points
    from kdgat.experiment.train import fit_gat, gat_scores
    from kdgat.training.session import Session

    prepared = prepare(DATASET, fold.root, config, seed)
    model, _, _ = fit_gat(config, prepared, config.gat_student, seed, Session(f"{fold.name} seed {seed}"))
    scores = gat_scores(model, prepared, prepared.store("validation"))
    points = {
        rule: operating_points(config.model_copy(update={"operating_point": rule}), prepared, scores)
        for rule in OPERATING_POINTS
    }
    cases = [
        (case, c)
        for case, (dataset, root) in fold.judged.items()
        for c in captures(dataset, root)
        if not c.duplicate_of
    ]
    found: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]] = {}
    for case, capture in [*cases, *(virtual_cases(config) if fold.name == "full" else [])]:
        for protocol in points[OPERATING_POINTS[0]]:
            store = scored_store(capture, capture.frames(), config, protocol)
            if store is None:
                continue
            p = gat_scores(model, prepared, store)
            found.setdefault((case, protocol), []).append((np.asarray(store.y).astype(np.int64), p))
    rows = []
    for (case, protocol), parts in found.items():
        y, p = (np.concatenate(x) for x in zip(*parts, strict=True))
        auc = float(roc_auc_score(y, p)) if 0 < y.sum() < len(y) else None
        for rule in OPERATING_POINTS:
            f1 = f1_score(y, points[rule][protocol].alarms(p))
            rows.append({"case": case, "protocol": protocol, "rule": rule, "f1": f1, "roc_auc": auc, "seed": seed})
    return rows


def _cached(name: str, config: Config, fold: Fold, seed: int) -> tuple[str, list[dict[str, Any]]]:
    key = hashlib.sha256(
        "\n".join([config.canonical(), fold.name, str(seed), provenance.code_hash()]).encode()
    ).hexdigest()[:24]
    path = work_folder() / "selection" / f"{name}-{fold.name}-s{seed}-{key}.json"
    if not path.is_file():
        atomic.write_text(path, json.dumps(judge(config, fold, seed)))
    return name, json.loads(path.read_text())


def ranking(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """(candidate, rule) by the worst F1 over cases and protocols, means over seeds; the best first."""
    table: dict[tuple[str, str], dict[tuple[str, str], list[float]]] = {}
    for r in rows:
        cases = table.setdefault((r["candidate"], r["rule"]), {})
        cases.setdefault((r["case"], r["protocol"]), []).append(r["f1"])
    ranked = []
    for (candidate, rule), cases in table.items():
        f1 = {" · ".join(case): float(np.mean(values)) for case, values in cases.items()}
        worst = min(f1, key=f1.__getitem__)
        mean = float(np.mean(list(f1.values())))
        ranked.append(
            {"candidate": candidate, "rule": rule, "worst": f1[worst], "worst_case": worst, "mean": mean, "f1": f1}
        )
    return sorted(ranked, key=lambda r: (-r["worst"], -r["mean"]))


def choose(root: Path | None, seeds: list[int], names: list[str], jobs: int) -> list[dict[str, Any]]:
    """Judge candidates on all folds and seeds; the ranking."""
    folder = work_folder() / "selection" / "blind"
    shutil.rmtree(folder, ignore_errors=True)
    folds = blind_root(folder, root)
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(jobs) as pool:
        tasks = [
            pool.submit(_cached, name, override(PRESETS["demo"], CANDIDATES[name] | BUDGET), fold, seed)
            for seed in seeds
            for name in names
            for fold in folds
        ]
        for n, task in enumerate(as_completed(tasks), 1):
            name, found = task.result()
            rows += [r | {"candidate": name} for r in found]
            worst = min(r["f1"] for r in found if r["rule"] == "half")
            print(f"{n}/{len(tasks)} {name}: worst F1 of the fold at 0.5 {worst:.3f}", flush=True)
    return ranking(rows)


def run(root: Path | None, seeds: str, candidates: str | None, jobs: int) -> int:
    """Judge candidates, print their ranking and write the choice; return the exit code 0.

    Args:
        root: folder of captures; None: $KDGAT_DATA, else data/raw.
        seeds: comma-separated.
        candidates: names, comma-separated; None: all.
        jobs: trainings side by side, one thread each.

    Raises:
        KdgatError: an unknown candidate, seeds that are no numbers, or a missing capture.
    """
    names = candidates.split(",") if candidates is not None else list(CANDIDATES)
    if unknown := set(names) - set(CANDIDATES):
        raise KdgatError(f"no candidate is called {sorted(unknown)[0]!r}; known: {', '.join(CANDIDATES)}")
    try:
        numbers = [int(s) for s in seeds.split(",")]
    except ValueError:
        raise KdgatError(f"seeds are numbers, comma-separated; got {seeds!r}") from None
    ranked = choose(root, numbers, names, jobs)
    for r in ranked:
        print(f"{r['candidate']:16s} {r['rule']:10s} worst {r['worst']:.4f} ({r['worst_case']}), mean {r['mean']:.4f}")
    write_choice(ranked, seeds)
    print(f"wrote {CHOICE}; commit it before the preset `paper` is evaluated")
    return 0


def write_choice(ranked: list[dict[str, Any]], seeds: str) -> None:
    """`data/choice.toml`: the settings that come first in `ranked`, their configuration's hash, and the ranking."""
    best = ranked[0]
    settings = CANDIDATES[best["candidate"]] | {"operating_point": best["rule"]}
    lines = [
        "# Written by `python -m kdgat.selection`: the settings of the preset `paper`, chosen on training captures and",
        "# virtual vehicles alone, before any test capture was scored with them. Scores are F1, the mean over seeds.",
        f"candidate = {json.dumps(best['candidate'])}",
        f'config_hash = "{override(PRESETS["paper"], settings).hash()}"',
        f"seeds = {json.dumps(seeds)}",
        f'commit = "{provenance.commit()}"',
        f"chosen = {datetime.now(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}",
        "",
        *settings_lines(settings),
    ]
    for r in ranked:
        lines += ["", "[[ranking]]", f"candidate = {json.dumps(r['candidate'])}", f"rule = {json.dumps(r['rule'])}"]
        lines += [f"worst = {r['worst']:.4f}", f"mean = {r['mean']:.4f}", "[ranking.f1]"]
        lines += [f"{json.dumps(case, ensure_ascii=False)} = {value:.4f}" for case, value in sorted(r["f1"].items())]
    atomic.write_text(CHOICE, "\n".join(lines) + "\n")


if __name__ == "__main__":
    start("select")
