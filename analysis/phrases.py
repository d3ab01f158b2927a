"""Sentences that depend on results: which words are true is decided by intervals, so a new release cannot leave one false.

Each is a key `text.<name>`; the numbers in it are spans with keys of their own. "Ahead" and "behind" are said only where the 95 %
interval of the paired difference (`analysis.effects`) excludes zero; everything else "cannot be told from".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis import labels
from kdgat.records import HEADLINE_MODEL

if TYPE_CHECKING:
    from analysis.numbers import Number, Numbers
    from analysis.release import Release

TEACHER = "gat-teacher"
BASELINE = "gbm-baseline"
DQN, MEAN = "fusion-dqn-student", "fusion-mean-student"


def enumerate_words(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def sign(difference: Number) -> str:
    """`ahead`, `behind` or `level`: whether the interval of a difference lies over zero, under it, or holds it."""
    if difference.low is None or difference.high is None:
        return "level"
    return "ahead" if difference.low > 0 else "behind" if difference.high < 0 else "level"


def slugged(name: str) -> str:
    """A model or protocol as a segment of a key."""
    return name.replace("-", "_")


class _Release:
    """Short ways to the numbers of a release's first dataset."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers
        rows = numbers.release.table("summary").to_pylist()
        mine = [r for r in rows if r["dataset"] == numbers.main_dataset and r["attack"] == "all"]
        self.scenarios = sorted({r["scenario"] for r in mine if r["scenario"].startswith("test")})

    def key(self, scenario: str, model: str, protocol: str = "zero-shot", metric: str = "f1") -> str:
        return f"main.{scenario}.{slugged(model)}.{slugged(protocol)}.{metric}"

    def known(self, key: str) -> bool:
        """Whether the release defines the number."""
        return key in self.numbers and self.numbers[key].value is not None

    def shown(self, key: str) -> str:
        """The number with its interval."""
        return self.numbers.with_interval(key)

    def differences(self, pair: str, middle: str) -> str:
        """`is ahead in test 01 (by +0.1 (…)), is behind in …, and cannot be told from it in test 04`; empty if unknown.

        `pair` and `middle` are the segments of the difference's key between scenario and metric.
        """
        groups: dict[str, list[str]] = {"ahead": [], "behind": [], "level": []}
        for scenario in self.scenarios:
            key = f"main.{scenario}.{pair}.{middle}.f1"
            if self.known(key):
                found = sign(self.numbers[key])
                by = f" (by {self.shown(key)})" if found != "level" else ""
                groups[found].append(f"{labels.scenario(scenario)}{by}")
        parts = [f"is {name} in {enumerate_words(groups[name])}" for name in ("ahead", "behind") if groups[name]]
        if groups["level"]:
            parts.append(f"cannot be told from it in {enumerate_words(groups['level'])}")
        return enumerate_words(parts) if parts else ""


def known_car(numbers: Numbers) -> str:
    """The headline model where vehicle and attack are known."""
    r = _Release(numbers)
    key = r.key("test_01", HEADLINE_MODEL)
    if not r.known(key):
        return "This release does not score the known vehicle under known attacks."
    return (
        f"On the known vehicle under known attacks the {labels.model(HEADLINE_MODEL)} reaches an F1 of {r.shown(key)}."
    )


def worst(numbers: Numbers) -> str:
    """Where the headline model is worst, and whether that differs from the known car."""
    r = _Release(numbers)
    keys = {s: r.key(s, HEADLINE_MODEL) for s in r.scenarios if r.known(r.key(s, HEADLINE_MODEL))}
    if not keys:
        return "This release holds no F1 of the headline model."
    scenario = min(keys, key=lambda s: numbers[keys[s]].value)
    text = f"Its lowest F1, {r.shown(keys[scenario])}, is that of {labels.scenario(scenario)}"
    if scenario == "test_01" or "test_01" not in keys:
        return f"{text}."
    low, known = numbers[keys[scenario]], numbers[keys["test_01"]]
    if low.high is None or known.low is None:
        return f"{text}."
    return f"{text}; its interval {'lies under' if low.high < known.low else 'overlaps'} that of the known vehicle."


def _versus(numbers: Numbers, model: str, other: str, lead: str) -> str:
    r = _Release(numbers)
    found = r.differences(f"{slugged(model)}_minus_{slugged(other)}", "zero_shot")
    if not found:
        return f"This release does not hold both the {labels.model(model)} and {labels.model(other)}."
    return f"{lead}, the {labels.model(model)} {found}."


def baseline(numbers: Numbers) -> str:
    """The headline model against the simple baseline."""
    return _versus(numbers, HEADLINE_MODEL, BASELINE, "Against gradient boosting on pooled window statistics")


