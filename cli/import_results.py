"""`kdgat import-results`."""

from __future__ import annotations

from pathlib import Path


def import_results(file: Path, /, *, release: str | None = None, folder: Path | None = None) -> int:
    """Show another tool's metrics beside a release, marked as untraced.

    Args:
        file: CSV with dataset, scenario, model, metric, value; optional protocol, attack.
        release: name of the release to show them beside. [default: the current one]
        folder: where they are kept. [default: data/imported]
    """
    from analysis import import_results

    return import_results.run(file, release, folder or import_results.FOLDER)
