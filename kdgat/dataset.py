"""From a dataset to what models see: training stores with virtual vehicles, test stores by protocol, scalers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kdgat import atomic, catalog, provenance
from kdgat.captures import OnBadRows, quarantined
from kdgat.catalog import Capture
from kdgat.config import Config
from kdgat.errors import KdgatError
from kdgat.features import Profile, Scaler
from kdgat.graphs import GraphStore
from kdgat.store import work_folder
from kdgat.synthetic import virtual
from kdgat.synthetic.frames import Frames
from kdgat.windows import PARTS, sample, split, starts


@dataclass(frozen=True)
class Scalers:
    """Standardisation of node and edge features, fitted on benign training windows alone."""

    nodes: Scaler
    edges: Scaler

    @staticmethod
    def fit(store: GraphStore) -> Scalers:
        """Fit on the benign windows of a training store."""
        benign = store.batch(np.flatnonzero(np.asarray(store.y) == 0))
        return Scalers(Scaler.fit(benign.x), Scaler.fit(benign.edge_attr))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"nodes": self.nodes.to_dict(), "edges": self.edges.to_dict()}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Scalers:
        """The reverse of `to_dict`."""
        return Scalers(Scaler.from_dict(values["nodes"]), Scaler.from_dict(values["edges"]))


@dataclass(frozen=True)
class Prepared:
    """Training data on disk, named by a hash of everything that made it.

    Attributes:
        folder: holds a graph store a part, and `prepared.json`.
    """

    folder: Path

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Scalers, vocabulary, dataset rows, hashes."""
        return dict(json.loads((self.folder / "prepared.json").read_text()))

    def store(self, part: str) -> GraphStore:
        """Memory-mapped store of `train`, `fusion` or `validation`."""
        return GraphStore.open(self.folder / part)

    @cached_property
    def scalers(self) -> Scalers:
        """Fitted on benign training windows."""
        return Scalers.from_dict(self.meta["scalers"])

    @property
    def vocabulary(self) -> list[int]:
        """CAN IDs of the training captures."""
        return list(self.meta["vocabulary"])

    @property
    def real(self) -> np.ndarray:
        """Whether each validation window comes from a capture rather than a virtual vehicle, bool[B]."""
        store = self.store("validation")
        names = np.array([not name.startswith("virtual-") for name in store.capture_names])
        return names[np.asarray(store.capture)]


def data_hash(captures: Sequence[Capture]) -> str:
    """sha256 over names and contents of captures."""
    lines = sorted(f"{c.name} {c.sha256}" for c in captures)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def made_of(config: Config) -> list[str]:
    """What of a configuration decides which stores `prepare` makes."""
    return [config.features, config.windows.model_dump_json(), config.augmentation.model_dump_json()]


def prepare(dataset: str, root: Path | None, config: Config, seed: int, on_bad_rows: OnBadRows = "raise") -> Prepared:
    """Training, fusion and validation stores of a dataset; built once, found again by their hash.

    Only captures of the split `train` are read. Windows of one capture never share a frame across parts, and virtual
    vehicles cut from captures use frames of the part `train` only.

    Raises:
        KdgatError: unknown dataset, no training captures, unreadable capture.
    """
    train = [c for c in catalog.captures(dataset, root) if c.split == "train" and not c.duplicate_of]
    if not train:
        raise KdgatError(f"dataset {dataset}: no training captures")
    key = hashlib.sha256(
        "\n".join(
            [dataset, str(seed), data_hash(train), on_bad_rows, provenance.code_hash(), *made_of(config)]
        ).encode()
    ).hexdigest()[:24]
    folder = work_folder() / "stores" / f"{dataset}-s{seed}-{key}"
    if not (folder / "prepared.json").is_file():
        try:
            with atomic.new_directory(folder) as temporary:
                _build(temporary, train, config, seed, on_bad_rows)
        except FileExistsError:
            pass  # another process built the same store first
    return Prepared(folder)