def distillation(numbers: Numbers) -> str:
    """The student against its teacher, with their sizes."""
    text = _versus(numbers, HEADLINE_MODEL, TEACHER, "Against its teacher")
    sizes = [f"main.parameters.{slugged(m)}" for m in (HEADLINE_MODEL, TEACHER)]
    if not all(key in numbers for key in sizes):
        return text
    small, large = (numbers.markdown(key) for key in sizes)
    return f"{text} It has {small} parameters, the teacher {large}."


def fusion(numbers: Numbers) -> str:
    """The learned fusion against a fixed mean, and against the classifier alone."""
    mean = _versus(numbers, DQN, MEAN, "Against the fixed mean of the two scores")
    return f"{mean} {_versus(numbers, DQN, HEADLINE_MODEL, 'Against the classifier alone')}"


def calibration(numbers: Numbers) -> str:
    """What a profile of the test vehicle changes."""
    r = _Release(numbers)
    found = r.differences(slugged(HEADLINE_MODEL), "calibrated_minus_zero_shot")
    if not found:
        return "This release holds no calibrated results of the headline model."
    name = labels.model(HEADLINE_MODEL)
    text = f"With a profile of the test vehicle, the {name} {found}, compared with itself without one."
    poisoned = r.differences(slugged(HEADLINE_MODEL), "contaminated_minus_calibrated")
    return (
        f"{text} With an attack inside the profile it {poisoned}, compared with a clean profile." if poisoned else text
    )


def alarms(numbers: Numbers) -> str:
    """False alarms an hour where they are most frequent."""
    r = _Release(numbers)
    keys = {s: r.key(s, HEADLINE_MODEL, metric="false_alarms_per_hour") for s in r.scenarios}
    keys = {s: key for s, key in keys.items() if r.known(key)}
    if not keys:
        return "This release does not count false alarms by time."
    scenario = max(keys, key=lambda s: numbers[keys[s]].value)
    text = f"The {labels.model(HEADLINE_MODEL)} alarms most often in {labels.scenario(scenario)}: "
    text += f"{numbers.markdown(keys[scenario])} false alarms an hour of benign traffic"
    high = r.key(scenario, HEADLINE_MODEL, metric="false_alarms_per_hour_high")
    return f"{text} (95 % upper bound {numbers.markdown(high)})." if r.known(high) else f"{text}."


def published(numbers: Numbers) -> str:
    """The headline model beside what the authors of the published systems printed, scenario by scenario."""
    r = _Release(numbers)
    table = json.loads((Path(__file__).parent / "published.json").read_text())["by_scenario"]
    if (table["dataset"], table["metric"]) != (numbers.main_dataset, "f1"):
        return "The published systems printed no results by scenario for this dataset."
    row = table["rows"][0]
    groups: dict[str, list[str]] = {"over": [], "under": [], "holds": []}
    for scenario, value in row["values"].items():
        key = r.key(scenario, HEADLINE_MODEL)
        if not r.known(key):
            continue
        n = numbers[key]
        side = "holds" if n.low is None or n.low <= value <= n.high else "over" if n.low > value else "under"
        groups[side].append(labels.scenario(scenario))
    words = {"over": "lies over it in", "under": "lies under it in", "holds": "holds it in"}
    parts = [f"{words[side]} {enumerate_words(found)}" for side, found in groups.items() if found]
    if not parts:
        return "The published results by scenario have no counterpart in this release."
    return (
        f"Beside the F1 that the published {row['model']} printed, the interval measured here {enumerate_words(parts)}."
    )


def readings(numbers: Numbers) -> str:
    """How often the test folders had been read when the runs of the release were joined."""
    (found,) = numbers.release.rows(
        "select count(distinct reader)::int as evaluations, count(distinct config_hash)::int as configurations, "
        "count(distinct commit)::int as commits, min(time) as first from readings"
    )
    if not found["evaluations"]:
        return "For this release no count was kept of how often the test folders had been read before."

    def of(name: str) -> str:
        return f"{found[name]:,} {name if found[name] != 1 else name.removesuffix('s')}"

    return (
        f"Up to this release, our log counts {of('evaluations')} that read the test folders, of "
        f"{of('configurations')} at {of('commits')}, the first on {found['first'][:10]}."
    )


def latency(numbers: Numbers) -> str:
    """What one window costs on one thread, where the release was measured."""
    keys = {name: f"benchmarks.latency_{name}" for name in ("window_p50", "window_p99", "features_p50")}
    if not all(key in numbers for key in keys.values()):
        return "This release holds no measured latency."
    whole, slow, features = (numbers.markdown(key) for key in keys.values())
    machine = numbers.release.table("benchmarks").to_pylist()[0]["machine"]
    processor = ", ".join(machine.split(", ")[:2])
    return (
        f"From frames to fused score a window takes {whole} ms in the median and {slow} ms at the 99th percentile, "
        f"{features} ms of it for the features, on one thread ({processor})."
    )


