"""Choosing the configuration blind: candidates are scored where no test folder can be opened.

`kdgat select` leaves each platform out once, a training car and its sisters, trains every candidate on the other cars, and
judges it on

- the captures of the cars left out, their attacks included,
- virtual cars cut from those cars' recordings, and cars drawn from ranges that no candidate trains on, under each kind of
  attack that labels tell of,

each knowing nothing of the car, and with a profile from other traffic of it. The criterion is the mean, over cars, kinds of
attack and both protocols, of recall at 1 % false positives, of candidates that some threshold of `THRESHOLDS` keeps to
`BOUND` alarms an hour; where there are none, of all. Alarms are counted far from attacks in all captures of the cars left
out: attack-free ones may be of a car that does not move. The worst case stands beside it. All candidates are screened with
one seed on the platforms of `SCREENED`, the best two judged with all seeds on all. Then the threshold's rule, the settings
of the protocol `adapted` and the k-of-n of alarms are chosen from the same scores. The choice is written to
`data/choice.toml`, from which the presets `paper` and `demo` are made.

Candidates are trained as students without a teacher and without a curriculum, otherwise as the preset `paper` would: a
shorter training has fewer false alarms. Captures that match `KEPT_OUT` are left for the end.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from kdgat import atomic, provenance
from kdgat.catalog import datasets
from kdgat.catalog.contents import relation
from kdgat.catalog.datasets import Capture, absolute_root
from kdgat.config import Adaptation, Augmentation, Config, override
from kdgat.dataset.sources import benign_identifiers, captures
from kdgat.errors import KdgatError
from kdgat.evaluation import adaptation
from kdgat.evaluation.alarms import SINGLE, AlarmRule, found_at_cost, rising
from kdgat.evaluation.metrics import f1_score
from kdgat.evaluation.scored import ScoredWindows, joined
from kdgat.experiment.plan import seed_numbers
from kdgat.front_door import start
from kdgat.presets import CHOICE, PRESETS, THRESHOLDS, settings_lines
from kdgat.runtime import work_folder

#: whose training cars are left out, platform by platform
DATASET = "universal"
#: training captures that no choice sees: they are tests of models that left their car out
KEPT_OUT = re.compile(r"accessory-2|targeted_payload_fuzzing-2|untargeted_payload_fuzzing-1")
#: cars whose platforms all candidates are judged on
SCREENED = ("soul", "impala")
#: what candidates are judged with, over their own settings: no autoencoder is trained here
ALONE = {"training.curriculum": "none"}

#: what all candidates have, over the preset `demo`
_BASE: dict[str, Any] = {
    "features": "memory",
    "gat_student.readout": "mean-max-min",
    "gat_teacher.readout": "mean-max-min",
    "augmentation.kind": "drives",
    "augmentation.vehicles": 1000,
    "augmentation.bursts": (0.0, 0.08),
    "windows.profile_from": "quiet",
    "windows.balance": "vehicle",
    "windows.causal": True,
}
#: what the choice before this one added: fewer evaders, senders that are awake, fewer attacked windows
_BEFORE = _BASE | {"augmentation.evaders": 0.1, "augmentation.waking": 0.2, "augmentation.attacked": 0.3}
#: what a frame's bytes are against those before it: cars that move show other values than the cars of attack-free recordings
_STEADY = {"windows.hidden": ("jump", "new_bits", "out_of_range")}
#: nor what the ranges and bits of a profile say: a parked car's are not those of the car that drives
_UNRANGED = {"windows.hidden": (*_STEADY["windows.hidden"], "profile_new_bits", "profile_out_of_range")}
#: nor any other column of a frame that reads its bytes
_TIMING = {
    "windows.hidden": (
        *("flips", "flip_excess", "broken_counters", "dlc_change", "profile_dlc"),
        *_UNRANGED["windows.hidden"],
    )
}
#: cars that are parked at first, and drives that are cut from what lies between attacks, in which cars drive
_PARKED = {"augmentation.parked": 0.5}
_DRIVEN = {"augmentation.cut_from": "all"}
#: candidate → settings over the preset `demo`
CANDIDATES: dict[str, dict[str, Any]] = {
    "before": _BEFORE,
    "steady": _BEFORE | _STEADY,
    "unranged-driven-parked": _BEFORE | _UNRANGED | _DRIVEN | _PARKED,
    "timing-parked": _BEFORE | _TIMING | _PARKED,
    "timing-driven": _BEFORE | _TIMING | _DRIVEN,
    "timing-driven-parked": _BEFORE | _TIMING | _DRIVEN | _PARKED,
}
#: how an operating point may follow the stream
ADAPTATIONS = [
    Adaptation(multiple=multiple, floor=floor)
    for multiple, floor in product((3.0, 4.0, 6.0, 8.0), (0.25, 0.5, 1.0, 2.0))
]
#: when an alarm may sound
ALARMS = (SINGLE, AlarmRule(2, 3), AlarmRule(3, 5))
#: alarms an hour far from attacks, on cars left out, that a threshold's rule may cost, and a k-of-n
BOUND, EVENT_BOUND = 30.0, 5.0
#: share of benign windows over the threshold that recall is taken at
RATE = 0.01

#: judged virtual cars: a share of identifiers sent in bursts that no candidate trains on, always with a clean profile
_JUDGED = Augmentation(kind="drives", bursts=(0.1, 0.3), profiles=(1.0, 0.0, 0.0), strikes=(3, 5), waking=0.35)
_SEED = 20_261_128
#: share of an attack-free capture that its own profile is taken from; the rest is scored
_PROFILED_SHARE = 1 / 3
PROTOCOLS = ("zero-shot", "profiled")
#: what is judged: the car's own captures, virtual cars cut from them, drawn cars
SOURCES = ("captures", "cut", "drawn")


@dataclass(frozen=True)
class Fold:
    """What is trained on and what is judged.

    Attributes:
        cars: that are left out, each with the folder of its own training captures.
        root: folder of the other cars' training captures.
    """

    cars: Mapping[str, Path]
    root: Path

    @property
    def name(self) -> str:
        """The cars left out."""
        return "+".join(self.cars)


@dataclass(frozen=True)
class Case:
    """Scored windows of one recording.

    Attributes:
        car: that was left out.
        source: one of `SOURCES`.
        family: kind of attack, `benign` for none.
        protocol: one of `PROTOCOLS`.
        windows: n of them.
        scores: P(attack), f64[n].
    """

    car: str
    source: str
    family: str
    protocol: str
    windows: ScoredWindows
    scores: np.ndarray


@dataclass(frozen=True)
class Trial:
    """A candidate trained on one fold with one seed.

    Attributes:
        fold: name of the fold.
        cases: what it was judged on.
        points: rule of `THRESHOLDS` → protocol → threshold; without rules that the validation windows are too few for.
    """

    candidate: str
    fold: str
    seed: int
    cases: list[Case]
    points: dict[str, dict[str, float]]


def blind_root(folder: Path, root: Path | None) -> list[Fold]:
    """Link training captures into folders of their own, one of each car and one of all other platforms; no test folder is
    linked or opened.

    Raises:
        KdgatError: there are captures of fewer than two platforms.
    """
    train: list[tuple[str, str, str, Path]] = []
    for member in datasets.members(DATASET):
        entry = datasets.entries()[member]
        for name, split, path in datasets.files(member, root):
            if split == "train" and not KEPT_OUT.search(name):
                train.append((datasets.first_match(entry["vehicles"], name), entry["folder"], name, path))

    def linked(name: str, cars: Collection[str]) -> Path:
        for car, member, capture, path in train:
            if car in cars:
                to = folder / name / member / capture
                to.parent.mkdir(parents=True, exist_ok=True)
                to.symlink_to(path.resolve())
        return folder / name

    own = {car: linked(f"{car}-only", [car]) for car in dict.fromkeys(car for car, *_ in train)}
    sent = {car: _identifiers(judged) for car, judged in own.items()}
    platforms: list[list[str]] = []
    for car, ids in sent.items():
        sisters = [p for p in platforms if any(relation(ids, sent[other]) != "other" for other in p)]
        platforms = [p for p in platforms if p not in sisters] + [[*(c for p in sisters for c in p), car]]
    if len(platforms) < 2:
        raise KdgatError(
            f"dataset {DATASET}: a blind choice leaves out one platform of two or more, and there are captures of "
            f"{' and '.join(own) or 'none'} in {datasets.root_folder(root)}"
        )
    return [
        Fold({car: own[car] for car in platform}, linked(f"{'+'.join(platform)}-out", set(own) - set(platform)))
        for platform in platforms
    ]


def _captures(judged: Path) -> list[Capture]:
    """Captures of a folder, each content once."""
    members = [m for m in datasets.members(DATASET) if datasets.files(m, judged)]
    return [c for member in members for c in captures(member, judged) if not c.duplicate_of]


def _identifiers(judged: Path) -> frozenset[int]:
    """Identifiers that a car sends, in whichever of its captures."""
    return frozenset().union(*(benign_identifiers(c.frames()) for c in _captures(judged)))


def recordings(car: str, judged: Path, config: Config) -> Iterator[tuple[str, str, Any, Any, Any]]:
    """Give (source, family, frames, profile, frames scored with the profile) of all that is judged of a car left out."""
    from kdgat.captures.frames import Frames
    from kdgat.dataset.profiles import of_recording
    from kdgat.synthetic import attacks, drives, forging

    own = [(c, Frames.from_table(c.frames())) for c in _captures(judged)]
    benign = [frames for c, frames in own if c.attack == "benign"]
    calm = max(benign, key=len, default=Frames.empty(0))
    for c, frames in own:
        if c.attack == "benign":
            cut = int(len(frames) * _PROFILED_SHARE)
            profile = of_recording(frames.slice(0, cut).to_table(), config)
            yield "captures", "benign", frames, profile, frames.slice(cut, len(frames))
        else:
            yield "captures", c.attack, frames, of_recording(calm.to_table(), config), frames
    kinds = [kind for kind in forging.KINDS if kind not in attacks.UNLABELLED]
    for number, (kind, source) in enumerate(product(kinds, SOURCES[1:])):
        rng = np.random.default_rng([_SEED, number])
        drive = drives.drive(
            number, {car: benign}, _JUDGED, config.windows.size, rng, (kind,), cut=float(source == "cut")
        )
        assert drive.profile is not None
        yield source, kind, drive.frames, of_recording(drive.profile.to_table(), config), drive.frames


def judge(candidate: str, config: Config, fold: Fold, seed: int) -> Trial:
    """Train a candidate's student on one fold, and score what it is judged on, car by car."""
    from kdgat.dataset.prepare import prepare
    from kdgat.experiment.operating_points import operating_points
    from kdgat.experiment.scoring import scored_windows
    from kdgat.experiment.train import fit_gat, gat_scores
    from kdgat.graphs.splits import starts
    from kdgat.graphs.store import GraphStore
    from kdgat.training.session import Session

    prepared = prepare(DATASET, fold.root, config, seed)
    model, _, _ = fit_gat(
        config, prepared, config.gat_student, seed, Session(f"{candidate} without {fold.name} seed {seed}")
    )
    on_validation = gat_scores(model, prepared, prepared.store("validation"))
    points = {}
    for rule, settings in THRESHOLDS.items():
        try:
            chosen = operating_points(override(config, settings), prepared, on_validation)
        except KdgatError:  # too few benign validation windows for so low a rate
            continue
        points[rule] = {protocol: chosen[protocol].threshold for protocol in PROTOCOLS}
    cases = []
    for car, judged in fold.cars.items():
        for source, family, frames, profile, rest in recordings(car, judged, config):
            for protocol, known, scored in zip(PROTOCOLS, (None, profile), (frames, rest), strict=True):
                begins = starts(len(scored), config.windows.size, config.windows.stride)
                parts = [("judged", family, scored.to_table(), begins)]
                store = GraphStore.build(parts, config.windows.size, config.features, [known])
                scores = gat_scores(model, prepared, store)
                cases.append(Case(car, source, family, protocol, scored_windows([store], config), scores))
    return Trial(candidate, fold.name, seed, cases, points)


