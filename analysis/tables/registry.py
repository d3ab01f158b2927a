"""Every table that a script writes for the paper, by the label that its cell and its references carry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from analysis.tables import ablations, appendix, manuscript, results
from analysis.tables.results import Source
from kdgat.errors import KdgatError
from kdgat.models import registry

#: what a table of several metrics compares: few
_FEW = [m.name for m in registry.compared("tbl-ranking")]

TABLES: dict[str, Callable[[Source], str]] = {
    "tbl-datasets": results.dataset_table,
    "tbl-main": manuscript.f1_table,
    "tbl-whole": manuscript.whole_f1_table,
    "tbl-cars": partial(manuscript.left_out_table, whole=False),
    "tbl-sisters": manuscript.left_out_table,
    "tbl-all-cars": manuscript.all_cars_table,
    "tbl-quiet": manuscript.quiet_table,
    "tbl-choice": manuscript.choice_table,
    "tbl-payload": manuscript.payload_table,
    "tbl-evaders": manuscript.evader_table,
    "tbl-ranking": partial(manuscript.metric_table, ["recall_at_fpr_1pct"], models=_FEW),
    "tbl-size": results.size_table,
    "tbl-latency": results.latency_table,
    "tbl-events": partial(
        manuscript.metric_table, ["events_found", "event_delay", "alarm_events_far_per_hour"], models=_FEW
    ),
    "tbl-alarms": manuscript.alarm_table,
    "tbl-attacks": results.attack_table,
    "tbl-claims": appendix.claim_table,
    "tbl-equations": appendix.equation_table,
    "tbl-checklist": appendix.checklist,
    "tbl-captures": appendix.capture_table,
    "tbl-schedule": appendix.schedule_table,
    "tbl-runs": appendix.run_table,
    "tbl-ablations": ablations.table,
    "tbl-hyperparameters": results.hyperparameter_table,
    "tbl-departures": appendix.departures_table,
    "tbl-layers": appendix.layer_table,
    "tbl-numbers": appendix.number_table,
}


def table(label: str, release: Source = None) -> str:
    """Write the table with this label as Markdown, from a release given as such, by name, or the current one.

    Raises:
        KdgatError: no table has this label.
    """
    if label not in TABLES:
        raise KdgatError(f"no table is labelled {label!r}; there are: {', '.join(TABLES)}")
    return TABLES[label](release)
