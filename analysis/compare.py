"""`kdgat compare A [B]`: what of release A does release B reproduce?

With one name, B is that release and A the newest committed one of the same configuration and data. Exit code 0:
every row of the chosen metric was reproduced within its interval; 1: some were not; 3: the two cannot be compared.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from analysis.reference.format import by_metric
from analysis.releases.release import LOCAL, Release, frozen_root, names
from kdgat.errors import KdgatError
from kdgat.front_door import start

KEY = ("dataset", "scenario", "attack", "model", "protocol", "metric")
#: bit-equality is promised on the CPU with the same of all of these
SAME_BITS = ("config_hash", "data_hash", "lock_hash", "code_hash", "seed", "machine")
NOT_COMPARABLE = 3
#: up to which the values of a seed are the same; scores of a window differ in their last bits between machines
EQUAL = 1e-4
#: fields of a configuration that add models and change none
WHICH_MODELS = ("models", "student_alone", "recipe")


@dataclass(frozen=True)
class Row:
    """One metric in both releases.

    Attributes:
        key: values of `KEY`.
        a, b: means.
        low, high: 95 % interval of b − a; None where one of the releases has no interval.
    """

    key: tuple[str, ...]
    a: float | None
    b: float | None
    low: float | None
    high: float | None

    @property
    def difference(self) -> float | None:
        """b − a."""
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def reproduced(self) -> bool | None:
        """Say whether 0 lies in the difference's interval; None where that cannot be said."""
        if self.a is None or self.b is None:
            return self.a is self.b
        if self.a == self.b:
            return True
        return None if self.low is None or self.high is None else self.low <= 0 <= self.high


def rows(a: Release, b: Release) -> list[Row]:
    """Every metric that both releases have.

    The runs of two releases are independent, so the half-widths of their intervals add in squares.
    """
    originals = {tuple(r[k] for k in KEY): r for r in a.table("summary").to_pylist()}
    pairs = []
    for r in b.table("summary").to_pylist():
        key = tuple(r[k] for k in KEY)
        if key in originals:
            low, high = _difference(originals[key], r)
            pairs.append(Row(key, originals[key]["mean"], r["mean"], low, high))
    return pairs


def _difference(a: dict[str, Any], b: dict[str, Any]) -> tuple[float | None, float | None]:
    if None in (a["ci_low"], b["ci_low"]):
        return None, None
    middle = b["mean"] - a["mean"]
    down = ((b["mean"] - b["ci_low"]) ** 2 + (a["ci_high"] - a["mean"]) ** 2) ** 0.5
    up = ((b["ci_high"] - b["mean"]) ** 2 + (a["mean"] - a["ci_low"]) ** 2) ** 0.5
    return middle - down, middle + up


def obstacles(a: Release, b: Release) -> list[str]:
    """List why b is not a reproduction of a: other preset, configuration or data; empty if it is."""
    shared = set(a.manifest["datasets"]) & set(b.manifest["datasets"])
    if not shared:
        return [f"datasets {', '.join(b.manifest['datasets'])}, not {', '.join(a.manifest['datasets'])}"]
    reasons = []
    if not set(b.manifest["presets"]) <= set(a.manifest["presets"]):
        reasons.append(f"preset {', '.join(b.manifest['presets'])}, not {', '.join(a.manifest['presets'])}")
    elif not _configurations(b, shared) <= _configurations(a, shared):
        reasons.append("the preset's configuration has changed")
    for name in sorted(shared):
        if a.manifest["datasets"][name]["data_hashes"] != b.manifest["datasets"][name]["data_hashes"]:
            reasons.append(f"{name}: other captures")
    return reasons


def _configurations(release: Release, datasets: set[str]) -> set[tuple[str, str]]:
    """(dataset, configuration without what only says which models are trained) of the trainings."""
    return {
        (r["dataset"], json.dumps({k: v for k, v in json.loads(r["config"]).items() if k not in WHICH_MODELS}))
        for r in release.trained()
        if r["dataset"] in datasets
    }


def bits(a: Release, b: Release) -> tuple[bool, bool]:
    """(equality of all results bit by bit is promised, it holds)."""

    def facts(release: Release) -> list[tuple[Any, ...]]:
        return sorted({(r["dataset"], r["model"], *(r[c] for c in SAME_BITS)) for r in release.trained()})

    def contents(release: Release) -> list[str]:
        tables = release.manifest["tables"]
        # runs name their ids and times, so only tables without them can be equal
        return [tables[t]["content_hash"] for t in ("summary", "predictions", "datasets") if t in tables]

    return facts(a) == facts(b), contents(a) == contents(b)


def reference(b: Release) -> Release | None:
    """The newest committed release that `b` reproduces."""
    candidates = []
    for name in names(frozen_root()):
        if not name.startswith(LOCAL) and name != b.name:
            a = Release.open(name)
            if not obstacles(a, b):
                candidates.append((max(r["started"] for r in a.table("runs").to_pylist()), name))
    return Release.open(max(candidates)[1]) if candidates else None


