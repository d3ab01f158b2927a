"""`kdgat reproduce`."""

from __future__ import annotations

from typing import Literal

#: option → the level that it is for
_LEVELS = {
    "table": "render",
    "figure": "render",
    "dataset": "evaluate",
    "data": "evaluate",
    "preset": "train",
    "seeds": "train",
}


def reproduce(
    *,
    level: Literal["render", "evaluate", "train"] = "render",
    release: str | None = None,
    preset: str | None = None,
    seeds: str | None = None,
    dataset: str | None = None,
    data: str | None = None,
    table: str | None = None,
    figure: str | None = None,
) -> int:
    """Do a release again, at one of three depths.

    render: paper and site from the frozen tables, verified (or one table or figure of them). evaluate: the scores of all
    models whose weights are frozen, from these and the captures, held against the frozen ones. train: the whole flow again, compared
    within intervals.

    Args:
        level: the depth.
        release: name of the release. [default: the current one]
        preset: train: with this preset. [default: the release's]
        seeds: train: with these seeds, comma-separated. [default: the release's]
        dataset: evaluate: only this dataset.
        data: evaluate: folder of captures. [default: $KDGAT_DATA, else data/raw]
        table: render: only this table, by its number in the PDF or its label, to stdout.
        figure: render: only this figure, to the current folder.
    """
    from analysis import reproduce
    from analysis.releases.release import Release
    from kdgat.errors import KdgatError

    options = {"table": table, "figure": figure, "dataset": dataset, "data": data, "preset": preset, "seeds": seeds}
    for name in (name for name, value in options.items() if value is not None):
        if _LEVELS[name] != level:
            raise KdgatError(f"--{name} is for --level {_LEVELS[name]}, and this is {level}")
    if table and figure:
        raise KdgatError("--table and --figure: one at a time")
    if level == "train":
        return reproduce.train(release, preset, seeds)
    opened = Release.open(release)
    if level == "evaluate":
        return reproduce.evaluate(opened, dataset, data)
    if table:
        return reproduce.table(opened, table)
    if figure:
        return reproduce.figure(opened, figure)
    return reproduce.render(opened)
