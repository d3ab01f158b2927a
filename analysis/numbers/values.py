"""Keys → values: every number that a document shows, by name, from a release.

A key is dotted and lower-case, `-` written as `_`:

    hcrl_sa.test_01.gat_student.zero_shot.f1            dataset.scenario.model.protocol.metric (attack `all`)
    hcrl_sa.test_01.attack_dos.gat_student.zero_shot.f1 the same for one attack
    hcrl_sa.test_01.gat_student_minus_gbm_baseline.zero_shot.f1    difference; `_vs_` instead of `_minus_`: its words
    hcrl_sa.test_01.gat_student.calibrated_minus_zero_shot.f1      the same between two protocols
    hcrl_sa.ablations.edges.off.test_02.zero_shot.f1    one factor changed; `…f1_minus_reference`: the difference
    hcrl_sa.ablations.edges.corrected       zero-shot differences of a factor that stay resolved, corrected for all of the table
    hcrl_sa.published.gat.test_01.f1                 what others printed (`published.json`)
    hcrl_sa.test_01.floor_f1                         F1 of calling every window an attack
    hcrl_sa.test_01.timer_f1                         F1 of a timer that looks at nothing (`schedule.py`)
    universal.pooled.gat_alone_student.zero_shot.events_found_at_5_an_hour    attack events found at five alarm events an hour (`quiet.py`)
    choice.evade_midpoint.recorded.zero_shot         recall on virtual cars, when the settings were chosen (`choice.py`)
    hcrl_sa.frames · hcrl_sa.test_01.positives · parameters.gat_student · config.windows.size · readings.evaluations · release.name

`main.` stands for the release's first dataset (a real one if there is one): `main.test_01.gat_student…`.
A number renders as a span that carries its key and, as a title, its interval and runs; a text (release.name,
release.commit) as itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import permutations
from typing import Any

from analysis.numbers import at_half, choice, explanations, quiet, schedule
from analysis.numbers.effects import LEVEL, Effects, Side, phrase
from analysis.numbers.number import KeyUnknown, Maker, Makers, Number
from analysis.reference import PUBLISHED
from analysis.reference.format import NA, by_metric, count, plain, signed, slug
from analysis.releases.release import ABLATION, RECIPE, Release
from kdgat.errors import KdgatError
from kdgat.paths import REPO
from kdgat.records import HEADLINE_MODEL

METRIC_COLUMNS = ("dataset", "scenario", "attack", "model", "protocol", "metric")


def citation() -> dict[str, str]:
    """Who made this and under what terms, from the one file that says it, `CITATION.cff`."""
    import yaml

    cff = yaml.safe_load((REPO / "CITATION.cff").read_text(encoding="utf-8"))
    people = (a.get("name") or f"{a['given-names']} {a['family-names']}" for a in cff["authors"])
    facts = {"title": cff["title"], "authors": " and ".join(people), "licence": cff["license"]}
    return facts | {
        name: str(cff[key]) for name, key in (("repository", "repository-code"), ("doi", "doi")) if key in cff
    }


class Numbers:
    """All numbers of a release by key."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self._cache: dict[str, Number] = {}
        self._resting: dict[tuple[str, str | None], list[str]] = {}

    def __getitem__(self, key: str) -> Number:
        if key in self._cache:
            return self._cache[key]
        try:
            number = self._cache[key] = self._makers[key]()
            return number
        except KeyError:
            raise KeyUnknown(self.release.name, key, self._makers) from None

    def __contains__(self, key: str) -> bool:
        return key in self._makers

    def keys(self) -> list[str]:
        """All keys, sorted."""
        return sorted(self._makers)

    def facts(self) -> list[str]:
        """Keys of everything that is not a result: datasets, sizes, configuration, the release itself."""
        makers = (self._release_keys, self._dataset_keys, self._parameter_keys, self._benchmark_keys, self._config_keys)
        return sorted(key for make in makers for key, _ in make())

    def markdown(self, key: str) -> str:
        """The number as Quarto renders it: `[0.9987]{.num data-key=… title=…}`, or plain text."""
        number = self[key]
        if not number.span:
            return number.text
        return f'[{number.text}]{{.num data-key="{key}" title="{self.title(number)}"}}'

    def with_interval(self, key: str) -> str:
        """The number as `markdown` gives it and, where it has one, its interval in parentheses: a keyed span too."""
        interval = self[key].interval
        return f'{self.markdown(key)} ([{interval}]{{.ci data-key="{key}"}})' if interval else self.markdown(key)

    def title(self, number: Number) -> str:
        """One line for the span's title: interval, seeds, runs."""
        parts = [f"95 % interval {number.interval}"] if number.interval else []
        if number.n_seeds:
            parts.append(f"{number.n_seeds} seed{'s' if number.n_seeds > 1 else ''}")
        runs = self.runs(number)
        if runs:
            parts.append(f"runs {', '.join(runs[:3])}{' …' if len(runs) > 3 else ''}")
        return (", ".join(parts) or f"release {self.release.name}").replace('"', "'")

    def runs(self, number: Number) -> list[str]:
        """Runs a number rests on: those that evaluated it, then those that trained its model; of a difference, those of both models."""
        if not number.where:
            return []
        models = [number.where[column] for column in ("model", "other") if column in number.where] or [None]
        return list(dict.fromkeys(run for model in models for run in self._resting_on(number.where["dataset"], model)))

    def _resting_on(self, dataset: str, model: str | None) -> list[str]:
        place = dataset, model
        if place not in self._resting:  # thousands of numbers rest on the same few
            self._resting[place] = self._runs_of(*place)
        return self._resting[place]

    def _runs_of(self, dataset: str, model: str | None) -> list[str]:
        rows = [r for r in self._runs if r["dataset"] == dataset]
        if model is not None:
            evaluated = self._evaluated.get((dataset, model), set())
            rows = [r for r in rows if r["model"] == model or r["run"] in evaluated]
            rows.sort(key=lambda r: (r["run"] not in evaluated, r["run"]))
        return [r["run"] for r in rows]

    @cached_property
    def summary(self) -> list[dict[str, Any]]:
        """Rows of the table `summary`."""
        return list(self.release.table("summary").to_pylist())

    @cached_property
    def by_metric(self) -> dict[str, list[dict[str, Any]]]:
        """Metric → its rows of `summary`."""
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in self.summary:
            rows.setdefault(row["metric"], []).append(row)
        return rows

    @cached_property
    def hyperparameters(self) -> list[dict[str, Any]]:
        """Rows of the table `hyperparameters` of the runs that have the release's own configuration."""
        ids = {r["run"] for r in self.release.configured()}
        return [r for r in self.release.table("hyperparameters").to_pylist() if r["run"] in ids]

    @cached_property
    def _runs(self) -> list[dict[str, Any]]:
        return list(self.release.table("runs").to_pylist())

    @cached_property
    def _evaluated(self) -> dict[tuple[str, str], set[str]]:
        pairs: dict[tuple[str, str], set[str]] = {}
        groups = self.release.table("metrics").select(["dataset", "model", "run"]).group_by(["dataset", "model", "run"])
        for r in groups.aggregate([]).to_pylist():
            pairs.setdefault((r["dataset"], r["model"]), set()).add(r["run"])
        return pairs

    @property
    def main_dataset(self) -> str:
        """The dataset that prose calls `main`."""
        datasets = self.release.manifest["datasets"]
        return str(min(datasets, key=lambda name: (datasets[name]["data_kind"] != "real", name)))

    def paired(self, a: str, b: str) -> str | None:
        """Key of the difference of two metrics on the same windows, where it was measured or can be computed.

        The two are one metric of two models under one protocol, or of one model under two protocols.
        """
        one, other = (self._metric_rows.get(self._plain(key)) for key in (a, b))
        if one is None or other is None or any(one[c] != other[c] for c in ("dataset", "scenario", "attack", "metric")):
            return None
        if one["protocol"] == other["protocol"]:
            middle = [f"{one['model']}_minus_{other['model']}", one["protocol"]]
        else:
            middle = [one["model"], f"{one['protocol']}_minus_{other['protocol']}"]
        key = ".".join(map(slug, (one["dataset"], one["scenario"], *middle, one["metric"])))
        return key if one["attack"] == "all" and key in self else None

    def _plain(self, key: str) -> str:
        """The key without the alias `main`."""
        return f"{slug(self.main_dataset)}.{key.removeprefix('main.')}" if key.startswith("main.") else key

    # ---- where the keys come from -------------------------------------------------------------------------------

    @cached_property
    def _makers(self) -> dict[str, Callable[[], Number]]:
        makers: dict[str, Callable[[], Number]] = {}
        for key, maker in self._all():
            if key in makers:
                raise KdgatError(f"release {self.release.name}: two numbers share the key {key!r}")
            makers[key] = maker
        # prose that holds for any release names its first dataset (a real one if there is one) `main`
        main = slug(self.main_dataset)
        aliases = {f"main.{key.removeprefix(f'{main}.')}": key for key in makers if key.startswith(f"{main}.")}
        makers |= {alias: partial(self._alias, alias, key) for alias, key in aliases.items()}
        return makers

    def _alias(self, alias: str, key: str) -> Number:
        return replace(self[key], key=alias)

    def _all(self) -> Makers:
        yield from self._release_keys()
        yield from self._metric_keys()
        yield from self._effect_keys()
        yield from self._published_keys()
        yield from self._operating_point_keys()
        yield from self._reading_keys()
        yield from self._ablation_keys()
        yield from explanations.keys(self.release)
        yield from schedule.keys(self.release)
        yield from at_half.keys(self.release)
        yield from quiet.keys(self.release)
        yield from choice.keys(self.release)
        yield from self._dataset_keys()
        yield from self._parameter_keys()
        yield from self._benchmark_keys()
        yield from self._config_keys()

    @cached_property
    def _metric_rows(self) -> dict[str, dict[str, Any]]:
        """Key → row of `summary`."""
        rows = {}
        for row in self.summary:
            segments = [
                row["dataset"],
                row["scenario"],
                *([] if row["attack"] == "all" else [f"attack_{row['attack']}"]),
            ]
            rows[".".join(slug(s) for s in (*segments, row["model"], row["protocol"], row["metric"]))] = row
        return rows

    def _metric_keys(self) -> Makers:
        for key, row in self._metric_rows.items():
            yield key, partial(self._metric, key, row)

    def _metric(self, key: str, row: dict[str, Any]) -> Number:
        conditions = " and ".join(f"{c} = '{row[c]}'" for c in METRIC_COLUMNS)
        return Number(
            key,
            by_metric(row["metric"], row["mean"]),
            row["mean"],
            f"select mean, ci_low, ci_high, n_seeds from summary where {conditions}",
            row["ci_low"],
            row["ci_high"],
            {"dataset": row["dataset"], "model": row["model"]},
            row["n_seeds"],
        )

    def _effect_keys(self) -> Makers:
        """A metric of one detector minus that of another, and the words for it, on every scenario: frozen, or F1 computed from the scores."""
        frozen = self._frozen_differences
        for key, (row, sign) in frozen.items():
            yield key, partial(self._frozen_difference, key, row, sign)
            if row["metric"] == "f1":
                words = key.replace("_minus_", "_vs_")
                yield words, partial(self._words, words, key)
        for key, place, a, b in self._pairs():
            if key not in frozen:
                yield key, partial(self._effect, key, place, a, b)
                words = key.replace("_minus_", "_vs_")
                yield words, partial(self._words, words, key)

    def _pairs(self) -> Iterator[tuple[str, tuple[str, str], Side, Side]]:
        """(key, (dataset, scenario), side, side) of every two detectors, or protocols of one, whose scores the release holds."""
        models = self.release.scored_models
        scored = [r for r in self.summary if r["metric"] == "f1" and r["attack"] == "all" and r["model"] in models]
        places = sorted({(r["dataset"], r["scenario"]) for r in scored})
        for place in places:
            here = sorted({(r["model"], r["protocol"]) for r in scored if (r["dataset"], r["scenario"]) == place})
            for a, b in permutations(here, 2):
                if a[0] == b[0]:
                    parts = (slug(a[0]), f"{slug(a[1])}_minus_{slug(b[1])}", "f1")
                elif a[1] == b[1]:
                    parts = (f"{slug(a[0])}_minus_{slug(b[0])}", slug(a[1]), "f1")
                else:
                    continue
                yield ".".join((*map(slug, place), *parts)), place, a, b

    @cached_property
    def _frozen_differences(self) -> dict[str, tuple[dict[str, Any], int]]:
        """Key → (row of `differences`, 1 or −1 where the sides are exchanged)."""
        rows = {}
        for row in self.release.table("differences").to_pylist():
            for a, b, sign in ((row["model"], row["other"], 1), (row["other"], row["model"], -1)):
                parts = (row["dataset"], row["scenario"], f"{a}_minus_{b}", row["protocol"], row["metric"])
                rows[".".join(map(slug, parts))] = row, sign
        return rows

    def _frozen_difference(self, key: str, row: dict[str, Any], sign: int) -> Number:
        columns = ("dataset", "scenario", "protocol", "metric", "model", "other")
        selection = "difference, ci_low, ci_high"
        models = row["model"], row["other"]
        if sign < 0:
            selection = "-difference as difference, -ci_high as ci_low, -ci_low as ci_high"
            models = models[::-1]
        query = f"select {selection}, p_holm, n_seeds from differences where "
        query += " and ".join(f"{c} = '{row[c]}'" for c in columns)
        where = {"dataset": row["dataset"], "model": models[0], "other": models[1]}
        if row["difference"] is None:
            return Number(key, NA, None, query, where=where, span=False)
        value = sign * row["difference"]
        low, high = sorted(sign * row[c] for c in ("ci_low", "ci_high"))
        return Number(key, signed(value), value, query, low, high, where, row["n_seeds"], p=row["p_holm"])

    def _words(self, key: str, minus: str) -> Number:
        """Put into words what the interval of a difference lets one say."""
        number = self[minus]
        text = NA
        if number.low is not None and number.high is not None:
            resolved = number.p is None or number.p < LEVEL
            text = phrase(number.low, number.high) if resolved else phrase(-1, 1)
        query = f"what the interval of {minus} allows (analysis.numbers.effects)"
        return Number(key, text, None if text == NA else text, query, where=number.where, span=False)

    def _effect(self, key: str, place: tuple[str, str], a: Side, b: Side) -> Number:
        effect = self._effects.f1(*place, a, b)
        query = f"paired block bootstrap of F1: {' '.join(a)} minus {' '.join(b)} on {' '.join(place)} (analysis.numbers.effects)"
        where = {"dataset": place[0], "model": a[0], "other": b[0]}
        if effect is None:
            return Number(key, NA, None, query, where=where, span=False)
        text = signed(effect.value)
        return Number(key, text, effect.value, query, effect.low, effect.high, where, effect.n_seeds)

    def _published_keys(self) -> Makers:
        """What the authors of published systems printed for a dataset of this release; cited, not measured here."""
        for name, table in json.loads(PUBLISHED.read_text(encoding="utf-8")).items():
            if table["dataset"] not in self.release.manifest["datasets"]:
                continue
            for row in table["rows"]:
                for scenario, value in row["values"].items():
                    parts = (table["dataset"], "published", row["name"], scenario, table["metric"])
                    key = ".".join(map(slug, parts))
                    text = f'[{value:.3f}]{{.cited data-source="{table["document"]}"}}'
                    yield (
                        key,
                        partial(Number, key, text, value, f"analysis/reference/published.json, {name}", span=False),
                    )

    def _operating_point_keys(self) -> Makers:
        """Threshold of each model and protocol, mean over seeds, and what it was fitted on."""
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for row in self.release.table("operating_points").to_pylist():
            groups.setdefault((row["dataset"], row["model"], row["protocol"]), []).append(row)
        for group, rows in groups.items():
            key = ".".join((slug(group[0]), "operating_points", *map(slug, group[1:])))
            conditions = " and ".join(
                f"{c} = '{v}'" for c, v in zip(("dataset", "model", "protocol"), group, strict=True)
            )
            base = f"from operating_points where {conditions}"
            where = {"dataset": group[0], "model": group[1]}
            mean = sum(r["threshold"] for r in rows) / len(rows)
            yield self._simple(f"{key}.threshold", mean, f"select avg(threshold) {base}", where, plain(mean))
            source = "; ".join(sorted({r["source"] for r in rows}))
            yield (
                f"{key}.source",
                partial(Number, f"{key}.source", source, source, f"select distinct source {base}", span=False),
            )

    def _reading_keys(self) -> Makers:
        """How often the test folders had been read when the runs of the release were joined; none where no log was kept."""
        rows = self.release.table("readings").to_pylist()
        if not rows:
            return
        for name, column in (("evaluations", "reader"), ("configurations", "config_hash"), ("commits", "commit")):
            sql = f'select count(distinct "{column}") from readings'
            yield self._simple(f"readings.{name}", len({r[column] for r in rows}), sql, {})
        first = min(r["time"] for r in rows)[:10]
        yield self._simple("readings.first", first, 'select substr(min("time"), 1, 10) from readings', {}, first)

    def _ablation_keys(self) -> Makers:
        """What one changed factor does to a model: its mean, and the paired difference from the reference."""
        rows = self.release.table("ablations").to_pylist()
        for dataset, factor in sorted({(row["dataset"], row["factor"]) for row in rows}):
            own = [r for r in rows if (r["dataset"], r["factor"], r["protocol"]) == (dataset, factor, "zero-shot")]
            sql = (
                f"select count(*) from ablations where dataset = '{dataset}' and factor = '{factor}' and protocol = "
                f"'zero-shot' and p_holm < {LEVEL}"
            )
            counted = sum(r["p_holm"] is not None and r["p_holm"] < LEVEL for r in own)
            key = f"{slug(dataset)}.ablations.{slug(factor)}.corrected"
            yield self._simple(key, counted, sql, {"dataset": dataset})
        models = _trained(rows, self._runs)
        references = {(r["dataset"], r["factor"]): r["level"] for r in rows if r["reference"]}
        for row in rows:
            columns = ("dataset", "factor", "level", "scenario", "protocol", "metric")
            where = "from ablations where " + " and ".join(f"{c} = '{row[c]}'" for c in columns)
            key = ".".join((slug(row["dataset"]), "ablations", *(slug(row[c]) for c in columns[1:])))
            factor = row["dataset"], row["factor"]
            model, reference = models[*factor, row["level"]], models[*factor, references[factor]]
            seeds = row["n_seeds"]
            for column, suffix, write in (
                ("mean", "", partial(by_metric, row["metric"])),
                ("difference", "_minus_reference", signed),
            ):
                low, high = ("ci_low", "ci_high") if column == "mean" else ("difference_low", "difference_high")
                sql = f"select {column}, {low}, {high}, n_seeds {where}"
                who = {"dataset": row["dataset"], "model": model}
                if column == "difference":
                    who |= {"other": reference}
                name, value = f"{key}{suffix}", row[column]
                yield name, partial(Number, name, write(value), value, sql, row[low], row[high], who, seeds)

    @cached_property
    def _effects(self) -> Effects:
        return Effects(self.release)

    def _dataset_keys(self) -> Makers:
        # a capture that stands in a dataset twice is counted once
        counted = [r for r in self.release.table("datasets").to_pylist() if not r["duplicate_of"]]
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for r in counted:
            groups.setdefault((r["dataset"],), []).append(r)
            groups.setdefault((r["dataset"], r["split"]), []).append(r)
        for group, rows in groups.items():
            prefix = ".".join(slug(g) for g in group)
            split = f" and split = '{group[1]}'" if len(group) > 1 else ""
            base = f"from datasets where duplicate_of = '' and dataset = '{group[0]}'{split}"
            where = {"dataset": group[0]}
            for column in ("frames", "injected", "windows", "positives", "quarantined"):
                yield self._simple(
                    f"{prefix}.{column}", sum(r[column] for r in rows), f"select sum({column}) {base}", where
                )
            yield self._simple(
                f"{prefix}.negatives",
                sum(r["windows"] - r["positives"] for r in rows),
                f"select sum(windows - positives) {base}",
                where,
            )
            if len(group) > 1 and (floor := _floor(rows)) is not None:
                sql = f"select 2 * sum(positives) / (sum(windows) + sum(positives)) {base}"
                yield self._simple(f"{prefix}.floor_f1", floor, sql, where, by_metric("f1", floor))
            yield self._simple(f"{prefix}.captures", len(rows), f"select count(*) {base}", where)
            seconds = sum(r["seconds"] for r in rows)
            yield self._simple(f"{prefix}.seconds", seconds, f"select sum(seconds) {base}", where, plain(seconds))
            vehicles = len({r["vehicle"] for r in rows})
            yield self._simple(f"{prefix}.vehicles", vehicles, f"select count(distinct vehicle) {base}", where)
        for dataset in sorted({r["dataset"] for r in counted}):
            tests = [r for r in counted if r["dataset"] == dataset and "test" in r["split"]]
            base = f"from datasets where duplicate_of = '' and dataset = '{dataset}' and split like '%test%'"
            seconds = sum(r["seconds"] for r in tests)
            where = {"dataset": dataset}
            yield self._simple(
                f"{slug(dataset)}.test_seconds", seconds, f"select sum(seconds) {base}", where, plain(seconds)
            )
            yield self._simple(f"{slug(dataset)}.test_captures", len(tests), f"select count(*) {base}", where)

    def _parameter_keys(self) -> Makers:
        counted: dict[str, dict[str, set[int]]] = {}
        for r in self.release.trained():
            if r["parameters"]:
                counted.setdefault(r["model"], {}).setdefault(r["dataset"], set()).add(r["parameters"])
        for model, by_dataset in counted.items():
            for dataset, totals in by_dataset.items():
                # boosting's size depends on the seed: the largest is what a car would have to hold
                sql = f"select max(parameters) from runs where model = '{model}' and dataset = '{dataset}'"
                where = {"dataset": dataset, "model": model}
                yield self._simple(f"{slug(dataset)}.parameters.{slug(model)}", max(totals), sql, where)
                kib, quotient = max(totals) / 256, sql.replace("max(parameters)", "max(parameters) / 256")
                yield self._simple(f"{slug(dataset)}.parameters.{slug(model)}_kib", kib, quotient, where, plain(kib))
            if len({max(totals) for totals in by_dataset.values()}) == 1:  # needs no dataset in its name
                yield self._simple(f"parameters.{slug(model)}", max(totals), sql, where)

    def _benchmark_keys(self) -> Makers:
        rows = self.release.table("benchmarks").to_pylist()
        machines = "; ".join(sorted({r["machine"] for r in rows}))
        if rows:
            sql = "select distinct machine from benchmarks"
            yield "benchmarks.machine", partial(Number, "benchmarks.machine", machines, machines, sql, span=False)
        for r in rows:
            key = f"benchmarks.{slug(r['name'])}"
            yield self._simple(
                key, r["value"], f"select value from benchmarks where name = '{r['name']}'", {}, plain(r["value"])
            )

    def _config_keys(self) -> Makers:
        values: dict[str, set[str]] = {}
        for r in self.hyperparameters:
            values.setdefault(r["name"], set()).add(r["value"])
        for name, settings in values.items():
            if len(settings) == 1:  # a value that differs between runs has no single answer
                sql = (
                    "select distinct value from hyperparameters join runs using (run) "
                    f"where stage <> '{ABLATION}' and not starts_with(model, '{RECIPE}') and name = '{name}'"
                )
                key = f"config.{'.'.join(slug(s) for s in name.split('.'))}"
                (value,) = settings
                yield self._simple(key, value, sql, {}, _written(json.loads(value)))

    def _release_keys(self) -> Makers:
        m = self.release.manifest
        commits = m["code"]["commits"]
        hours = sum(r["seconds"] for r in self._runs) / 3600
        texts = {
            "name": self.release.name,
            "manifest": self.release.manifest_sha256,
            "commit": ", ".join(c[:10] for c in commits),
            "preset": ", ".join(m["presets"]),
            "datasets": ", ".join(m["datasets"]),
            "main_dataset": self.main_dataset,
            "data_kind": self.release.data_kind,
            "machine": "; ".join(m["machines"]),
            "data_note": data_note(m["datasets"]),
            "date": max((r["started"] for r in self._runs), default="")[:10],
        }
        for name, text in texts.items():
            key = f"release.{name}"
            yield key, partial(Number, key, text, text, "manifest.json", span=False)
        for name, text in citation().items():
            key = f"about.{name}"
            yield key, partial(Number, key, text, text, "CITATION.cff", span=False)
        yield self._simple("release.seeds", len(m["seeds"]), "select count(distinct seed) from runs", {})
        yield self._simple("release.runs", len(self._runs), "select count(*) from runs", {})
        yield self._simple("release.compute_hours", hours, "select sum(seconds) / 3600 from runs", {}, plain(hours))

    def _simple(self, key: str, value: Any, query: str, where: dict[str, Any], text: str | None = None) -> Maker:
        return key, lambda: Number(key, count(value) if text is None else text, value, query, where=where)