def _build(folder: Path, train: Sequence[Capture], config: Config, seed: int, on_bad_rows: OnBadRows) -> None:
    tables = {c.name: c.frames(on_bad_rows) for c in train}
    parts: dict[str, dict[str, np.ndarray]] = {
        c.name: split(tables[c.name].num_rows, config.windows, seed, c.name) for c in train
    }
    benign = [
        segment
        for c in train
        if c.attack == "benign"
        for segment in _segments(Frames.from_table(tables[c.name]), parts[c.name]["train"], config)
    ]
    rows = []
    for part in PARTS:
        real = _real(train, tables, part, parts, config)
        drives = _drives(part, config, seed, benign if part == "train" else [])
        store = GraphStore.concat([real, drives]) if drives is not None else real
        if config.windows.max_windows is not None:
            share = config.windows.fractions[PARTS.index(part)] / sum(config.windows.fractions)
            strata = np.asarray(store.capture).astype(np.int64) * 2 + np.asarray(store.y)
            store = store.select(sample(strata, int(config.windows.max_windows * share), seed))
        store.save(folder / part)
        if part == "train":
            scalers = Scalers.fit(store)
    for c in train:
        rows.append(dataset_row(c, tables[c.name], config))
    vocabulary = sorted({int(i) for t in tables.values() for i in t["id"].unique().to_pylist()})
    meta = {"scalers": scalers.to_dict(), "vocabulary": vocabulary, "datasets": rows, "data_hash": data_hash(train)}
    atomic.write_text(folder / "prepared.json", json.dumps(meta, sort_keys=True))


def _segments(frames: Frames, begins: np.ndarray, config: Config) -> list[Frames]:
    """Contiguous stretches of a capture that the windows `begins` cover."""
    cuts = np.flatnonzero(np.diff(begins) > config.windows.size) + 1
    return [frames.take(np.arange(b[0], b[-1] + config.windows.size)) for b in np.split(begins, cuts) if len(b)]


def _real(
    train: Sequence[Capture],
    tables: dict[str, pa.Table],
    part: str,
    parts: dict[str, dict[str, np.ndarray]],
    config: Config,
) -> GraphStore:
    """Windows of the captures; with the feature set `profile` each window twice, with and without the car's profile."""
    frames = [(c.name, c.attack, tables[c.name], parts[c.name][part]) for c in train]
    plain = GraphStore.build(frames, config.windows.size, config.features)
    if config.features != "profile":
        return plain
    profiles = [profile_of(tables[c.name], config) for c in train]
    return GraphStore.concat([plain, GraphStore.build(frames, config.windows.size, config.features, profiles)])


def part_of(number: int) -> str:
    """The part that virtual vehicle `number` belongs to: 70 % train, 10 % fusion, 20 % validation, evenly spread."""
    u = number * 0.6180339887498949 % 1.0
    return "fusion" if u < 0.1 else "validation" if u < 0.3 else "train"


def _drives(part: str, config: Config, seed: int, benign: Sequence[Frames]) -> GraphStore | None:
    """Windows of the virtual vehicles of a part."""
    size, count = config.windows.size, config.augmentation.windows_per_vehicle
    frames, profiles = [], []
    for number in range(config.augmentation.vehicles):
        if part_of(number) != part:
            continue
        rng = np.random.default_rng([seed, 7919, number])
        kind = rng.choice(["clean", "none", "contaminated"], p=config.augmentation.profiles)
        seconds = config.windows.profile_seconds
        late = rng.uniform(0, seconds) if kind == "contaminated" else 0.0
        # at 1,000 frames/s and more, so many seconds hold the windows asked for; a contaminated profile takes its share
        drive = virtual.drive(
            number, late + 1.1 * count * size / 1500, seconds, benign, rng,
            attacked=config.augmentation.attacked, segment=config.augmentation.segment,
            ranges=replace(
                virtual.RANGES[config.augmentation.ranges],
                rate=config.augmentation.rate, bursts=config.augmentation.bursts,
            ),
        )  # fmt: skip
        traffic = Frames.concat([drive.profile, drive.frames])
        seen = (traffic.timestamp >= late) & (traffic.timestamp < late + seconds)
        known = config.features == "profile" and kind != "none"
        profiles.append(profile_of(traffic.take(seen).to_table(), config) if known else None)
        table = traffic.take(traffic.timestamp >= late + seconds).to_table()
        begins = starts(table.num_rows, size, config.windows.stride)[:count]
        frames.append((drive.name, drive.attack, table, begins))
    if not frames:
        return None
    return GraphStore.build(frames, size, config.features, profiles if config.features == "profile" else None)


