"""Where the captures of a dataset come from: the catalog's files, or the built-in synthetic bus."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kdgat.captures.reader import OnBadRows, quarantined
from kdgat.catalog import datasets
from kdgat.catalog.contents import Training, identifiers, once
from kdgat.catalog.datasets import Capture
from kdgat.config import Config
from kdgat.graphs.splits import starts

SYNTHETIC = "synthetic"
#: cars that detectors are judged on and none is trained on (`kdgat.synthetic.judged`)
VIRTUAL = "virtual"


def captures(dataset: str, root: Path | None = None, *, train_only: bool = False) -> list[Capture]:
    """List the captures of a dataset, training first, then by name; with `train_only` no test capture is opened.

    Raises:
        KdgatError: unknown dataset, or its folder or captures are missing.
    """
    if dataset == SYNTHETIC:
        from kdgat.synthetic import bus  # late: generating takes a second

        return bus.captures()
    if dataset == VIRTUAL:
        from kdgat.synthetic import judged

        return judged.captures()
    return datasets.captures(dataset, root, train_only=train_only)


def training_captures(dataset: str, root: Path | None = None, on_bad_rows: OnBadRows = "raise") -> list[Capture]:
    """List the captures that models are trained on, each content once; open no others.

    Raises:
        KdgatError: as `captures` does; a member's capture of a union cannot be read.
    """
    train = [c for c in captures(dataset, root, train_only=True) if c.split == "train"]
    if dataset in datasets.unions():
        train = once(train, [], on_bad_rows)
    return [c for c in train if not c.duplicate_of]


def test_captures(dataset: str, root: Path | None = None, on_bad_rows: OnBadRows = "raise") -> list[Capture]:
    """The captures that are scored, each content once; raises as `training_captures` does.

    In a union, a capture is not scored that has the content of a training capture: forged frames apart, it was seen.
    """
    tests = [c for c in captures(dataset, root) if c.split != "train"]
    if dataset in datasets.unions():
        tests = once(tests, training_captures(dataset, root, on_bad_rows), on_bad_rows, whole=True)
        for c in tests:
            if c.duplicate_of:
                print(f"{dataset}: {c.name} has the content of {c.duplicate_of} and is not scored", flush=True)
    return [c for c in tests if not c.duplicate_of]


def data_hash(captures: Sequence[Capture]) -> str:
    """sha256 over names and contents of captures."""
    lines = sorted(f"{c.name} {c.sha256}" for c in captures)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def benign_identifiers(frames: pa.Table) -> frozenset[int]:
    """Identifiers of the car that a capture was taken from, by its benign frames."""
    return identifiers(frames["id"].to_numpy()[frames["label"].to_numpy() == 0])


#: columns of `datasets` that two recordings hardly share, and a copy has whatever its packing and line ends
SHAPE = ("frames", "injected", "ids", "seconds")


def shape(frames: pa.Table) -> tuple[int, int, int, float]:
    """Count what `SHAPE` names; seconds from the earliest frame to the latest, as float32 like a release has them."""
    t = frames["timestamp"].to_numpy()
    seconds = float(np.float32(t.max() - t.min())) if len(t) else 0.0
    return len(t), int(frames["label"].to_numpy().sum()), len(frames["id"].unique()), seconds


def dataset_row(capture: Capture, frames: pa.Table, config: Config, training: Training) -> dict[str, Any]:
    """Row of the table `datasets`; `training` says which cars and attacks are known."""
    label = frames["label"].to_numpy()
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
        **dict(zip(SHAPE, shape(frames), strict=True)),
        "quarantined": quarantined(frames),
        "windows": len(begins),
        "positives": int((positives > 0).sum()),
        **training.columns(capture, benign_identifiers(frames)),
    }
