"""Sentences that depend on results: which words are true is decided by intervals, so a new release cannot leave one false.

Each is a key `text.<name>`; the numbers in it are spans with keys of their own. "Ahead" and "behind" are said only where the 95 %
interval of the paired difference (`analysis.numbers.effects`) excludes zero; everything else "cannot be told from".
"""

from __future__ import annotations

import json
from collections.abc import Callable

from analysis.claims.statements import (
    ablations,
    explanations,
    latency,
    operating_points,
    readings,
    scope,
    virtual_vehicles,
)
from analysis.claims.wording import Main, among, enumerate_words, slugged, under
from analysis.numbers.values import Numbers
from analysis.reference import PUBLISHED, labels
from kdgat.records import HEADLINE_MODEL

TEACHER = "gat-teacher"
BASELINE = "gbm-baseline"
DQN, MEAN = "fusion-dqn-student", "fusion-mean-student"
#: what a sentence calls a model, where that is not its label
_NAMES = {DQN: "the learned fusion of the students"}


def known_car(numbers: Numbers) -> str:
    """The headline model where vehicle and attack are known."""
    r = Main(numbers)
    key = r.key("test_01", HEADLINE_MODEL)
    if not r.known(key):
        return "This release does not score the known vehicle under known attacks."
    return (
        f"On the known vehicle under known attacks the {labels.model(HEADLINE_MODEL)} reaches an F1 of {r.shown(key)}."
    )


def worst(numbers: Numbers) -> str:
    """Where the headline model is worst, and whether that differs from the known car."""
    r = Main(numbers)
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
    return f"{text}; its interval {'lies under' if under(low, known) else 'overlaps'} that of the known vehicle."


def worst_calibrated(numbers: Numbers) -> str:
    """Where the headline model is worst once it has a profile of the test vehicle."""
    r = Main(numbers)
    keys = {s: r.key(s, HEADLINE_MODEL, "calibrated") for s in r.scenarios}
    known = {s: key for s, key in keys.items() if r.known(key)}
    if not known:
        return "This release holds no calibrated results of the headline model."
    scenario = min(known, key=lambda s: numbers[known[s]].value)
    name = labels.model(HEADLINE_MODEL)
    return (
        f"With a profile of the car's own traffic the lowest F1 of the {name} is {r.shown(known[scenario])}, "
        f"in {labels.scenario(scenario)}."
    )


def _versus(numbers: Numbers, model: str, other: str, lead: str) -> str:
    r = Main(numbers)
    found = r.differences(f"{slugged(model)}_minus_{slugged(other)}", "zero_shot")
    if not found:
        return f"This release does not hold both the {labels.model(model)} and {labels.model(other)}."
    return f"{lead}, {_NAMES.get(model, f'the {labels.model(model)}')} {found}."


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
    r = Main(numbers)
    found = r.differences(slugged(HEADLINE_MODEL), "calibrated_minus_zero_shot")
    if not found:
        return "This release holds no calibrated results of the headline model."
    name = labels.model(HEADLINE_MODEL)
    text = f"With a profile of the test vehicle, the {name} {found}, compared with itself without one."
    poisoned = r.differences(slugged(HEADLINE_MODEL), "contaminated_minus_calibrated")
    return (
        f"{text} With an attack inside the profile it {poisoned}, compared with a clean profile." if poisoned else text
    )


def ranking(numbers: Numbers) -> str:
    """Where F1 falls below the known car's, whether the order of the windows does too."""
    r = Main(numbers)
    known = {m: r.key("test_01", HEADLINE_MODEL, metric=m) for m in ("f1", "roc_auc")}
    if not all(map(r.known, known.values())):
        return "This release does not score the known vehicle, with which the ranking would be compared."
    groups: dict[bool, list[str]] = {}
    for scenario in (s for s in r.scenarios if s != "test_01"):
        f1, auc = (r.key(scenario, HEADLINE_MODEL, metric=m) for m in known)
        if r.known(f1) and r.known(auc) and under(numbers[f1], numbers[known["f1"]]):
            shown = f"{labels.scenario(scenario)} ({r.shown(auc)})"
            groups.setdefault(under(numbers[auc], numbers[known["roc_auc"]]), []).append(shown)
    name = labels.model(HEADLINE_MODEL)
    if not groups:
        return f"In no other scenario does the F1 of the {name} lie under that of the known vehicle."
    parts = []
    if False in groups:
        parts.append(
            f"its area under the ROC curve cannot be told from that of the known vehicle in {enumerate_words(groups[False])}: "
            "there the order of the windows transfers, and the operating point does not"
        )
    if True in groups:
        parts.append(f"that area too lies under that of the known vehicle in {enumerate_words(groups[True])}")
    return f"Where the F1 of the {name} lies under that of the known vehicle, {'; '.join(parts)}."