#: what is said to be worth its cost: what it is, what it is compared with, segments of the difference's key
COMPARED = (
    ("the student", "gradient boosting", f"{slugged(HEADLINE_MODEL)}_minus_{slugged(BASELINE)}", "zero_shot"),
    ("the learned fusion", "the fixed mean of the two scores", f"{slugged(DQN)}_minus_{slugged(MEAN)}", "zero_shot"),
    ("the learned fusion", "the student alone", f"{slugged(DQN)}_minus_{slugged(HEADLINE_MODEL)}", "zero_shot"),
    ("the profile of the test vehicle", "no profile", slugged(HEADLINE_MODEL), "calibrated_minus_zero_shot"),
)


def failures(numbers: Numbers) -> str:
    """Which parts are ahead nowhere or behind somewhere, compared with what is simpler."""
    r = _Release(numbers)
    found, compared = [], False
    for what, other, pair, middle in COMPARED:
        signs: dict[str, list[str]] = {}
        for scenario in r.scenarios:
            key = f"main.{scenario}.{pair}.{middle}.f1"
            if r.known(key):
                signs.setdefault(sign(numbers[key]), []).append(labels.scenario(scenario))
        compared = compared or bool(signs)
        behind = f"behind it in {enumerate_words(signs['behind'])}" if "behind" in signs else ""
        if signs and "ahead" not in signs:
            found.append(f"{what} is ahead of {other} in no scenario" + (f" and {behind}" if behind else ""))
        elif behind:
            found.append(f"{what}, compared with {other}, is {behind}")
    if not compared:
        return "This release compares no part with a simpler one."
    if not found:
        return "No part that is compared here with a simpler one is behind it in a scenario or ahead of it in none."
    return f"By the intervals, {'; '.join(found)}."


def ablation_sign(row: dict[str, Any]) -> int:
    """1 or −1 where the interval of a row's difference from the reference lies over or under zero, else 0."""
    low, high = row["difference_low"], row["difference_high"]
    return 0 if low is None or high is None else (low > 0) - (high < 0)


def ablations(numbers: Numbers) -> str:
    """Which changes of one factor help or hurt the headline model, zero-shot."""
    signs: dict[tuple[str, str], set[int]] = {}
    for row in numbers.release.table("ablations").to_pylist():
        if (row["dataset"], row["protocol"], row["metric"]) != (numbers.main_dataset, "zero-shot", "f1"):
            continue
        if not row["reference"]:
            signs.setdefault((row["factor"], row["level"]), set()).add(ablation_sign(row))
    if not signs:
        return "This release holds no ablations."
    groups = {
        "A lower F1 in some scenario and a higher one in none": [c for c, s in signs.items() if -1 in s and 1 not in s],
        "A higher F1 in some and a lower one in none": [c for c, s in signs.items() if 1 in s and -1 not in s],
        "Both": [c for c, s in signs.items() if {-1, 1} <= s],
        "No difference that can be told": [c for c, s in signs.items() if s == {0}],
    }
    parts = [f"{what} ({len(changes)}): {_by_factor(changes)}" for what, changes in groups.items() if changes]
    return f"{len(signs)} changes to the {labels.model(HEADLINE_MODEL)} were judged zero-shot. {'. '.join(parts)}."


def _by_factor(changes: Sequence[tuple[str, str]]) -> str:
    """`factor (level, level); factor (level)`."""
    factors = sorted({factor for factor, _ in changes})
    return "; ".join(f"{f} ({' / '.join(level for g, level in changes if g == f)})" for f in factors)


def data_note(release: Release) -> str:
    """A sentence that says on what data the release's results were obtained."""
    by_kind: dict[str, list[str]] = {}
    for name, entry in release.manifest["datasets"].items():
        by_kind.setdefault(entry["data_kind"], []).append(name)
    real, synthetic = (", ".join(sorted(by_kind.get(k, []))) for k in ("real", "synthetic"))
    if not synthetic:
        return f"Results on real captures ({real})."
    if not real:
        return (
            f"Synthetic data: every result shown here was obtained on generated traffic ({synthetic}), "
            "not on real captures, and says nothing about a real vehicle."
        )
    return (
        f"Results on real captures ({real}) and on synthetic data ({synthetic}); synthetic results are marked as such."
    )


ALL: dict[str, Callable[[Numbers], str]] = {
    made.__name__: made
    for made in (
        known_car,
        worst,
        baseline,
        distillation,
        fusion,
        calibration,
        alarms,
        published,
        readings,
        latency,
        failures,
        ablations,
    )
}
