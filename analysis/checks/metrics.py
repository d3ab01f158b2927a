"""Metrics computed anew from the released window scores, with numpy alone.

Written apart from `kdgat.evaluation` on purpose: agreement of two implementations is the check. Covers the models whose
scores a release holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from kdgat import records

#: (dataset, scenario, attack, model, protocol, seed)
Group = tuple[str, str, str, str, str, int]
_KEY = ("dataset", "scenario", "attack", "model", "protocol", "seed")
#: what all releases hold since the first: later ones may hold more, none may hold less, so these are never edited
FIRST_METRICS = frozenset({
    *("f1", "precision", "recall", "mcc", "roc_auc", "pr_auc", "tpr_at_fpr_0_1pct", "tpr_at_fpr_1pct"),
    *("event_recall", "detection_delay", "benign_minutes"),
    *("false_alarms", "false_alarms_per_hour", "false_alarms_per_hour_high"),
    *("recall_injected_1", "recall_injected_2_to_10", "recall_injected_over_10"),
})  # fmt: skip
FIRST_SCORED = frozenset({
    *("vgae-teacher", "vgae-student", "gat-teacher", "gat-student", "fusion-dqn-teacher", "fusion-dqn-student"),
    *("fusion-mean-student", "gbm-baseline"),
})  # fmt: skip
#: of newer releases. Scenario of the metrics that are computed over all scenarios of a dataset, and these
POOLED = "pooled"
POOLED_METRICS = frozenset({
    *("recall_at_fpr_1pct", "recall_at_fpr_0_1pct", "hours_far"),
    *("alarm_events_far_per_hour", "alarm_events_far_per_hour_1_of_1"),
})  # fmt: skip
#: by which a release tells that it holds the newer metrics
_NEWER = {"recall_at_fpr_1pct", "events_found"}
#: attacked windows at most this far apart (s) are one event; benign ones so near to an attack are not "far" from it
NEAR = 1.0
_EXTENT = ("recordings", "segments", "positives", "negatives")
COLUMNS = ("dataset", "scenario", "protocol", "seed", "capture", "window", "t0", "duration", "attack", "injected")


def groups(tables: Mapping[str, pa.Table]) -> Iterator[tuple[Group, Windows, np.ndarray, float]]:
    """(group, windows, scores f64[n] of all of them, threshold) of every scored model."""
    predictions = tables["predictions"]
    models = records.scored_models(predictions)
    thresholds = {
        (r["dataset"], r["model"], r["protocol"], r["seed"]): r["threshold"]
        for r in tables["operating_points"].to_pylist()
    }
    columns = {c: predictions[c].to_numpy(zero_copy_only=False) for c in (*COLUMNS, *models)}
    for at, whole in _parts(columns, pooled=POOLED in tables["metrics"]["scenario"].unique().to_pylist()):
        windows = {c: v[at] for c, v in columns.items()}
        dataset, scenario, protocol, seed = (windows[c][0] for c in COLUMNS[:4])
        far = _far(windows)
        for attack, mask in [("all", np.ones(len(at), bool))] if whole else _attacks(windows):
            judged = Windows(windows, {c: v[mask] for c, v in windows.items()}, mask, far)
            for model in models:
                threshold = thresholds.get((dataset, model, protocol, int(seed)))
                scores = windows[model].astype(np.float64)
                if threshold is not None and not np.isnan(scores[mask]).any():
                    place = POOLED if whole else scenario
                    yield (dataset, place, attack, model, protocol, int(seed)), judged, scores, threshold


def _parts(columns: dict[str, np.ndarray], *, pooled: bool) -> Iterator[tuple[np.ndarray, bool]]:
    """Rows of each (dataset, scenario, protocol, seed), then, if `pooled`, of all scenarios of one together (True)."""
    for whole in (False, True) if pooled else (False,):
        names = [c for c in COLUMNS[:4] if not whole or c != "scenario"]
        keys = ["\0".join(map(str, row)) for row in zip(*(columns[c] for c in names), strict=True)]
        _, part = np.unique(keys, return_inverse=True)
        for number in range(part.max(initial=-1) + 1):
            at = np.flatnonzero(part == number)
            if not whole or len(set(columns["scenario"][at])) > 1:
                yield at, whole


@dataclass(frozen=True)
class Windows:
    """What is judged of a scenario.

    Attributes:
        whole: all its windows, columns of `predictions`, each [n].
        inside: those that are judged.
        mask: bool[n], which these are.
        far: bool[n], benign and more than `NEAR` from any attack of the capture.
    """

    whole: dict[str, np.ndarray]
    inside: dict[str, np.ndarray]
    mask: np.ndarray
    far: np.ndarray


def _far(windows: dict[str, np.ndarray]) -> np.ndarray:
    out: np.ndarray = windows["injected"] == 0
    begin = windows["t0"].astype(np.float64)
    end = begin + windows["duration"]
    for capture in sorted(set(windows["capture"])):
        here = np.flatnonzero(windows["capture"] == capture)
        attacked = here[windows["injected"][here] > 0]
        for chunk in np.array_split(attacked, len(attacked) // 256 + 1) if len(attacked) else []:
            apart = np.maximum(begin[chunk] - end[here][:, None], begin[here][:, None] - end[chunk])
            out[here] &= apart.min(1) > NEAR
    return out


def _attacks(windows: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """`all`, then each kind: its windows and the benign ones of the captures that hold it."""
    yield "all", np.ones(len(windows["attack"]), bool)
    for kind in sorted({a for a, i in zip(windows["attack"], windows["injected"], strict=True) if i > 0}):
        captures = set(windows["capture"][windows["attack"] == kind])
        here = np.array([c in captures for c in windows["capture"]])
        yield kind, here & ((windows["injected"] == 0) | (windows["attack"] == kind))


def counts(windows: dict[str, np.ndarray], scores: np.ndarray, threshold: float) -> dict[str, int]:
    """Confusion counts over n windows; `windows`: columns of `predictions`, each [n]; `scores`: f32[n]."""
    y, alarm = windows["injected"] > 0, scores >= threshold
    pairs = {"tp": (True, True), "fp": (False, True), "tn": (False, False), "fn": (True, False)}
    return {name: int(((y == a) & (alarm == b)).sum()) for name, (a, b) in pairs.items()}


def metrics(
    parts: list[np.ndarray], windows: dict[str, np.ndarray], scores: np.ndarray, threshold: float
) -> dict[str, float | None]:
    """Metric → value over n windows in `segments` (see `counts`; minutes, alarms per hour), None where undefined."""
    c = counts(windows, scores, threshold)
    tp, fp, tn, fn = (c[k] for k in ("tp", "fp", "tn", "fn"))
    y = windows["injected"] > 0
    p, n = tp + fn, fp + tn
    scale = float(tp + fp) * p * n * (tn + fn)
    minutes = float(windows["duration"][~y].astype(np.float64).sum()) / 60
    out: dict[str, float | None] = {
        "f1": 2 * tp / (2 * tp + fp + fn) if p else None,
        "precision": tp / (tp + fp) if p and tp + fp else None,
        "recall": tp / p if p else None,
        "false_alarms": float(fp) if n else None,
        "benign_minutes": minutes if n else None,
        "false_alarms_per_hour": fp / minutes * 60 if minutes > 0 else None,
        "false_alarms_per_hour_high": _poisson_high(fp) / minutes * 60 if minutes > 0 else None,
        "mcc": ((tp * tn - fp * fn) / scale**0.5 if scale else 0.0) if p and n else None,
    }
    out |= _ranking(y, scores) if p and n else dict.fromkeys(_RANKED)
    for name, within in _by_injected(windows).items():
        out[name] = float((scores[within] >= threshold).mean()) if within.any() else None
    return out | _events(parts, windows, scores >= threshold)


_RANKED = ("roc_auc", "pr_auc", "tpr_at_fpr_1pct", "tpr_at_fpr_0_1pct")


def _by_injected(windows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Recall by how many frames of a window are injected → bool[n], the windows that it is over."""
    n = windows["injected"]
    masks = {"1": n == 1, "2_to_10": (n > 1) & (n <= 10), "over_10": n > 10}
    return {f"recall_injected_{name}": mask for name, mask in masks.items()}


