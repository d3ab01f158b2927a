"""The intervals of a release's summary, drawn again from its window scores by the evaluation's own bootstrap.

The draws are seeded, so they must come out as they were frozen. All of them take minutes, which `analysis.verify --intervals` asks
for; else those that pages name and a share that the manifest's hash draws. Draws by circular blocks need numpy alone,
newer methods the extra `train`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from analysis.releases.release import Release
from kdgat.provenance import sha256

if TYPE_CHECKING:
    from kdgat.evaluation.summary import Scored

#: dataset, scenario, model, protocol
Unit: TypeAlias = tuple[str, str, str, str]
#: how intervals of the first releases were made, which do not say it
FIRST = "circular-blocks"
#: quantiles of draws; float32 sums may differ in the last bits between machines
TOLERANCE = 1e-4


#: share of (dataset, scenario, protocol, model) whose intervals every verification draws again
SHARE = 0.05


def units(release: Release, keys: Iterable[str]) -> set[Unit]:
    """List what is drawn again in every verification.

    Args:
        release: whose manifest's hash draws `SHARE` of all.
        keys: of numbers that pages show, whose intervals a reader sees.
    """
    prefixes = {".".join(key.split(".")[:4]) for key in keys}
    out = set()
    for row in release.table("summary").to_pylist():
        unit = row["dataset"], row["scenario"], row["model"], row["protocol"]
        in_sample = int(sha256("\0".join((release.manifest_sha256, *unit)).encode())[:8], 16) < SHARE * 2**32
        if in_sample or ".".join(unit).replace("-", "_") in prefixes:
            out.add(unit)
    return out


def can_draw(release: Release) -> bool:
    """Say whether the packages that draw the release's intervals are installed."""
    plain = set(release.table("summary")["interval"].to_pylist()) <= {FIRST, None}
    return plain or find_spec("numba") is not None


def scored(release: Release) -> Iterator[list[Scored]]:
    """One list of `kdgat.evaluation.summary.Scored`, a seed each, for every dataset, scenario and protocol."""
    from kdgat.evaluation.metrics import POOLED
    from kdgat.evaluation.scored import ScoredWindows
    from kdgat.evaluation.summary import Scored, pooled

    thresholds = {
        (r["dataset"], r["model"], r["protocol"], r["seed"]): r["threshold"]
        for r in release.table("operating_points").to_pylist()
    }
    groups: dict[tuple[str, str, str], dict[int, list[dict[str, Any]]]] = {}
    together: dict[tuple[str, str], list[list[Scored]]] = {}
    for r in release.table("predictions").to_pylist():
        groups.setdefault((r["dataset"], r["scenario"], r["protocol"]), {}).setdefault(r["seed"], []).append(r)
    order = release.table("datasets").to_pylist()
    models = release.scored_models
    for (dataset, scenario, protocol), by_seed in sorted(groups.items()):
        captures = [r["capture"] for r in order if (r["dataset"], r["split"]) == (dataset, scenario)]
        per_seed = []
        for seed, rows in sorted(by_seed.items()):
            rows.sort(key=lambda r: (captures.index(r["capture"]), r["window"]))
            recordings = [c for c in captures if any(r["capture"] == c for r in rows)]
            columns = {k: np.array([r[k] for r in rows]) for k in ("window", "t0", "duration", "injected", "attack")}
            here = [m for m in models if all(r[m] is not None for r in rows)]
            per_seed.append(
                Scored(
                    dataset=dataset,
                    scenario=scenario,
                    protocol=protocol,
                    seed=seed,
                    captures=tuple(recordings),
                    windows=ScoredWindows(
                        recording=np.array([recordings.index(r["capture"]) for r in rows]), **columns
                    ),
                    scores={m: np.array([r[m] for r in rows], np.float64) for m in here},
                    thresholds={m: thresholds[dataset, m, protocol, seed] for m in here},
                    runs=dict.fromkeys(here, ""),
                )
            )
        together.setdefault((dataset, protocol), []).append(per_seed)
        yield per_seed
    if POOLED in release.table("summary")["scenario"].to_pylist():
        for scenarios in together.values():
            if union := list(pooled([s for per_seed in scenarios for s in per_seed])):
                yield union


def mismatches(release: Release, only: set[Unit] | None = None) -> list[str]:
    """Summary rows of the scored models whose interval the bootstrap does not give again; `only`: of these alone."""
    try:
        return list(_mismatches(release, only))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, MemoryError) as error:
        # rows that agree with each other and that no run writes
        return [f"intervals cannot be drawn again: {type(error).__name__}: {' '.join(str(error).split())[:200]}"]


def seeds_of_models(per_seed: list[Scored], only: set[Unit] | None) -> list[tuple[list[Scored], list[str]]]:
    """Group models by the seeds that scored them: (one `Scored` a seed, the models that these have); `only`: of these alone."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for model in dict.fromkeys(m for s in per_seed for m in s.scores):
        first = per_seed[0]
        if only is None or (first.dataset, first.scenario, model, first.protocol) in only:
            groups.setdefault(tuple(i for i, s in enumerate(per_seed) if model in s.scores), []).append(model)
    return [([per_seed[i] for i in seeds], models) for seeds, models in groups.items()]


def _mismatches(release: Release, only: set[Unit] | None) -> Iterator[str]:
    from kdgat.evaluation.alarms import AlarmRule
    from kdgat.evaluation.summary import summary_rows

    key = ("dataset", "scenario", "attack", "model", "protocol", "metric")
    frozen = {tuple(r[k] for k in key): r for r in release.table("summary").to_pylist()}
    metrics = release.table("metrics").to_pylist()
    (draws,) = {c["bootstrap_draws"] for c in release.manifest["configurations"].values()}
    (method,) = {row["interval"] or FIRST for row in frozen.values()}
    (rule,) = {AlarmRule(*c.get("alarm", (1, 1))) for c in release.manifest["configurations"].values()}
    for per_seed in scored(release):
        of_seeds = seeds_of_models(per_seed, only)
        few = [[replace(s, scores={m: s.scores[m] for m in models}) for s in those] for those, models in of_seeds]
        for row in (row for those in few for row in summary_rows(those, metrics, draws, method, rule)):
            have = frozen.get(tuple(row[k] for k in key))
            for end in ("ci_low", "ci_high"):
                a, b = (None if r is None else r[end] for r in (have, row))
                if (a is None) != (b is None) or (
                    a is not None and b is not None and abs(a - b) > TOLERANCE * max(1.0, abs(b))
                ):
                    who = "{metric} of {model} ({dataset}, {scenario}, {attack}, {protocol})".format(**row)
                    yield f"summary: {end} of {who} is {a}, the bootstrap gives {b}"
