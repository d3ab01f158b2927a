"""A W&B report as code: a release's headline results beside the curves of the runs that made it.

The report is defined from the release alone; only saving it asks the service. Its panels show the runs that `kdgat track sync` pushed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from analysis.reference import labels
from analysis.releases.release import Release
from kdgat.errors import KdgatError
from kdgat.records import HEADLINE_MODEL
from kdgat.settings import settings
from kdgat.tracking import trackers

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import Report

#: what the headline table shows
METRIC = "f1"
#: curves that have a panel, where the release holds them
CURVES = ("train_loss", "validation_loss", "validation_f1")


def table(release: Release) -> str:
    """The headline model's metric with its interval, by dataset, scenario and protocol, in Markdown."""
    lines = [f"| dataset | scenario | protocol | {labels.metric(METRIC)} | 95 % interval |", "|---|---|---|---|---|"]
    for row in release.table("summary").to_pylist():
        if (row["model"], row["metric"], row["attack"]) == (HEADLINE_MODEL, METRIC, "all") and row["mean"] is not None:
            interval = "n/a" if row["ci_low"] is None else f"{row['ci_low']:.3f} to {row['ci_high']:.3f}"
            lines.append(
                f"| {row['dataset']} | {labels.scenario(row['scenario'])} | {row['protocol']} | {row['mean']:.3f} | {interval} |"
            )
    return "\n".join(lines)


def definition(release: Release, entity: str, project: str) -> Report:
    """The report of a release: what it is, the headline table, and one panel per curve over the runs of each flow run.

    Raises:
        KdgatError: the extra `cluster` is missing.
    """
    try:
        import wandb_workspaces.reports.v2 as wr
    except ModuleNotFoundError as error:
        raise KdgatError(
            f"this needs the `cluster` extra (pip install -e '.[cluster]'): {error.name} is missing"
        ) from None
    held = set(release.table("curves")["metric"].to_pylist())
    panels: list[Any] = [wr.LinePlot(title=name, x="epoch", y=[name]) for name in CURVES if name in held]
    groups = [
        wr.Runset(entity=entity, project=project, name=flow, filters=f"Group == '{flow}'")
        for flow in release.manifest["flow_runs"]
    ]
    commits = ", ".join(release.manifest["code"]["commits"])
    return wr.Report(
        entity=entity,
        project=project,
        title=f"KD-GAT, release {release.name}",
        description=f"Manifest sha256 {release.manifest_sha256}, commit {commits}",
        blocks=[
            wr.H1(text=f"{labels.model(HEADLINE_MODEL)}: {labels.metric(METRIC)}"),
            wr.MarkdownBlock(text=table(release)),
            wr.P(text="The release is the record; the panels below show its mirror."),
            wr.PanelGrid(runsets=groups, panels=panels),
        ],
    )


def run(release: str | None, entity: str | None, project: str | None) -> int:
    """Save the report of a release (None: the current one) as a draft at the service, and print its address; return the exit code 0.

    Raises:
        KdgatError: W&B is not allowed here, no key, no owner, or the service refuses.
    """
    trackers.check("wandb")
    if not os.environ.get("WANDB_API_KEY"):
        raise KdgatError("WANDB_API_KEY is not set: a report is kept by the service")
    import wandb

    try:
        owner = entity or os.environ.get("WANDB_ENTITY") or wandb.Api(timeout=60).default_entity
        if not owner:
            raise KdgatError("whose report? --entity NAME")
        report = definition(Release.open(release), owner, project or settings().tracking.project)
        report.save(draft=True)
    except (OSError, ValueError, wandb.errors.Error) as error:
        raise KdgatError(f"W&B: {str(error).splitlines()[0]}") from None
    print(report.url)
    return 0
