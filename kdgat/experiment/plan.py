"""Plan what a flow runs: datasets, seeds, configuration."""

from __future__ import annotations

from pathlib import Path

from kdgat.catalog.datasets import absolute_root, files
from kdgat.config import Config, from_json
from kdgat.dataset.sources import SYNTHETIC, captures
from kdgat.errors import KdgatError
from kdgat.presets import preset

#: what a flow runs on where nothing is asked for
DEFAULT = "hcrl-sa"


def plan(
    datasets: str, seeds: str, preset_name: str, data: str, configuration: str = ""
) -> tuple[Path | None, Config, list[tuple[str, str, int]]]:
    """Resolve the folders of captures, the configuration, and (dataset, data kind, seed) of every task.

    Args:
        datasets: names, comma-separated; empty: `default_dataset`.
        seeds: whole numbers, comma-separated.
        preset_name: of the configuration.
        data: folders of captures, separated by `:`; empty: $KDGAT_DATA, else `data/raw`.
        configuration: file of a configuration (JSON), in place of the preset; empty: none.

    Raises:
        KdgatError: a name that is unknown, a seed that is no number from 0 on, a folder that is not there, a file that
            holds no configuration.
    """
    config = from_json(Path(configuration)) if configuration else preset(preset_name)
    root = absolute_root(data)
    names = [name.strip() for name in datasets.split(",") if name.strip()] if datasets else [default_dataset(root)]
    numbers = seed_numbers(seeds)
    if not names:
        raise KdgatError("nothing to run: no dataset is named")
    tasks = []
    for name in names:
        kinds = {c.data_kind for c in captures(name, root, train_only=True)}
        if kinds == {SYNTHETIC}:
            print(f"{name}: SYNTHETIC data; every result is marked as such", flush=True)
        tasks += [(name, "synthetic" if "synthetic" in kinds else "real", seed) for seed in numbers]
    return root, config, tasks


def seed_numbers(seeds: str) -> list[int]:
    """Read seeds, whole numbers from 0 on, comma-separated: each once, ascending.

    Raises:
        KdgatError: one of them is none.
    """
    try:
        numbers = sorted({int(s) for s in seeds.split(",")})
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < 0:
        raise KdgatError(f"seeds are whole numbers from 0 on, comma-separated; got {seeds!r}")
    return numbers


def default_dataset(root: Path | None) -> str:
    """Return `hcrl-sa` where its training and test captures are on disk, else the synthetic bus; say so in that case."""
    splits = {split for _, split, _ in files(DEFAULT, root)}
    if "train" in splits and len(splits) > 1:
        return DEFAULT
    print(f"no captures of {DEFAULT} ($KDGAT_DATA, data/raw): running on the built-in synthetic bus", flush=True)
    return SYNTHETIC