def _cached(candidate: str, config: Config, fold: Fold, seed: int) -> Trial:
    key = "\n".join([config.canonical(), fold.name, str(seed), provenance.code_hash()])
    digest = hashlib.sha256(key.encode()).hexdigest()[:24]
    path = work_folder() / "selection" / f"{candidate}-{fold.name}-s{seed}-{digest}.npz"
    if not path.is_file():
        trial = judge(candidate, config, fold, seed)
        head = {"points": trial.points, "cases": [[c.car, c.source, c.family, c.protocol] for c in trial.cases]}
        columns = {
            f"{i}.{f.name}": getattr(c.windows, f.name)
            for i, c in enumerate(trial.cases)
            for f in fields(ScoredWindows)
        }
        columns |= {f"{i}.scores": c.scores for i, c in enumerate(trial.cases)}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, head=np.array(json.dumps(head)), **columns)
        atomic.write_bytes(path, buffer.getvalue())
    with np.load(path, allow_pickle=False) as data:
        head = json.loads(str(data["head"]))
        cases = [
            Case(
                car, source, family, protocol,
                ScoredWindows(*(data[f"{i}.{f.name}"] for f in fields(ScoredWindows))),
                data[f"{i}.scores"],
            )
            for i, (car, source, family, protocol) in enumerate(head["cases"])
        ]  # fmt: skip
    return Trial(candidate, fold.name, seed, cases, head["points"])