def _floor(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """F1 of calling every window of some captures an attack; None without an attacked window."""
    windows, positives = (sum(r[c] for r in rows) for c in ("windows", "positives"))
    return 2 * positives / (windows + positives) if positives else None


def data_note(datasets: Mapping[str, Mapping[str, Any]]) -> str:
    """Say on what kind of data a release's results were obtained, from the datasets of its manifest."""
    real, synthetic = (
        _first_of(sorted(name for name, entry in datasets.items() if entry["data_kind"] == kind))
        for kind in ("real", "synthetic")
    )
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


def _first_of(names: Sequence[str]) -> str:
    """Name one or two datasets, of more the first: a note is one line."""
    return ", ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"


def _written(value: Any) -> str:
    """A configuration's value as text."""
    if isinstance(value, list):
        return ", ".join(map(_written, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


def _trained(
    ablations: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str, str], str]:
    """(dataset, factor, level) → the model whose runs gave it.

    A reference of several factors is trained once, under the name of one of them: it is the level with the same values.
    """
    values: dict[tuple[str, str, str], set[tuple[Any, ...]]] = {}
    for r in ablations:
        columns = ("scenario", "protocol", "metric", "mean", "ci_low", "ci_high")
        values.setdefault((r["dataset"], r["factor"], r["level"]), set()).add(tuple(r[c] for c in columns))
    names = {(r["dataset"], r["model"].partition(" (")[2]): r["model"] for r in runs}
    own = {level: names.get((level[0], f"{level[1]}: {level[2]})")) for level in values}
    alike = {(level[0], frozenset(values[level])): model for level, model in own.items() if model}
    return {level: own[level] or alike.get((level[0], frozenset(of)), HEADLINE_MODEL) for level, of in values.items()}
