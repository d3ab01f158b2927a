"""What each part of the method is worth: the headline model with one factor changed at a time, at equal budget.

Reference is the distilled student of the configuration, trained on a part of the virtual vehicles and epochs (`BUDGET`), with
the teacher's logits and the VGAE's errors computed once a seed. Variants that need other graphs (features, virtual
vehicles) have no teacher of their own and are compared with the student that has none either. `published recipe` is trained whole: its
own VGAE, teacher and student, on the published features with an ID embedding, real captures alone, but split without
leaks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from kdgat import catalog, records
from kdgat.config import Config, override
from kdgat.dataset import Prepared, made_of, prepare, scored_store
from kdgat.errors import KdgatError
from kdgat.evaluate import log_reading, readings, scored_windows
from kdgat.evaluation.intervals import ends, paired_f1
from kdgat.evaluation.windows import Windows
from kdgat.graphs import GraphStore
from kdgat.models.layers import count_parameters
from kdgat.recording import Recorder, Stage, Task
from kdgat.stages import fit_gat, gat_scores, last, operating_points, seed_of, train_gat, train_vgae

#: settings over the configuration's own: ranking factors needs less than training them out
BUDGET: dict[str, Any] = {"augmentation.vehicles": 400, "training.epochs": 3}

_ALONE = {"training.curriculum": "none"}
_PUBLISHED = {
    "features": "published",
    "augmentation.vehicles": 0,
    "gat_teacher.id_encoding": "lookup",
    "gat_student.id_encoding": "lookup",
    "gat_teacher.jumping_knowledge": "lstm",
    "gat_student.jumping_knowledge": "lstm",
}


@dataclass(frozen=True)
class Variant:
    """One level of one factor.

    Attributes:
        factor, level: what was changed to what.
        settings: over the reference's.
        taught: distilled from the reference's teacher; by its own (`whole`); or not at all (`alone`).
        reference: it is the reference of its factor.
    """

    factor: str
    level: str
    settings: dict[str, Any] = field(default_factory=dict)
    taught: Literal["taught", "whole", "alone"] = "taught"
    reference: bool = False

    @property
    def model(self) -> str:
        """What its run is called."""
        return f"gat-student ({self.factor}: {self.level})"

    @property
    def trained_as(self) -> tuple[str, str]:
        """Variants that are trained alike share this; references of several factors are trained once."""
        return str(sorted(self.settings.items())), self.taught


def _factor(factor: str, path: str, reference: str, levels: Sequence[str]) -> list[Variant]:
    return [Variant(factor, reference, reference=True), *(Variant(factor, v, {path: v}) for v in levels)]


def _deep(hidden: int) -> dict[str, Any]:
    """A classifier of a teacher's size: 32 per head is this project's, 42 the published one's."""
    return {"hidden": hidden, "layers": 3, "mlp": (128,)}


VARIANTS: tuple[Variant, ...] = (
    Variant("distillation", "from the teacher", reference=True),
    Variant("distillation", "none", taught="alone"),
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
    Variant("features", "profile", _ALONE, "alone", reference=True),
    Variant("features", "relative", _ALONE | {"features": "relative"}, "alone"),
    Variant("features", "published", _ALONE | {"features": "published"}, "alone"),
    Variant("virtual vehicles", "mixed in", _ALONE, "alone", reference=True),
    Variant("virtual vehicles", "drawn wide", _ALONE | {"augmentation.ranges": "wide"}, "alone"),
    Variant("virtual vehicles", "none", _ALONE | {"augmentation.vehicles": 0}, "alone"),
    Variant("recipe", "this project's", reference=True),
    Variant("recipe", "published", _PUBLISHED, "whole"),
)


def at_budget(config: Config) -> Config:
    """`config` with `BUDGET`, where that asks for less than it has."""
    flat = config.flat()
    return override(config, {path: min(value, flat[path]) for path, value in BUDGET.items()})


def trainings(factors: str = "all") -> list[Variant]:
    """One variant for each distinct training of the named factors (comma-separated), in the order of `VARIANTS`.

    Raises:
        KdgatError: a factor that is unknown.
    """
    known = list(dict.fromkeys(v.factor for v in VARIANTS))
    wanted = known if factors == "all" else [f.strip() for f in factors.split(",")]
    if unknown := [f for f in wanted if f not in known]:
        raise KdgatError(f"no factor is called {unknown[0]!r}; known: {', '.join(known)}")
    return list({v.trained_as: v for v in reversed(VARIANTS) if v.factor in wanted}.values())[::-1]


@dataclass(frozen=True)
class Taught:
    """What the variants of one (dataset, seed) share.

    Attributes:
        prepared: the reference's stores.
        difficulty: f64[B], VGAE errors of the training windows.
        logits: f32[B, 2], the teacher's.
    """

    prepared: Prepared
    difficulty: np.ndarray
    logits: np.ndarray


