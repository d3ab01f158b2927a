"""What a score of one half would have called an attack, whatever the operating point: zero-shot, mean over seeds.

Keys `<dataset>.<scenario>.<model>.zero_shot.<name>`: `f1_at_half`, and `false_positives_at_half` (share of benign windows).
"""

from __future__ import annotations

from functools import partial

from analysis.numbers.number import Makers, Number
from analysis.reference.format import NA, by_metric, slug
from analysis.releases.release import Release

_SEED = """select seed, 2.0 * sum((alarm and attacked)::int) / nullif(sum(alarm::int) + sum(attacked::int), 0) as f1_at_half,
  sum((alarm and not attacked)::int) * 1.0 / nullif(sum((not attacked)::int), 0) as false_positives_at_half
from (select seed, "{model}" >= 0.5 as alarm, injected > 0 as attacked from predictions
  where dataset = '{dataset}' and scenario = '{scenario}' and protocol = 'zero-shot' and "{model}" is not null) group by 1"""
NAMES = ("f1_at_half", "false_positives_at_half")


def keys(release: Release) -> Makers:
    """Yield every number by key."""

    def number(key: str, name: str, sql: str, where: dict[str, str]) -> Number:
        query = f"select avg({name}) as value from ({sql})"
        (row,) = release.rows(query)
        value = row["value"]
        text = NA if value is None else by_metric("f1", value) if name == "f1_at_half" else f"{100 * value:.0f} %"
        return Number(key, text, value, query, where=where)

    parts = release.manifest["tables"].get("predictions", {}).get("parts", [])
    for dataset, scenario in sorted((part["dataset"], part["scenario"]) for part in parts):
        for model in release.scored_models:
            sql = " ".join(_SEED.format(model=model, dataset=dataset, scenario=scenario).split())
            for name in NAMES:
                key = ".".join(map(slug, (dataset, scenario, model, "zero-shot", name)))
                yield key, partial(number, key, name, sql, {"dataset": dataset, "model": model})
