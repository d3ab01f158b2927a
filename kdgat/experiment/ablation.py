"""What each part of the method is worth: the headline model with one factor changed at a time, at equal budget.

Reference is the distilled student of the configuration, trained on a part of the virtual vehicles and epochs (`BUDGET`), with
the teacher's logits and the VGAE's errors computed once per seed. Variants that need other graphs (features, virtual
vehicles) have no teacher of their own and are compared with the student that has none either. One factor is of gradient
boosting, which sees columns that the configuration hides from networks.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from kdgat import atomic, provenance, records
from kdgat.config import Config, FeatureSet, override
from kdgat.dataset.prepare import Prepared, made_of, prepare
from kdgat.dataset.protocols import scored_store
from kdgat.dataset.sources import data_hash, test_captures
from kdgat.errors import KdgatError
from kdgat.evaluation.differences import holm
from kdgat.evaluation.methods import METHOD
from kdgat.evaluation.metrics import f1_score
from kdgat.evaluation.scored import ScoredWindows
from kdgat.evaluation.stratified import Resampled, Values, apart, whole
from kdgat.experiment.operating_points import operating_points
from kdgat.experiment.readings import log_reading, readings
from kdgat.experiment.scoring import scored_windows
from kdgat.experiment.stages import Stage
from kdgat.experiment.task import Recorder, Tables, Task
from kdgat.experiment.train import fit_gat, gat_scores, seed_of, train_gat, train_vgae
from kdgat.graphs.features import FEATURES, OF_PAYLOAD
from kdgat.graphs.store import GraphStore
from kdgat.models.baselines import boosting_memory
from kdgat.models.layers import count_parameters
from kdgat.records import HEADLINE_MODEL
from kdgat.runtime import work_folder
from kdgat.tracking.trackers import learned_from
from kdgat.training.session import Rows, last

BOOSTING = "gbm-memory-baseline"
#: that levels are compared by
METRICS = ("f1", "recall_at_fpr_1pct")
#: settings over the configuration's own: ranking factors needs less than training them out
BUDGET: dict[str, Any] = {"augmentation.vehicles": 400, "training.epochs": 3}

_ALONE = {"training.curriculum": "none"}


@dataclass(frozen=True)
class Variant:
    """One level of one factor.

    Attributes:
        factor, level: what was changed to what.
        settings: over the reference's.
        teaching: what is trained: a student `distilled` from the reference's teacher, one `alone`, without any, or `boosting`.
        reference: it is the reference of its factor.
    """

    factor: str
    level: str
    settings: dict[str, Any] = field(default_factory=dict)
    teaching: Literal["distilled", "alone", "boosting"] = "distilled"
    reference: bool = False

    @property
    def of(self) -> str:
        """The model that it is a variant of."""
        return BOOSTING if self.teaching == "boosting" else HEADLINE_MODEL

    @property
    def model(self) -> str:
        """What its run is called."""
        return f"{self.of} ({self.factor}: {self.level})"

    @property
    def trained_as(self) -> tuple[str, str]:
        """Variants that are trained alike share this; references of several factors are trained once."""
        return str(sorted(self.settings.items())), self.teaching


def _factor(factor: str, path: str, reference: str, levels: Sequence[str]) -> list[Variant]:
    return [Variant(factor, reference, reference=True), *(Variant(factor, v, {path: v}) for v in levels)]


def _alone(factor: str, reference: str, levels: dict[str, dict[str, Any]]) -> list[Variant]:
    """A factor whose levels have no teacher."""
    varied = [Variant(factor, level, _ALONE | settings, "alone") for level, settings in levels.items()]
    return [Variant(factor, reference, _ALONE, "alone", reference=True), *varied]


def _deep(hidden: int) -> dict[str, Any]:
    """A classifier of a teacher's size: 32 per head is this project's, 42 the published one's."""
    return {"hidden": hidden, "layers": 3, "mlp": (128,)}