@cache
def _poisson_high(count: int) -> float:
    """Mean of a Poisson distribution that gives `count` or less with a probability of 5 %, by bisection."""
    k = np.arange(count + 1)
    logs = np.cumsum(np.log(np.maximum(k, 1)))
    low, high = float(count), count + 10 * (count + 1) ** 0.5 + 10
    for _ in range(60):
        middle = (low + high) / 2
        below = np.exp(k * np.log(middle) - middle - logs).sum()
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return float(low + high) / 2


def sizes(windows: Windows, parts: list[np.ndarray]) -> dict[str, int]:
    """Metric → how many windows or events it is over, of those where that does not depend on the scores."""
    y, far = windows.inside["injected"] > 0, windows.far[windows.mask]
    n, attacked = len(y), int(y.sum())
    events = len(segments(windows.inside, NEAR))
    out = dict.fromkeys(("f1", "precision", "mcc", *_RANKED), n)
    out |= dict.fromkeys(
        ("false_alarms", "benign_minutes", "false_alarms_per_hour", "false_alarms_per_hour_high"), n - attacked
    )
    out |= {"recall": attacked, "event_recall": len(parts)}
    out |= {name: int(mask.sum()) for name, mask in _by_injected(windows.inside).items()}
    out |= dict.fromkeys(("recall_at_fpr_1pct", "recall_at_fpr_0_1pct", "hours_far"), int(far.sum()))
    out["hours_near"] = n - int(far.sum())
    for ending in ("", "_1_of_1"):
        out[f"alarm_events_far_per_hour{ending}"] = int(far.sum())
        out[f"alarm_events_near_per_hour{ending}"] = n - int(far.sum())
        out |= dict.fromkeys((f"{name}{ending}" for name in ("events_found", "events_missed", "event_delay")), events)
    return out


