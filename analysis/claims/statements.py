"""Sentences about a release that compare no detectors: data, thresholds, readings, speed, explanations, ablations.

Each is a key `text.<name>`, as those of `analysis.claims.phrases`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.claims.wording import Main, enumerate_words, slugged
from analysis.numbers import explanations as examples
from analysis.numbers.values import Numbers
from analysis.reference import labels
from analysis.reference.format import slug
from analysis.releases.release import Release
from kdgat.catalog.datasets import entries, members
from kdgat.records import HEADLINE_MODEL


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


def scope(numbers: Numbers) -> str:
    """On what data the results rest, how much of it there is, and what the catalog names besides."""
    release = numbers.release
    held = sorted(release.manifest.get("datasets", {}), key=lambda name: (name != numbers.main_dataset, name))
    if not held:
        return "This release holds no dataset."
    parts = []
    for name in held:
        vehicles, captures, seconds = (
            numbers.markdown(f"{slug(name)}.{what}") for what in ("vehicles", "test_captures", "test_seconds")
        )
        parts.append(f"{name} ({vehicles} vehicles, {captures} test recordings, {seconds}\u00a0s of test traffic)")
    real = release.data_kind == "real"
    lead = "The results rest on real captures:" if real else f"{data_note(release)} They rest on"
    left = (
        " Other datasets of the catalog are not covered."
        if set(entries()) - {m for name in held for m in members(name)}
        else ""
    )
    return f"{lead} {enumerate_words(parts)}.{left}"


#: what the table of operating points calls a threshold's source → how a sentence does
_SOURCES = (
    ("none, fixed at", "fixed at{}"),
    ("validation captures, best F1", "that of the best F1 on validation windows of the captures"),
    ("validation, best F1", "that of the best F1 on validation windows"),
    (
        "validation captures, benign windows, false-positive rate",
        "what a share of{} of the captures' benign ones reaches",
    ),
    ("validation, benign windows, false-positive rate", "what a share of{} of the benign validation windows reaches"),
    ("benign validation, false-positive rate", "what a share of{} of the benign validation windows reaches"),
)
_FAMILIES = {
    "vgae": "the autoencoder",
    "gat": "the classifier",
    "fusion": "the fusion",
    "gbm": "gradient boosting",
    "interarrival": "the inter-arrival times",
    "frequency": "the identifier frequencies",
}


def operating_points(numbers: Numbers) -> str:
    """Where each family's threshold came from."""
    families: dict[str, list[str]] = {}
    for row in sorted(numbers.release.table("operating_points").to_pylist(), key=lambda r: str(r["model"])):
        known = ((row["source"].removeprefix(lead), text) for lead, text in _SOURCES if row["source"].startswith(lead))
        rest, text = next(known, (row["source"], "fitted on {}"))
        family = row["model"].partition("-")[0]
        found = families.setdefault(text.format(rest), [])
        found += [name for name in (_FAMILIES.get(family, family),) if name not in found]
    if not families:
        return "This release holds no operating points."
    parts = [f"{what} for {enumerate_words(names)}" for what, names in families.items()]
    return f"The threshold is {'; it is '.join(parts)}."


def virtual_vehicles(numbers: Numbers) -> str:
    """How fast virtual vehicles send and what profiles they have, where the configuration says so."""
    keys = ("config.augmentation.rate", "config.augmentation.profiles")
    if not all(key in numbers for key in keys):
        return "The configuration of this release names neither their rates nor the shares of their profiles."
    rate, shares = (numbers.markdown(key) for key in keys)
    return f"Their frames a second, least and most, are {rate}; the shares of a clean profile, of none and of one under attack {shares}."


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


def explanations(numbers: Numbers) -> str:
    """How much of the attribution lies on what was injected."""
    r = Main(numbers)
    parts: list[str] = []
    for attack in (a for d, a in examples.attacks(numbers.release) if d == numbers.main_dataset):
        keys = {name: f"main.explanations.{slugged(attack)}.{name}" for name in examples.NAMES}
        if not all(map(r.known, keys.values())):
            continue
        n = {name: numbers.markdown(key) for name, key in keys.items()}
        injected, held, count = n["identifiers"], n["attribution"], f"{n['concentrated']} of {n['windows']}"
        parts.append(
            f"under *{attack}* they are {injected} and hold {held}, in {count}"
            if parts
            else f"Under *{attack}*, identifiers with injected frames are {injected} of all and hold {held} of the absolute "
            f"attribution, more than their share in {count} example windows"
        )
    if not parts:
        return "This release holds no attributions of attacked windows."
    most = enumerate_words(examples.features(numbers.release, numbers.main_dataset))
    return f"{'; '.join(parts)}. The node features that hold most of the attribution are {most}."


def ablation_sign(row: dict[str, Any]) -> int:
    """1 or −1 where the interval of a row's difference from the reference lies over or under zero, else 0."""
    low, high = row["difference_low"], row["difference_high"]
    return 0 if low is None or high is None else (low > 0) - (high < 0)


def ablations(numbers: Numbers) -> str:
    """Which changes of one factor help or hurt the headline model, zero-shot."""
    rows = [
        row
        for row in numbers.release.table("ablations").to_pylist()
        if (row["dataset"], row["protocol"], row["metric"]) == (numbers.main_dataset, "zero-shot", "f1")
        and not row["reference"]
    ]
    signs: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        signs.setdefault((row["factor"], row["level"]), set()).add(ablation_sign(row))
    if not signs:
        return "This release holds no ablations."
    groups = {
        "lower F1 in some scenario and raise it in none": [-1 in s and 1 not in s for s in signs.values()],
        "raise it in some and lower it in none": [1 in s and -1 not in s for s in signs.values()],
        "lower it in one and raise it in another": [{-1, 1} <= s for s in signs.values()],
        "cannot be told from the reference": [s == {0} for s in signs.values()],
    }
    parts = [f"{sum(found)} {what}" for what, found in groups.items()]
    text = f"Of {len(signs)} changes to the {labels.model(HEADLINE_MODEL)}, judged zero-shot, {enumerate_words(parts)}."
    return f"{text}{_extremes(numbers, rows)}"


def _extremes(numbers: Numbers, rows: Sequence[dict[str, Any]]) -> str:
    """The largest loss and the largest gain whose intervals exclude zero, of rows of `ablations` in zero-shot F1."""
    keys = {}
    for row in rows:
        what = tuple(slug(row[c]) for c in ("factor", "level", "scenario", "protocol"))
        key = f"main.ablations.{'.'.join(what)}.f1_minus_reference"
        if key in numbers:
            keys[key] = row
    parts = []
    for name, side, pick in (("loss", -1, min), ("gain", 1, max)):
        found = [key for key, row in keys.items() if ablation_sign(row) == side]
        if found:
            key = pick(found, key=lambda k: keys[k]["difference"])
            row = keys[key]
            parts.append(
                f"the largest {name} is {numbers.with_interval(key)} in {labels.scenario(row['scenario'])}, for *{row['factor']}: {row['level']}*"
            )
    text = "; ".join(parts)
    return f" {text[0].upper()}{text[1:]}." if text else ""