VARIANTS: tuple[Variant, ...] = (
    Variant("distillation", "from the teacher", reference=True),
    Variant("distillation", "none", teaching="alone"),
    *_factor("curriculum", "training.curriculum", "vgae", ["random", "sampled"]),
    Variant("edge features", "used", reference=True),
    Variant("edge features", "unused", {"gat_student.edge_features": False}),
    *_factor("ID encoding", "gat_student.id_encoding", "none", ["lookup", "unknown", "hashed", "masked"]),
    *_factor("convolution", "gat_student.convolution", "gatv2", ["gat", "gps"]),
    *_factor("jumping knowledge", "gat_student.jumping_knowledge", "cat", ["none", "max", "lstm"]),
    Variant("width", "16 per head", reference=True),
    Variant("width", "8 per head", {"gat_student.hidden": 8}),
    Variant("width", "4 per head", {"gat_student.hidden": 4}),
    Variant("width without a teacher", "16 per head", _ALONE, "alone", reference=True),
    Variant("width without a teacher", "8 per head", _ALONE | {"gat_student.hidden": 8}, "alone"),
    Variant("width without a teacher", "4 per head", _ALONE | {"gat_student.hidden": 4}, "alone"),
    *(
        Variant(
            "width without a teacher", f"{hidden} per head, 3 layers", _ALONE | {"gat_student": _deep(hidden)}, "alone"
        )
        for hidden in (32, 42)
    ),
    *_alone("features", "memory", {v: {"features": v} for v in ("profile", "relative", "published")}),
    *_alone("virtual cars", "mixed in", {"none": {"augmentation.vehicles": 0}}),
    *_alone("gaps of virtual attacks", "0.2 ms to 3 s", {"0.4 to 3 ms": {"augmentation.gaps": (0.4e-3, 3e-3)}}),
    *_alone("attacked virtual windows", "the configuration's", {"a quarter": {"augmentation.attacked": 0.25}}),
    *_alone("identifiers of virtual cars", "10 to 120", {"18 to 50": {"augmentation.identifiers": (18, 50)}}),
    # attacks of published recordings run by the clock, and these columns tell how long the recording has run
    *_alone("time since the start", "seen", {"hidden": {"windows.hidden": ("age", "seen", "joined")}}),
    *_alone("payload columns of frames", "the configuration's", {"seen": {"windows.hidden": ()}}),
    Variant("payload columns of boosting", "seen", {}, "boosting", reference=True),
    Variant("payload columns of boosting", "hidden", {"windows.hidden": OF_PAYLOAD}, "boosting"),
    *_alone(
        "source of cut drives",
        "the configuration's",
        {"attack-free captures": {"augmentation.cut_from": "attack-free"}},
    ),
    *_alone("graph", "graph attention", {"features pooled": {"gat_student.layers": 0}}),
    *_alone("threshold", "the configuration's", {"one half": {"operating_point": "half", "false_alarm_rate": None}}),
)


def at_budget(config: Config) -> Config:
    """`config` with `BUDGET`, where that asks for less than it has."""
    flat = config.flat()
    return override(config, {path: min(value, flat[path]) for path, value in BUDGET.items()})


def trainings(factors: str = "all", features: FeatureSet = "memory") -> list[Variant]:
    """One variant for each distinct training of the named factors (comma-separated), in the order of `VARIANTS`.

    Factors that hide columns are left out where the features have none of these, as is boosting on `memory` without it.

    Raises:
        KdgatError: a factor that is unknown.
    """
    columns = FEATURES[features][0]
    hidden = [(v.factor, v.settings.get("windows.hidden", ())) for v in VARIANTS]
    without = {factor for factor, names in hidden if not {f"{name}_worst" for name in names}.issubset(columns)}
    without |= {v.factor for v in VARIANTS if v.teaching == "boosting" and features != "memory"}
    known = [factor for factor in dict.fromkeys(v.factor for v in VARIANTS) if factor not in without]
    chosen = known if factors == "all" else [f.strip() for f in factors.split(",")]
    if unknown := [f for f in chosen if f not in known]:
        raise KdgatError(f"no factor for the features {features!r} is called {unknown[0]!r}; known: {', '.join(known)}")
    return list({v.trained_as: v for v in reversed(VARIANTS) if v.factor in chosen}.values())[::-1]


@dataclass(frozen=True)
class Reference:
    """What the variants of one (dataset, seed) share.

    Attributes:
        prepared: the reference's stores.
        difficulty: f64[B], VGAE errors of the training windows.
        logits: f32[B, 2], the teacher's.
    """

    prepared: Prepared
    difficulty: np.ndarray
    logits: np.ndarray