def _ranking(y: np.ndarray, scores: np.ndarray) -> dict[str, float | None]:
    """Areas under the ROC and precision-recall curves, and the true-positive rates at false-positive rates of 1 and 0.1 %."""
    attacked, benign = np.sort(scores[y]), np.sort(scores[~y])
    below, upto = np.searchsorted(benign, attacked, "left"), np.searchsorted(benign, attacked, "right")
    roc = (below + upto).sum() / 2 / (len(attacked) * len(benign))
    cuts = np.unique(scores)[::-1]
    tp = len(attacked) - np.searchsorted(attacked, cuts, "left")
    fp = len(benign) - np.searchsorted(benign, cuts, "left")
    gained = np.diff(np.concatenate([[0], tp]))
    allowed, few = (tp[fp <= rate * len(benign)] for rate in (0.01, 0.001))
    return {
        "roc_auc": float(roc),
        "pr_auc": float((gained * tp / (tp + fp)).sum() / len(attacked)),
        "tpr_at_fpr_1pct": float(allowed.max(initial=0) / len(attacked)),
        "tpr_at_fpr_0_1pct": float(few.max(initial=0) / len(attacked)) if len(benign) >= 3000 else None,
    }


def segments(windows: dict[str, np.ndarray], pause: float = np.nextafter(0.5, 0)) -> list[np.ndarray]:
    """Positions among n windows of each attack segment, in order; gaps up to `pause` (s; under half a second) do not end one."""
    attacked = np.flatnonzero(windows["injected"] > 0)
    if not len(attacked):
        return []
    capture = np.unique(windows["capture"][attacked], return_inverse=True)[1]
    order = np.lexsort((windows["window"][attacked], capture))
    at, capture = attacked[order], capture[order]
    t0 = windows["t0"][at].astype(np.float64)
    gap = t0[1:] - (t0 + windows["duration"][at])[:-1]
    return np.split(at, 1 + np.flatnonzero((np.diff(capture) != 0) | (gap > pause)))


def _events(parts: list[np.ndarray], windows: dict[str, np.ndarray], alarm: np.ndarray) -> dict[str, float | None]:
    """Share of segments with an alarm; median delay from a segment's begin to the end of its first alarm (s)."""
    delays = []
    for part in parts:
        hits = part[alarm[part]]
        if len(hits):
            end = float(windows["t0"][hits[0]]) + float(windows["duration"][hits[0]])
            delays.append(end - float(windows["t0"][part[0]]))
    return {
        "event_recall": len(delays) / len(parts) if parts else None,
        "detection_delay": float(np.median(delays)) if delays else None,
    }