def by_seed(a: Release, b: Release, metric: str) -> list[tuple[int, tuple[str, ...], float, float]]:
    """(seed, values of `KEY`, value in a, value in b) of every defined value of a metric over all attacks of a seed in both."""
    originals = {(r["seed"], *(r[k] for k in KEY)): r["value"] for r in _of_metric(a, metric)}
    pairs = ((r["seed"], tuple(r[k] for k in KEY), r["value"]) for r in _of_metric(b, metric))
    return [
        (seed, key, original, value)
        for seed, key, value in pairs
        if value is not None and (original := originals.get((seed, *key))) is not None
    ]


def _of_metric(release: Release, metric: str) -> list[dict[str, Any]]:
    rows = release.table("metrics").filter((pc.field("metric") == metric) & (pc.field("attack") == "all"))
    return list(rows.to_pylist())


def report_seeds(a: Release, b: Release, metric: str) -> None:
    """Say of every seed that both releases have how many of its values are equal, and which differs most."""
    values: dict[int, list[tuple[tuple[str, ...], float, float]]] = {}
    for seed, key, x, y in by_seed(a, b, metric):
        values.setdefault(seed, []).append((key, x, y))
    for seed, pairs in sorted(values.items()):
        equal = sum(abs(x - y) <= EQUAL for _, x, y in pairs)
        key, x, y = max(pairs, key=lambda pair: abs(pair[1] - pair[2]))
        most = f"; most apart: {key[0]} {key[1]} {key[4]} {key[3]}, {by_metric(metric, x)} → {by_metric(metric, y)}"
        print(f"seed {seed}: {equal} of {len(pairs)} {metric} equal to {EQUAL:g}{most if equal < len(pairs) else ''}")


def report(a: Release, b: Release, metric: str) -> int:
    """Print what of `metric` was reproduced, and how the other metrics did; returns the exit code."""
    pairs = rows(a, b)
    promised, equal = bits(a, b)
    print(f"{a.name} → {b.name}: {len(pairs)} metrics in both; bit-equal: {'yes' if equal else 'no'}", end="")
    print(" (promised: same code, lock, data, configuration, seeds and machine)" if promised else "")
    if not pairs:
        print("not a reproduction: the two releases share no metric")
        return NOT_COMPARABLE
    judged = [r for r in pairs if r.key[5] == metric and r.key[2] == "all" and r.reproduced is not None]
    if judged:
        print(
            f"  dataset, scenario, protocol, model, {metric} of {a.name} → of {b.name}, difference [its 95 % interval]"
        )
    for r in judged:
        dataset, scenario, _, model, protocol, _ = r.key
        change = "n/a" if r.difference is None else f"{r.difference:+.3f}"
        within = f"[{r.low:+.3f}, {r.high:+.3f}]" if r.low is not None else "exactly equal"
        verdict = "reproduced within interval" if r.reproduced else "NOT reproduced"
        values = f"{by_metric(metric, r.a):>7} → {by_metric(metric, r.b):>7}"
        print(f"  {dataset} {scenario} {protocol:12} {model:22} {metric} {values}  {change} {within}  {verdict}")
    if not judged:
        print(f"not a reproduction: the two releases have no {metric!r} to compare")
        return NOT_COMPARABLE
    failed = [r for r in judged if not r.reproduced]
    others = [r for r in pairs if r.key[5] != metric or r.key[2] != "all"]
    tally = {v: sum(r.reproduced is v for r in others) for v in (True, False, None)}
    report_seeds(a, b, metric)
    print(f"{metric}: {len(judged) - len(failed)} of {len(judged)} reproduced within interval")
    print(
        f"other metrics: {tally[True]} within interval, {tally[False]} outside it; {tally[None]} differ and have no interval to be judged by"
    )
    if promised and not equal:
        print("bit-equality was promised and does not hold")
    return 1 if failed or (promised and not equal) else 0


def run(first: str, second: str | None = None, metric: str = "f1", *, as_json: bool = False) -> int:
    """Print what of release `first` the release `second` reproduces; return the exit code.

    Args:
        first: name of a release; the only one given is held against a committed one that it reproduces.
        second: name of the release that may reproduce it.
        metric: the one that decides.
        as_json: print all rows as JSON; the exit code is 0 then, and the reader judges.

    Raises:
        KdgatError: no such release, or a metric that neither of them has.
    """
    if second is None:
        b = Release.open(first)
        original = reference(b)
        if original is None:
            print(
                f"{b.name} is not a reproduction: no committed release has its configuration and data; it stands beside them"
            )
            return NOT_COMPARABLE
        a = original
    else:
        a, b = Release.open(first), Release.open(second)
    known = list(dict.fromkeys(m for x in (a, b) for m in pc.unique(x.table("summary")["metric"]).to_pylist()))
    if metric not in known:
        raise KdgatError(f"no metric is called {metric!r}; known: {', '.join(known)}")
    why = obstacles(a, b)
    if as_json:
        keys = [dict(zip(KEY, r.key, strict=True)) for r in rows(a, b)]
        values = [{"a": r.a, "b": r.b, "low": r.low, "high": r.high, "reproduced": r.reproduced} for r in rows(a, b)]
        print(json.dumps([k | v for k, v in zip(keys, values, strict=True)], indent=1))
        return 0
    for reason in why:
        print(f"not a reproduction: {reason}")
    code = report(a, b, metric)
    return NOT_COMPARABLE if why else code


if __name__ == "__main__":
    start("compare")