def profile_of(frames: pa.Table, config: Config) -> Profile:
    """The profile that a configuration takes from the first seconds of `frames`."""
    return Profile.fit(frames, config.windows.profile_seconds, quiet=config.windows.profile_from == "quiet")


def scored_store(
    capture: Capture, frames: pa.Table, config: Config, protocol: str, captures: int = 1
) -> GraphStore | None:
    """Windows of one test capture that are scored under a protocol; None if the protocol leaves none.

    Windows that a profile was taken from are not scored. The placement of a profile may use labels, the model does not.

    - zero-shot: nothing of the vehicle is known.
    - calibrated: the profile is the capture's first seconds.
    - contaminated: it begins half its length before the first injected frame.
    - poisoned: it is taken from attacked traffic throughout, the first stretches of it joined.

    Captures without an attack have no contaminated form, and those with too little of it to be poisoned and scored no
    poisoned one.

    Args:
        capture, frames: what is scored.
        config: windows, features, profile.
        protocol: one of `kdgat.records.PROTOCOLS`.
        captures: captures that share `windows.max_windows`.
    """
    size, stride = config.windows.size, config.windows.stride
    begins = starts(frames.num_rows, size, stride)
    profile = None
    if protocol != "zero-shot":
        seen = _profiled_frames(frames, config.windows.profile_seconds, protocol)
        if seen is None:
            return None
        sample_of = frames.filter(pa.array(seen))
        if protocol == "poisoned":
            sample_of = _joined(sample_of)
        profile = profile_of(sample_of, config)
        touched = np.concatenate([[0], np.cumsum(seen)])
        begins = begins[touched[begins + size] == touched[begins]]
    if not len(begins):
        return None
    store = GraphStore.build([(capture.name, capture.attack, frames, begins)], size, config.features, [profile])
    if config.windows.max_windows is not None:
        store = store.select(sample(np.asarray(store.y).astype(np.int64), config.windows.max_windows // captures, 0))
    return store


#: attacked stretches end where no frame was injected for so long (s)
_PAUSE = 0.1


def _profiled_frames(frames: pa.Table, seconds: float, protocol: str) -> np.ndarray | None:
    """Which frames give the profile, bool[N]; None if the protocol has no place for it."""
    t = frames["timestamp"].to_numpy()
    attacked = np.flatnonzero(frames["label"].to_numpy())
    if protocol == "calibrated":
        return t < t[0] + seconds
    if not len(attacked):
        return None
    if protocol == "contaminated":
        begin = max(t[0], t[attacked[0]] - seconds / 2)
        return (t >= begin) & (t < begin + seconds)
    cuts = np.flatnonzero(np.diff(t[attacked]) > _PAUSE)
    first, last = attacked[np.r_[0, cuts + 1]], attacked[np.r_[cuts, len(attacked) - 1]]
    seen, left = np.zeros(len(t), bool), seconds
    for a, z in zip(first, last, strict=True):
        inside = np.arange(a, z + 1)[t[a : z + 1] < t[a] + left]
        seen[inside] = True
        left -= float(t[inside[-1]] - t[a])
        if left <= 0:
            break
    # as much attack as went into the profile must be left to find
    return seen if seen[attacked].sum() * 2 <= len(attacked) else None


def _joined(frames: pa.Table) -> pa.Table:
    """`frames` with pauses of over `_PAUSE` cut down to the median gap."""
    t = frames["timestamp"].to_numpy()
    gaps = np.diff(t)
    joined = t[0] + np.concatenate([[0.0], np.cumsum(np.where(gaps > _PAUSE, np.median(gaps), gaps))])
    return frames.set_column(
        frames.schema.get_field_index("timestamp"), frames.schema.field("timestamp"), pa.array(joined)
    )


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