def train_reference(task: Task, root: Path | None) -> Reference:
    """Train the reference's VGAE and teacher; its student comes as a variant."""
    prepared = prepare(task.dataset, root, task.config, task.seed)
    difficulty = train_vgae(task, prepared, ["teacher"]).difficulty
    return Reference(prepared, difficulty, train_gat(task, prepared, difficulty, ["teacher"]).logits)


@dataclass(frozen=True)
class Outcome:
    """What one training of a variant gave.

    Attributes:
        variant, seed, dataset: which.
        parameters: counted.
        windows, scores: (scenario, protocol) → n windows and f64[n].
        thresholds: protocol → of its operating point.
    """

    variant: Variant
    dataset: str
    seed: int
    parameters: int
    windows: dict[tuple[str, str], ScoredWindows]
    scores: dict[tuple[str, str], np.ndarray]
    thresholds: dict[str, float]


def run(task: Task, variant: Variant, reference: Reference, root: Path | None) -> tuple[Stage, Outcome]:
    """Train one variant and score it on the test folders."""
    config = override(task.config, variant.settings)
    if more := variant.settings.get("windows.hidden"):  # what the configuration hides stays hidden
        hidden = dict.fromkeys((*task.config.windows.hidden, *more))
        config = override(config, {"windows.hidden": tuple(hidden)})
    prepared = replace(reference.prepared, hidden=config.windows.hidden)
    if made_of(config) != made_of(task.config):
        prepared = prepare(task.dataset, root, config, task.seed)
    own = replace(task, config=config)
    tables = Tables()
    recorder = Recorder(tables, own, "ablation", variant.model, prepared.meta["data_hash"], learned_from(variant.of))
    # the same seed for all variants: they differ in the factor and in nothing else
    seed = seed_of(own, "ablation")
    history: Rows = []
    if variant.teaching == "boosting":
        trees = boosting_memory(config, seed, variant.settings.get("windows.hidden", ()))
        trees = trees.fit(prepared.store("train"), {})
        parameters, score = trees.size, trees.score
    else:
        teacher = torch.from_numpy(reference.logits) if variant.teaching == "distilled" else None
        model, history, seconds = fit_gat(
            config, prepared, config.gat_student, seed, recorder.session, reference.difficulty, teacher
        )
        recorder.spent(seconds)
        parameters, score = count_parameters(model), partial(gat_scores, model, prepared)
    # captures alone are too few windows for the rate that virtual drives allow
    validation = prepared.store("validation")
    on_validation = score(validation)
    points = operating_points(config, prepared, on_validation, resolved=not config.augmentation.vehicles)
    f1 = f1_score(np.asarray(validation.y), points["zero-shot"].alarms(on_validation))
    selection = ("validation_loss", last(history, "validation_loss")) if history else ("validation_f1", f1)
    recorder.done(parameters, history, selection)
    windows, scores = {}, {}
    for (scenario, protocol), stores in _stores(own, points, root).items():
        windows[scenario, protocol] = scored_windows(stores, config)
        scores[scenario, protocol] = np.concatenate([score(store) for store in stores])
    thresholds = {protocol: point.threshold for protocol, point in points.items()}
    return Stage(tables=tables), Outcome(variant, task.dataset, task.seed, parameters, windows, scores, thresholds)


def _stores(task: Task, protocols: Collection[str], root: Path | None) -> dict[tuple[str, str], list[GraphStore]]:
    """(scenario, protocol) → windows to score, one store per capture; variants with the same features share them on disk."""
    tests = test_captures(task.dataset, root)
    for c in tests:
        log_reading(task, c.split, c)
    made_by = [data_hash(tests), provenance.code_hash(), task.config.features, task.config.windows.model_dump_json()]
    key = hashlib.sha256("\n".join([*made_by, *sorted(protocols)]).encode()).hexdigest()[:24]
    folder = work_folder() / "stores" / f"{task.dataset}-tests-{key}"
    if not folder.is_dir():
        with contextlib.suppress(FileExistsError), atomic.new_directory(folder) as temporary:
            for number, c in enumerate(tests):
                frames, beside = c.frames(), sum(other.split == c.split for other in tests)
                for protocol in protocols:
                    store = scored_store(c, frames, task.config, protocol, beside)
                    if store is not None:
                        store.save(temporary / f"{number}-{protocol}")
    stores: dict[tuple[str, str], list[GraphStore]] = {}
    for number, c in enumerate(tests):
        for protocol in protocols:
            if (path := folder / f"{number}-{protocol}").is_dir():
                stores.setdefault((c.split, protocol), []).append(GraphStore.open(path))
    return stores