def recalls(trial: Trial) -> dict[str, float]:
    """Case `car source family · protocol` → recall at `RATE`; its threshold is over all far windows of car, source and protocol."""
    out = {}
    for cases in _grouped(trial, PROTOCOLS):
        limit = np.quantile(np.concatenate([c.scores[c.windows.far()] for c in cases]), 1 - RATE, method="higher")
        for family in dict.fromkeys(c.family for c in cases):
            attacked = np.concatenate([c.scores[c.windows.y == 1] for c in cases if c.family == family])
            if len(attacked):
                out[f"{cases[0].car} {cases[0].source} {family} · {cases[0].protocol}"] = float(
                    np.mean(attacked > limit)
                )
    return out


def _grouped(trial: Trial, protocols: Sequence[str]) -> list[list[Case]]:
    """Cases of one car, source and protocol each."""
    groups: dict[tuple[str, str, str], list[Case]] = {}
    for case in trial.cases:
        if case.protocol in protocols:
            groups.setdefault((case.car, case.source, case.protocol), []).append(case)
    return list(groups.values())


def f1s(trial: Trial, rule: str, settings: Adaptation | None = None) -> float:
    """Mean F1 over sources and families at a rule's thresholds; with `settings`, of margins over what follows the stream."""
    values = []
    for group in _grouped(trial, PROTOCOLS if settings is None else PROTOCOLS[:1]):
        cases = [c for c in group if c.family != "benign"]
        for family in dict.fromkeys(c.family for c in cases):
            parts = [c for c in cases if c.family == family]
            over = np.concatenate([_over(trial, c, rule, settings) for c in parts])
            values.append(f1_score(np.concatenate([c.windows.y for c in parts]), over))
    return float(np.mean(values))


