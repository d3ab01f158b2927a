"""Baselines and combinations as files of a release: arrays in safetensors, the rest in JSON; nothing is pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from kdgat.config import Config
from kdgat.errors import KdgatError
from kdgat.evaluation.thresholds import OperatingPoint
from kdgat.experiment.operating_points import as_json
from kdgat.experiment.scoring import Models
from kdgat.experiment.stages import Baseline, Either
from kdgat.models import registry
from kdgat.models.names import ModelName


def baseline_weights(dataset: str, seed: int, models: Models) -> dict[str, bytes]:
    """Files of a release: what each baseline has learned, and the operating points of it and of each combination."""
    out = {}
    for name, baseline in models.baselines.items():
        stem = f"{dataset}/{name}-s{seed}"
        if arrays := baseline.model.arrays():
            out[f"{stem}.safetensors"] = save({k: np.ascontiguousarray(v) for k, v in arrays.items()})
        out[f"{stem}.json"] = _described(kind=name, points=as_json(baseline.points))
    for name, either in models.combined.items():
        content = _described(kind=name, points=as_json(either.points), thresholds=either.thresholds)
        out[f"{dataset}/{name}-s{seed}.json"] = content
    return out


def _described(**fields: Any) -> bytes:
    return (json.dumps(fields, sort_keys=True) + "\n").encode()


def baseline(name: str, config: Config, description: bytes, arrays: bytes) -> Baseline:
    """Read a baseline from its files (`arrays` empty for one that learns nothing).

    Raises:
        KdgatError: they do not describe this baseline.
    """
    entry = registry.models().get(name)
    if entry is None or entry.builder is None:
        raise KdgatError(f"no baseline is called {name[:40]!r}")
    points = _points(name, description)[1]
    try:
        tensors = load(arrays) if arrays else {}
    except SafetensorError as error:
        raise KdgatError(f"{name}: {' '.join(str(error).split())[:200]}") from None
    return Baseline(ModelName.parse(name), entry.make()(config, 0).load(tensors), points)


def either(name: str, description: bytes) -> Either:
    """Read a combination from its file; raises `KdgatError` where it describes none."""
    meta, points = _points(name, description)
    thresholds = meta.get("thresholds")
    if not isinstance(thresholds, dict) or not all(isinstance(t, float) for t in thresholds.values()):
        raise KdgatError(f"{name}.json: no thresholds of the models that it joins")
    return Either(thresholds, points)


def _points(name: str, description: bytes) -> tuple[Mapping[str, Any], dict[str, OperatingPoint]]:
    try:
        meta = json.loads(description)
        points = {protocol: OperatingPoint(float(t), str(s)) for protocol, (t, s) in meta["points"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise KdgatError(f"{name}.json does not describe a model: {type(error).__name__}: {str(error)[:100]}") from None
    return meta, points