def newer(windows: Windows, scores: np.ndarray, threshold: float, rule: tuple[int, int]) -> dict[str, float | None]:
    """Metrics that came later: recall at false-positive rates far from attacks, alarm events by `rule` (k of n) and by window.

    Args:
        windows: what is judged.
        scores: f64[n] of all windows of the scenario.
        threshold, rule: what an alarm is.
    """
    attacked = np.sort(scores[windows.mask & (windows.whole["injected"] > 0)])
    benign = np.sort(scores[windows.mask & windows.far])
    out: dict[str, float | None] = {}
    for name, per_mille, least in (("recall_at_fpr_1pct", 10, 1), ("recall_at_fpr_0_1pct", 1, 3000)):
        out[name] = None
        if len(attacked) and len(benign) >= least:
            limit = benign[len(benign) - 1 - len(benign) * per_mille // 1000]
            out[name] = 1 - float(np.searchsorted(attacked, limit, "right")) / len(attacked)
    for ending, (k, n) in (("", rule), ("_1_of_1", (1, 1))):
        out |= {f"{name}{ending}": value for name, value in _alarms(windows, scores >= threshold, k, n).items()}
    for name, where in (("far", windows.far), ("near", ~windows.far)):
        out[f"hours_{name}"] = float(windows.whole["duration"][where & windows.mask].astype(np.float64).sum()) / 3600
    return out


def _alarms(windows: Windows, over: np.ndarray, k: int, n: int) -> dict[str, float | None]:
    """Alarm events per hour where an alarm needs `k` of `n` windows that are `over`, attack events found, missed, late."""
    sounds, begins = np.zeros(len(over), bool), np.zeros(len(over), bool)
    for capture in sorted(set(windows.whole["capture"])):
        here = np.flatnonzero(windows.whole["capture"] == capture)
        counted = np.convolve(over[here].astype(int), np.ones(n, int))[: len(here)]
        sounds[here] = counted >= k
        begins[here] = np.diff(sounds[here].astype(int), prepend=0) == 1
    out: dict[str, float | None] = {}
    for name, where in (("far", windows.far), ("near", ~windows.far)):
        hours = float(windows.whole["duration"][where & windows.mask].astype(np.float64).sum()) / 3600
        out[f"alarm_events_{name}_per_hour"] = int((begins & where & windows.mask).sum()) / hours if hours > 0 else None
    late = [_late(windows.inside, event, sounds[windows.mask]) for event in segments(windows.inside, NEAR)]
    missed = sum(delay is None for delay in late)
    middle = float(np.median([np.inf if delay is None else delay for delay in late])) if late else np.inf
    out["events_found"] = 1 - missed / len(late) if late else None
    out["events_missed"] = float(missed) if late else None
    out["event_delay"] = middle if np.isfinite(middle) else None
    return out


def _late(windows: dict[str, np.ndarray], event: np.ndarray, sounds: np.ndarray) -> float | None:
    """Time (s) from an event's begin to the end of the first window in which the alarm sounds, until `NEAR` after it."""
    begin, duration = windows["t0"].astype(np.float64), windows["duration"].astype(np.float64)
    same = windows["capture"] == windows["capture"][event[0]]
    until = begin[event[-1]] + duration[event[-1]] + NEAR
    hits = np.flatnonzero(sounds & same & (begin >= begin[event[0]]) & (begin <= until))
    return float(begin[hits[0]] + duration[hits[0]] - begin[event[0]]) if len(hits) else None


@dataclass(frozen=True)
class Stated:
    """What a release says of its scored models.

    Attributes:
        metrics: group → metric → value.
        sizes: group → metric → how many windows or events it is over.
        confusion: group → row of `confusion`.
        extents: group without its seed → what the rows of `summary` rest on.
        held: metrics that stand anywhere in the release; the others are newer than it.
        rule: k and n of its alarm events.
    """

    metrics: dict[Group, dict[str, float | None]]
    sizes: dict[Group, dict[str, int]]
    confusion: dict[Group, dict[str, Any]]
    extents: dict[tuple[Any, ...], set[tuple[int, ...]]]
    held: set[str]
    rule: tuple[int, int]

    @classmethod
    def of(cls, tables: Mapping[str, pa.Table]) -> Stated:
        """Read the tables `metrics`, `confusion` and `summary`."""
        metrics: dict[Group, dict[str, float | None]] = {}
        sizes: dict[Group, dict[str, int]] = {}
        for r in tables["metrics"].to_pylist():
            metrics.setdefault(_group(r), {})[r["metric"]] = r["value"]
            sizes.setdefault(_group(r), {})[r["metric"]] = r["n"]
        extents: dict[tuple[Any, ...], set[tuple[int, ...]]] = {}
        for r in tables["summary"].to_pylist():
            extents.setdefault(tuple(r[k] for k in _KEY[:-1]), set()).add(tuple(r[c] for c in _EXTENT))
        confusion = {_group(r): r for r in tables["confusion"].to_pylist()}
        names = {metric for values in metrics.values() for metric in values}
        rules = {tuple(json.loads(text).get("alarm", (1, 1))) for text in tables["runs"]["config"].to_pylist()}
        k, n = min(rules, default=(1, 1))
        return cls(metrics, sizes, confusion, extents, names, (k, n))


def mismatches(tables: Mapping[str, pa.Table]) -> list[str]:
    """Rows of `metrics`, `confusion` and `summary` that the released scores do not give, as sentences."""
    if not {"predictions", "operating_points"} <= tables.keys():
        return []
    stated = Stated.of(tables)
    problems = []
    scored = set()
    shared: Windows | None = None
    for group, windows, whole, threshold in groups(tables):
        scored.add(group)
        if windows is not shared:  # models share their windows, and what these amount to
            shared, parts = windows, segments(windows.inside)
            extent, over = _extent(parts, windows.inside), sizes(windows, parts)
        scores = whole[windows.mask]
        later = newer(windows, whole, threshold, stated.rule) if _NEWER & stated.held else {}
        if group[1] == POOLED:
            problems += _of_metrics(stated, group, {name: later[name] for name in sorted(POOLED_METRICS)}, over)
        else:
            problems += _of_confusion(stated, group, counts(windows.inside, scores, threshold))
            problems += _of_metrics(stated, group, metrics(parts, windows.inside, scores, threshold) | later, over)
        if (rests := stated.extents.get(group[:-1], set())) != {extent}:
            wrong = sorted(rests - {extent}) or "nothing"
            problems.append(f"summary of {_who(group)} rests on {_EXTENT} = {wrong}, its scores on {extent}")
    problems += [f"metrics has no {metric} at all" for metric in sorted(FIRST_METRICS - stated.held)]
    problems += _unscored_captures(tables)
    models = FIRST_SCORED.union(records.scored_models(tables["predictions"]))
    unscored = [group for group in sorted(set(stated.metrics) - scored) if group[3] in models]
    return problems + [f"{_who(group)} has metrics, but no scores are released" for group in unscored]


def _unscored_captures(tables: Mapping[str, pa.Table]) -> Iterator[str]:
    """Every test scenario that was read has metrics, as nothing is left out in silence."""
    read = tables["datasets"].to_pylist() if "datasets" in tables else []
    judged = set(zip(*(tables["metrics"][c].to_pylist() for c in ("dataset", "scenario")), strict=True))
    for dataset, scenario in sorted({(r["dataset"], r["split"]) for r in read if r["split"] != "train"} - judged):
        yield f"metrics has nothing of {scenario} of {dataset}, though datasets lists its captures"


def _of_confusion(stated: Stated, group: Group, want: dict[str, int]) -> list[str]:
    have = stated.confusion.get(group)
    if have is None:
        return [f"confusion has no row of {_who(group)}, though its scores are released"]
    if any(have[k] != n for k, n in want.items()):
        return [f"confusion of {_who(group)} is { {k: have[k] for k in want} }, its scores give {want}"]
    return []


def _of_metrics(stated: Stated, group: Group, want: dict[str, float | None], over: dict[str, int]) -> list[str]:
    have = stated.metrics.get(group, {})
    problems = [
        f"{metric} of {_who(group)} is over {n} windows or events, its scores are over {over[metric]}"
        for metric, n in stated.sizes.get(group, {}).items()
        if n != over.get(metric, n)
    ]
    for metric, value in want.items():
        if metric not in have and (metric in stated.held or metric in FIRST_METRICS):
            problems.append(f"metrics has no {metric} of {_who(group)}, though its scores are released")
        elif metric in have and not _same(have[metric], value):
            problems.append(f"{metric} of {_who(group)} is {have[metric]}, its scores give {value}")
    return problems


def _group(row: dict[str, Any]) -> Group:
    return tuple(row[k] for k in _KEY)  # type: ignore[return-value]


def _who(group: Group) -> str:
    return "{3} ({0}, {1}, {2}, {4}, seed {5})".format(*group)


def _extent(parts: list[np.ndarray], windows: dict[str, np.ndarray]) -> tuple[int, ...]:
    """Count what n windows in `segments` amount to, in the order of `_EXTENT`."""
    positives = int((windows["injected"] > 0).sum())
    return len(set(windows["capture"])), len(parts), positives, len(windows["injected"]) - positives


def _same(a: float | None, b: float | None) -> bool:
    """Equal up to float32's rounding; both undefined is equal."""
    if a is None or b is None:
        return a is b
    return abs(a - b) <= 1e-6 * max(1.0, abs(b))