def alarms_an_hour(trials: Iterable[Trial], rule: str, settings: Adaptation | None = None) -> float:
    """Alarm events an hour far from attacks in captures of the cars left out, both protocols, or adapted alone."""
    events, seconds = 0, 0.0
    for trial in trials:
        for c in trial.cases:
            if c.source == "captures" and (settings is None or c.protocol == PROTOCOLS[0]):
                far = c.windows.far()
                events += int((rising(c.windows.recording, _over(trial, c, rule, settings)) & far).sum())
                seconds += float(c.windows.duration[far].sum())
    return events / seconds * 3600 if seconds else 0.0


def _over(trial: Trial, case: Case, rule: str, settings: Adaptation | None) -> np.ndarray:
    """Which windows are over the operating point, bool[n]."""
    threshold = trial.points[rule][case.protocol]
    if settings is None:
        return case.scores >= threshold
    return adaptation.margins(case.windows, case.scores, threshold, settings) >= adaptation.POINT.threshold


def events_found(trial: Trial, alarm: AlarmRule) -> float:
    """Share of attack events found at `EVENT_BOUND` alarms an hour far from attacks, mean over protocols; without drawn cars."""
    shares = []
    for protocol in PROTOCOLS:
        cases = [c for c in trial.cases if c.protocol == protocol and c.source != "drawn"]
        scores = np.concatenate([c.scores for c in cases])
        shares.append(found_at_cost(joined([c.windows for c in cases]), scores, alarm, EVENT_BOUND))
    return float(np.nanmean(shares))