def alarms(numbers: Numbers) -> str:
    """False alarms an hour where they are most frequent."""
    r = Main(numbers)
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
    r = Main(numbers)
    table = json.loads(PUBLISHED.read_text())["by_scenario"]
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


def answers(numbers: Numbers) -> str:
    """The questions of the introduction, answered in words alone."""
    r = Main(numbers)
    where = []
    for protocol in ("zero-shot", "calibrated"):
        keys = {s: r.key(s, HEADLINE_MODEL, protocol) for s in r.scenarios}
        keys = {s: key for s, key in keys.items() if r.known(key)}
        if len(keys) < 2 or "test_01" not in keys:
            return "This release does not compare an unknown vehicle with the known one."
        low = [labels.scenario(s) for s, key in keys.items() if under(numbers[key], numbers[keys["test_01"]])]
        where.append(among(low, len(keys) - 1, "every other scenario") if low else "no scenario")
    first = (
        f"Without a profile of the car the F1 of the {labels.model(HEADLINE_MODEL)} lies under that of the known vehicle "
        f"in {where[0]}, with one in {where[1]}."
    )
    asked = (
        ("Compared with gradient boosting", slugged(HEADLINE_MODEL), slugged(BASELINE), "the student"),
        ("Compared with the teacher", slugged(HEADLINE_MODEL), slugged(TEACHER), "the student"),
        ("Compared with a fixed mean of the two scores", slugged(DQN), slugged(MEAN), "the learned fusion"),
    )
    said = [first]
    for lead, a, b, who in asked:
        signs = r.by_sign(f"{a}_minus_{b}", "zero_shot")
        whole = sum(map(len, signs.values()))
        parts = [
            f"{name} in {among(list(signs[name]), whole)}" for name in ("ahead", "behind", "level") if name in signs
        ]
        if parts:
            said.append(f"{lead}, {who} is {enumerate_words(parts)}.")
    return " ".join(said)


#: what is said to be worth its cost: what it is, what it is compared with, segments of the difference's key
COMPARED = (
    ("the student", "gradient boosting", f"{slugged(HEADLINE_MODEL)}_minus_{slugged(BASELINE)}", "zero_shot"),
    ("the learned fusion", "the fixed mean of the two scores", f"{slugged(DQN)}_minus_{slugged(MEAN)}", "zero_shot"),
    ("the learned fusion", "the student alone", f"{slugged(DQN)}_minus_{slugged(HEADLINE_MODEL)}", "zero_shot"),
    ("the profile of the test vehicle", "no profile", slugged(HEADLINE_MODEL), "calibrated_minus_zero_shot"),
)


def failures(numbers: Numbers) -> str:
    """Which parts are ahead nowhere or behind somewhere, compared with what is simpler."""
    r = Main(numbers)
    found, compared = [], False
    for what, other, pair, middle in COMPARED:
        signs = r.by_sign(pair, middle)
        compared = compared or bool(signs)
        whole = sum(map(len, signs.values()))
        behind = f"behind it in {among(list(signs['behind']), whole)}" if "behind" in signs else ""
        if signs and "ahead" not in signs:
            found.append(f"{what} is ahead of {other} in no scenario" + (f" and {behind}" if behind else ""))
        elif behind:
            found.append(f"{what}, compared with {other}, is {behind}")
    if not compared:
        return "This release compares no part with a simpler one."
    if not found:
        return "No part that is compared here with a simpler one is behind it in a scenario or ahead of it in none."
    return f"By the intervals, {'; '.join(found)}."


ALL: dict[str, Callable[[Numbers], str]] = {
    made.__name__: made
    for made in (
        known_car,
        worst,
        worst_calibrated,
        scope,
        baseline,
        distillation,
        fusion,
        ranking,
        operating_points,
        virtual_vehicles,
        answers,
        calibration,
        explanations,
        alarms,
        published,
        readings,
        latency,
        failures,
        ablations,
    )
}
