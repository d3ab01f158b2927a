"""Where the captures of a dataset come from: the catalog's files, or the built-in synthetic bus."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kdgat.captures.reader import quarantined
from kdgat.catalog import datasets
from kdgat.catalog.datasets import Capture
from kdgat.config import Config
from kdgat.graphs.splits import starts

SYNTHETIC = "synthetic"


def captures(dataset: str, root: Path | None = None) -> list[Capture]:
    """List the captures of a dataset, training first, then by name.

    Raises:
        KdgatError: unknown dataset, or its folder or captures are missing.
    """
    if dataset == SYNTHETIC:
        from kdgat.synthetic import bus  # late: generating takes a second

        return bus.captures()
    return datasets.captures(dataset, root)


def test_captures(dataset: str, root: Path | None = None) -> list[Capture]:
    """The captures that are scored, each content once; raises as `captures` does."""
    return [c for c in captures(dataset, root) if c.split != "train" and not c.duplicate_of]


def data_hash(captures: Sequence[Capture]) -> str:
    """sha256 over names and contents of captures."""
    lines = sorted(f"{c.name} {c.sha256}" for c in captures)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def dataset_row(capture: Capture, frames: pa.Table, config: Config) -> dict[str, Any]:
    """Row of the table `datasets`."""
    label = frames["label"].to_numpy()
    t = frames["timestamp"].to_numpy()
    begins = starts(len(label), config.windows.size, config.windows.stride)
    injected = np.concatenate([[0], np.cumsum(label, dtype=np.int64)])
    positives = injected[begins + config.windows.size] - injected[begins]
    return {
        "dataset": capture.dataset,
        "capture": capture.name,
        "vehicle": capture.vehicle,
        "attack": capture.attack,
        "split": capture.split,
        "data_kind": capture.data_kind,
        "sha256": capture.sha256,
        "duplicate_of": capture.duplicate_of,
        "frames": len(label),
        "injected": int(label.sum()),
        "quarantined": quarantined(frames),
        "ids": len(frames["id"].unique()),
        "seconds": float(t.max() - t.min()) if len(t) else 0.0,
        "windows": len(begins),
        "positives": int((positives > 0).sum()),
    }