def effects(outcomes: Sequence[Outcome], draws: int) -> list[dict[str, Any]]:
    """Rows of `ablations`: each level's metrics and their differences from the reference, paired by seed and window.

    Intervals are those of `differences`, and corrected for the number of levels, scenarios and protocols that are looked at.

    Args:
        outcomes: of all trainings, datasets and seeds.
        draws: bootstrap draws.
    """
    by = {(o.dataset, o.variant.trained_as, o.seed): o for o in outcomes}
    rows = []
    for dataset in sorted({o.dataset for o in outcomes}):
        seeds = sorted({o.seed for o in outcomes if o.dataset == dataset})
        references = {v.factor: v for v in VARIANTS if v.reference}
        trained = [v for v in VARIANTS if (dataset, v.trained_as, seeds[0]) in by]
        varied = {v.factor for v in trained if not v.reference}
        sides = {v.trained_as: [by[dataset, v.trained_as, s] for s in seeds] for v in trained}
        for key in sorted({key for side in sides.values() for key in side[0].windows}):
            # features without profiles know one protocol alone
            known = {trained_as: side for trained_as, side in sides.items() if key in side[0].scores}
            resampled = whole(next(iter(known.values()))[0].windows[key], draws)
            values = {
                trained_as: [resampled.values(o.scores[key], o.thresholds[key[1]], ranking=True) for o in side]
                for trained_as, side in known.items()
            }
            for v in (v for v in trained if v.factor in varied and v.trained_as in known):
                row = {"dataset": dataset, "factor": v.factor, "level": v.level, "reference": v.reference}
                row |= {"scenario": key[0], "protocol": key[1], "n_seeds": len(seeds), "interval": METHOD}
                row["parameters"] = max(o.parameters for o in sides[v.trained_as])
                theirs = values.get(references[v.factor].trained_as)
                rows += [row | effect for effect in _effects(resampled, values[v.trained_as], theirs)]
    return _corrected(rows)


def _effects(resampled: Resampled, mine: Sequence[Values], theirs: Sequence[Values] | None) -> Iterator[dict[str, Any]]:
    """Give of each metric the mean with its interval, and the difference from the reference, if that has this protocol."""
    own = resampled.estimates([[{m: values[m] for m in METRICS} for values in seed] for seed in mine])
    differences = resampled.estimates(apart(mine, theirs, METRICS)) if theirs is not None else {}
    for metric, estimate in own.items():
        low, high = estimate.ends(0.0, 1.0)
        row: dict[str, Any] = {"metric": metric, "mean": estimate.mean, "ci_low": low, "ci_high": high}
        columns = ("difference", "difference_low", "difference_high", "p")
        if metric in differences:
            difference = differences[metric]
            yield row | dict(zip(columns, (difference.mean, *difference.ends(-1.0, 1.0), difference.p), strict=True))
        else:
            yield row | dict.fromkeys(columns)


def _corrected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Correct the p-values of all levels but the references for their number, by dataset and metric."""
    for row in rows:
        row["p_holm"] = None
    families: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if not row["reference"] and row["p"] is not None:
            families.setdefault((row["dataset"], row["metric"]), []).append(row)
    for family in families.values():
        for row, p in zip(family, holm(np.array([row["p"] for row in family])), strict=True):
            row["p_holm"] = float(p)
    return [{k: v for k, v in row.items() if k != "p"} for row in rows]


def summarise(outcomes: Sequence[Outcome], draws: int) -> dict[str, bytes]:
    """The table `ablations`, and the readings so far."""
    read = records.table("readings", readings({o.dataset for o in outcomes}))
    return records.dump({"ablations": records.table("ablations", effects(outcomes, draws)), "readings": read})