def ranking(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Rank candidates by mean recall over cases, means over seeds; those within `BOUND` first, the best before the others."""
    ranked = []
    for candidate in dict.fromkeys(t.candidate for t in trials):
        own = [t for t in trials if t.candidate == candidate]
        table: dict[str, list[float]] = {}
        for trial in own:
            for case, value in recalls(trial).items():
                table.setdefault(case, []).append(value)
        recall = {case: float(np.mean(values)) for case, values in table.items()}
        worst = min(recall, key=recall.__getitem__)
        ranked.append(
            {
                "candidate": candidate,
                "mean": float(np.mean(list(recall.values()))),
                "worst": recall[worst],
                "worst_case": worst,
                "alarms": min(alarms_an_hour(own, rule) for rule in _resolved(own)),
                "cars": len({c.car for t in own for c in t.cases}),
                "seeds": len({t.seed for t in own}),
                "recall": recall,
            }
        )
    return sorted(ranked, key=lambda r: (r["alarms"] > BOUND, -r["mean"]))


def _resolved(trials: Sequence[Trial]) -> list[str]:
    """Rules of `THRESHOLDS` that the validation windows of all trials are enough for."""
    return [rule for rule in THRESHOLDS if all(rule in t.points for t in trials)]


def _best(costs: Sequence[tuple[Any, float, float]]) -> Any:
    """Of (name, worth, alarms an hour): the greatest worth within `BOUND`, or the fewest alarms where none is."""
    within = [c for c in costs if c[2] <= BOUND]
    return max(within, key=lambda c: c[1])[0] if within else min(costs, key=lambda c: c[2])[0]


def points_of(trials: Sequence[Trial]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Choose the threshold's rule, the settings of `adapted` and the k-of-n of the winner's trials; settings and a table."""
    costs = [
        (rule, float(np.mean([f1s(t, rule) for t in trials])), alarms_an_hour(trials, rule))
        for rule in _resolved(trials)
    ]
    rule = _best(costs)
    table = [{"what": "threshold", "name": n, "worth": w, "alarms": a} for n, w, a in costs]
    following = [
        (s, float(np.mean([f1s(t, rule, s) for t in trials])), alarms_an_hour(trials, rule, s)) for s in ADAPTATIONS
    ]
    settings = _best(following)
    table += [
        {"what": "adapted", "name": f"multiple {s.multiple:g}, floor {s.floor:g}", "worth": w, "alarms": a}
        for s, w, a in following
    ]
    shares = {alarm: float(np.mean([events_found(t, alarm) for t in trials])) for alarm in ALARMS}
    alarm = max(shares, key=shares.__getitem__)
    table += [
        {"what": "alarm", "name": f"{a.k} of {a.n}", "worth": worth, "alarms": EVENT_BOUND}
        for a, worth in shares.items()
    ]
    chosen = THRESHOLDS[rule] | {
        "adaptation.multiple": settings.multiple,
        "adaptation.floor": settings.floor,
        "alarm": (alarm.k, alarm.n),
    }
    return chosen, table


def _judged(
    names: Sequence[str], folds: Sequence[Fold], seeds: Sequence[int], pool: ProcessPoolExecutor
) -> list[Trial]:
    """Judge candidates on folds, each with all seeds."""
    tasks = [
        pool.submit(_cached, name, override(PRESETS["demo"], CANDIDATES[name] | ALONE), fold, seed)
        for seed in seeds
        for fold in folds
        for name in names
    ]
    trials = []
    for n, task in enumerate(as_completed(tasks), 1):
        trial = task.result()
        trials.append(trial)
        mean = float(np.mean(list(recalls(trial).values())))
        print(f"{n}/{len(tasks)} {trial.candidate}, without {trial.fold}: mean recall {mean:.4f}", flush=True)
    return trials


def choose(root: Path | None, seeds: Sequence[int], names: Sequence[str], jobs: int) -> dict[str, Any]:
    """Screen candidates, judge the best two on all platforms with all seeds, and choose the winner's operating points."""
    folder = work_folder() / "selection" / "blind"
    shutil.rmtree(folder, ignore_errors=True)
    folds = blind_root(folder, root)
    screened = [f for f in folds if f.cars.keys() & set(SCREENED)] or folds[:2]
    with ProcessPoolExecutor(jobs) as pool:
        screening = ranking(_judged(names, screened, seeds[:1], pool))
        finalists = [r["candidate"] for r in screening[:2]]
        trials = _judged(finalists, folds, seeds, pool)
    final = ranking(trials)
    settings, table = points_of([t for t in trials if t.candidate == final[0]["candidate"]])
    return {"screening": screening, "ranking": final, "settings": settings, "points": table}


def run(root: Path | None, seeds: str, candidates: str | None, jobs: int) -> int:
    """Judge candidates, print their ranking and write the choice; return the exit code 0.

    Args:
        root: folders of captures; None: $KDGAT_DATA, else data/raw.
        seeds: comma-separated; candidates are screened with the least.
        candidates: names, comma-separated; None: all.
        jobs: trainings side by side, one thread each.

    Raises:
        KdgatError: an unknown candidate, seeds that are no numbers from 0 on, no jobs, a folder that is not there, or
            missing captures.
    """
    names = list(dict.fromkeys(candidates.split(","))) if candidates is not None else list(CANDIDATES)
    if unknown := set(names) - set(CANDIDATES):
        raise KdgatError(f"no candidate is called {sorted(unknown)[0]!r}; known: {', '.join(CANDIDATES)}")
    if jobs < 1:
        raise KdgatError(f"jobs are 1 or more, got {jobs}")
    numbers = seed_numbers(seeds)
    folders = absolute_root(root)
    choice = choose(folders, numbers, names, jobs)
    for r in [*choice["screening"], *choice["ranking"]]:
        print(
            f"{r['candidate']:26s} {r['cars']} cars, {r['seeds']} seeds: mean {r['mean']:.4f}, worst {r['worst']:.4f} "
            f"({r['worst_case']}), {r['alarms']:.1f} alarms an hour at best"
        )
    for row in choice["points"]:
        print(f"{row['what']:10s} {row['name']:24s} {row['worth']:.4f}, {row['alarms']:.1f} alarms an hour")
    write_choice(choice, ",".join(map(str, numbers)))
    print(f"wrote {CHOICE}; commit it before the preset `paper` is evaluated")
    return 0


def write_choice(choice: dict[str, Any], seeds: str) -> None:
    """Write `data/choice.toml`: the settings chosen, their configuration's hash, and what they were chosen by."""
    best = choice["ranking"][0]
    settings = CANDIDATES[best["candidate"]] | choice["settings"]
    lines = [
        "# Written by `python -m kdgat.selection`: the settings of the presets `paper` and `demo`, chosen on training captures",
        "# and virtual cars alone, before any test capture was scored with them. Recall is at 1 % false positives, the mean",
        "# over seeds; alarms are events an hour far from attacks, on captures of cars left out.",
        f"candidate = {json.dumps(best['candidate'])}",
        f'config_hash = "{override(PRESETS["paper"], settings).hash()}"',
        f"seeds = {json.dumps(seeds)}",
        f'commit = "{provenance.commit()}"',
        f"chosen = {datetime.now(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}",
        "",
        *settings_lines(settings),
    ]
    for row in choice["points"]:
        lines += [
            "",
            "[[points]]",
            *(f"{k} = {json.dumps(round(v, 4) if k != 'what' and k != 'name' else v)}" for k, v in row.items()),
        ]
    for table in ("screening", "ranking"):
        for r in choice[table]:
            lines += ["", f"[[{table}]]"]
            for key in ("candidate", "cars", "seeds", "mean", "worst", "worst_case", "alarms"):
                value = r[key]
                lines.append(
                    f"{key} = {json.dumps(round(value, 4) if isinstance(value, float) else value, ensure_ascii=False)}"
                )
            lines.append(f"[{table}.recall]")
            lines += [f"{json.dumps(c, ensure_ascii=False)} = {v:.4f}" for c, v in sorted(r["recall"].items())]
    atomic.write_text(CHOICE, "\n".join(lines) + "\n")


if __name__ == "__main__":
    start("select")
