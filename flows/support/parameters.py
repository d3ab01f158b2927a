"""Parameters that every flow over datasets and seeds has; how many seeds, and of which preset, each says itself."""

from __future__ import annotations

from metaflow import FlowSpec, Parameter


class OverDatasets(FlowSpec):
    """Declares which datasets, which configuration and where the captures lie."""

    datasets = Parameter(
        "datasets", default="", help="names, comma-separated; default: hcrl-sa where it is on disk, else synthetic"
    )
    configuration = Parameter(
        "configuration",
        default="",
        help="file of a configuration (JSON), as a release's manifest holds it, in place of a preset",
    )
    data = Parameter("data", default="", help="folders of captures, a:b; default $KDGAT_DATA, else data/raw")