def teach(task: Task, root: Path | None) -> Taught:
    """The reference's VGAE and teacher; its student comes as a variant."""
    prepared = prepare(task.dataset, root, task.config, task.seed)
    difficulty = train_vgae(task, prepared).extra["difficulty"]
    return Taught(prepared, difficulty, train_gat(task, prepared, difficulty).extra["logits"])


@dataclass(frozen=True)
class Outcome:
    """What one training of a variant found.

    Attributes:
        variant, seed, dataset: which.
        parameters: counted.
        windows, alarms: (scenario, protocol) → windows and bool[n].
    """

    variant: Variant
    dataset: str
    seed: int
    parameters: int
    windows: dict[tuple[str, str], Windows]
    alarms: dict[tuple[str, str], np.ndarray]


def run(task: Task, variant: Variant, taught: Taught, root: Path | None) -> tuple[Stage, Outcome]:
    """Train one variant and score it on the test folders."""
    config = override(task.config, variant.settings)
    prepared = taught.prepared
    if made_of(config) != made_of(task.config):
        prepared = prepare(task.dataset, root, config, task.seed)
    own = Task(**(vars(task) | {"config": config}))
    stage = Stage()
    recorder = Recorder(stage, own, "ablation", variant.model, prepared.meta["data_hash"])
    difficulty, logits = taught.difficulty, torch.from_numpy(taught.logits)
    if variant.taught == "whole":
        difficulty = train_vgae(own, prepared).extra["difficulty"]
        logits = torch.from_numpy(train_gat(own, prepared, difficulty).extra["logits"])
    # the same seed for all variants: they differ in the factor and in nothing else
    model, curves, seconds = fit_gat(
        config, prepared, config.gat_student, seed_of(own, "ablation"), difficulty,
        None if variant.taught == "alone" else logits,
        name=f"{task.dataset} seed {task.seed} {variant.model}", logger=recorder.tracker.logger,
        state=own.state(variant.model.replace("/", "-")),
    )  # fmt: skip
    recorder.spent(seconds)
    points = operating_points(config, prepared, gat_scores(model, prepared, prepared.store("validation")))
    parameters = count_parameters(model)
    recorder.done(parameters, curves, ("validation_loss", last(curves, "validation_loss")))
    windows, alarms = {}, {}
    for (scenario, protocol), found in _stores(own, points, root).items():
        windows[scenario, protocol] = scored_windows(found, config)
        scores = np.concatenate([gat_scores(model, prepared, store) for store in found])
        alarms[scenario, protocol] = points[protocol].alarms(scores)
    return stage, Outcome(variant, task.dataset, task.seed, parameters, windows, alarms)


def _stores(task: Task, protocols: Collection[str], root: Path | None) -> dict[tuple[str, str], list[GraphStore]]:
    """(scenario, protocol) → windows to score, one store a capture."""
    tests = catalog.test_captures(task.dataset, root)
    stores: dict[tuple[str, str], list[GraphStore]] = {}
    for c in tests:
        log_reading(task, c.split, c)
        frames = c.frames()
        for protocol in protocols:
            store = scored_store(c, frames, task.config, protocol, sum(other.split == c.split for other in tests))
            if store is not None:
                stores.setdefault((c.split, protocol), []).append(store)
    return stores


def effects(outcomes: Sequence[Outcome], draws: int) -> list[dict[str, Any]]:
    """Rows of `ablations`: F1 of each level and its difference from the reference, paired by seed and window.

    In each draw seeds are resampled, then blocks of two seconds within each recording, the same for both sides.

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
        for v in (v for v in trained if v.factor in varied):
            sides = [[by[dataset, x.trained_as, s] for s in seeds] for x in (v, references[v.factor])]
            for key in sorted(sides[0][0].windows):
                row = {"dataset": dataset, "factor": v.factor, "level": v.level, "reference": v.reference}
                row |= {"scenario": key[0], "protocol": key[1], "metric": "f1", "n_seeds": len(seeds)}
                rows.append(row | {"parameters": sides[0][0].parameters} | _effect(sides, key, draws))
    return rows


def _effect(sides: list[list[Outcome]], key: tuple[str, str], draws: int) -> dict[str, float | None]:
    windows = sides[0][0].windows[key]
    told = [side for side in sides if key in side[0].alarms]  # features without profiles know one protocol alone
    whole, drawn = paired_f1(windows, [[o.alarms[key] for o in side] for side in told], draws)
    low, high = ends(drawn[0])
    out: dict[str, float | None] = {"mean": float(whole[0]), "ci_low": low, "ci_high": high}
    if len(told) < 2:
        return out | dict.fromkeys(("difference", "difference_low", "difference_high"))
    low, high = ends(drawn[0] - drawn[1])
    return out | {"difference": float(whole[0] - whole[1]), "difference_low": low, "difference_high": high}


def summarise(outcomes: Sequence[Outcome], draws: int) -> dict[str, bytes]:
    """The table `ablations`, and the readings so far."""
    read = records.table("readings", readings({o.dataset for o in outcomes}))
    return records.dump({"ablations": records.table("ablations", effects(outcomes, draws)), "readings": read})
