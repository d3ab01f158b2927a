"""From a dataset to what models see: training stores with virtual vehicles, test stores by protocol, scalers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kdgat import atomic, provenance, terminal
from kdgat.captures.frames import Frames
from kdgat.captures.reader import OnBadRows
from kdgat.catalog.contents import Training
from kdgat.catalog.datasets import Capture
from kdgat.config import Config, FrameColumn
from kdgat.dataset.profiles import of_recording
from kdgat.dataset.protocols import profile_of
from kdgat.dataset.sources import benign_identifiers, data_hash, dataset_row, training_captures
from kdgat.errors import KdgatError
from kdgat.graphs.features import of_frame_columns, of_profile, takes_profile
from kdgat.graphs.profile import Profile
from kdgat.graphs.scaling import Scalers
from kdgat.graphs.splits import PARTS, sample, split, starts
from kdgat.graphs.store import GraphStore
from kdgat.runtime import work_folder
from kdgat.synthetic import drives, virtual

#: begin of the names of virtual vehicles
DRAWN = "virtual-"


@dataclass(frozen=True)
class Prepared:
    """Training data on disk, named by a hash of everything that made it.

    Attributes:
        folder: holds a graph store a part, and `prepared.json`.
        hidden: columns of a frame that no network sees.
    """

    folder: Path
    hidden: tuple[FrameColumn, ...] = ()

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Scalers, vocabulary, dataset rows, hashes."""
        return dict(json.loads((self.folder / "prepared.json").read_text(encoding="utf-8")))

    def store(self, part: str) -> GraphStore:
        """Memory-mapped store of `train`, `fusion` or `validation`."""
        return GraphStore.open(self.folder / part)

    @cached_property
    def scalers(self) -> Scalers:
        """Fitted on benign training windows; what is hidden becomes 0."""
        fitted = Scalers.from_dict(self.meta["scalers"])
        if not self.hidden:
            return fitted
        return fitted.hiding(of_frame_columns(self.hidden, self.store("train").node_features))

    @cached_property
    def training(self) -> Training:
        """Cars and attacks of the training captures."""
        return Training.from_dict(self.meta["training"])

    @property
    def vocabulary(self) -> list[int]:
        """CAN IDs of the training captures."""
        return list(self.meta["vocabulary"])

    @property
    def real(self) -> np.ndarray:
        """Whether each validation window comes from a capture rather than a virtual vehicle, bool[B]."""
        store = self.store("validation")
        names = np.array([not name.startswith(DRAWN) for name in store.capture_names])
        return names[np.asarray(store.capture)]


def made_of(config: Config) -> list[str]:
    """What of a configuration decides which stores `prepare` makes."""
    return [config.features, config.windows.model_dump_json(exclude={"hidden"}), config.augmentation.model_dump_json()]


def prepare(dataset: str, root: Path | None, config: Config, seed: int, on_bad_rows: OnBadRows = "raise") -> Prepared:
    """Training, fusion and validation stores of a dataset; built once, found again by their hash.

    Only captures of the split `train` are read. Windows of one capture never share a frame across parts, and virtual
    vehicles cut from captures use frames of the part `train` only.

    Raises:
        KdgatError: unknown dataset, no training captures, unreadable capture.
    """
    train = training_captures(dataset, root, on_bad_rows)
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
    return Prepared(folder, config.windows.hidden)


def _build(folder: Path, train: Sequence[Capture], config: Config, seed: int, on_bad_rows: OnBadRows) -> None:
    tables = {c.name: c.frames(on_bad_rows) for c in train}
    parts: dict[str, dict[str, np.ndarray]] = {
        c.name: split(tables[c.name].num_rows, config.windows, seed, c.name) for c in train
    }
    benign: dict[str, list[Frames]] = {}
    for c in train:
        if c.attack == "benign" or config.augmentation.cut_from == "all":
            frames, begins = Frames.from_table(tables[c.name]), parts[c.name]["train"]
            calm = begins[~drives.near_attacks(frames, begins, config.windows.size)]
            benign.setdefault(c.vehicle, []).extend(_segments(frames, calm, config))
    for part in PARTS:
        real = _real(train, tables, part, parts, config)
        if part == "train" and config.windows.balance == "vehicle":
            real = real.select(balanced(np.array([c.vehicle for c in train])[np.asarray(real.capture)], seed))
        virtual_stores = _virtual(part, config, seed, benign if part == "train" else {})
        store = GraphStore.concat([real, *virtual_stores])
        if config.windows.max_windows is not None:
            share = config.windows.fractions[PARTS.index(part)] / sum(config.windows.fractions)
            strata = np.asarray(store.capture).astype(np.int64) * 2 + np.asarray(store.y)
            store = store.select(sample(strata, int(config.windows.max_windows * share), seed))
        store.save(folder / part)
        if part == "train":
            scalers = Scalers.fit(store)
    training = Training.of((c, benign_identifiers(tables[c.name])) for c in train)
    rows = [dataset_row(c, tables[c.name], config, training) for c in train]
    vocabulary = sorted({int(i) for t in tables.values() for i in t["id"].unique().to_pylist()})
    meta = {
        "scalers": scalers.to_dict(),
        "vocabulary": vocabulary,
        "training": training.to_dict(),
        "datasets": rows,
        "data_hash": data_hash(train),
    }
    atomic.write_text(folder / "prepared.json", json.dumps(meta, sort_keys=True))


def _segments(frames: Frames, begins: np.ndarray, config: Config) -> list[Frames]:
    """Contiguous stretches of a capture that the windows `begins` cover."""
    cuts = _stretches(begins, config.windows.size)[1:]
    return [frames.take(np.arange(b[0], b[-1] + config.windows.size)) for b in np.split(begins, cuts) if len(b)]


def balanced(vehicles: np.ndarray, seed: int) -> np.ndarray:
    """Pick as many windows of each vehicle as of another, as many in all as there are: indices i64[B], ascending.

    Windows of a vehicle with few of them are repeated, each about as often as another; of one with many, some are left out.

    Args:
        vehicles: that of each window, [B].
        seed: decides which.
    """
    rng = np.random.default_rng([seed, len(vehicles)])
    names, code = np.unique(vehicles, return_inverse=True)
    share = len(vehicles) // max(len(names), 1)
    picked = [np.resize(rng.permutation(np.flatnonzero(code == k)), share) for k in range(len(names))]
    return np.sort(np.concatenate([np.empty(0, np.int64), *picked]))


def profile_source(capture: Capture, train: Sequence[Capture]) -> Capture:
    """The recording that a training capture's profile comes from: another one of its car, attack-free if there is one.

    A car with one recording has to describe itself.
    """
    others = [c for c in train if c.vehicle == capture.vehicle and c.name != capture.name]
    return min(others, key=lambda c: (c.attack != "benign", c.name), default=capture)


def _profile_from(table: pa.Table, begins: np.ndarray, config: Config) -> Profile | None:
    """Profile of the longest stretch that the windows `begins` of a part cover, without injected frames; None: no windows.

    It is of that part alone, so that no window's features touch a frame of another, in whatever recording.
    """
    stretches = _segments(Frames.from_table(table), begins, config)
    if not stretches:
        return None
    longest = max(stretches, key=len)
    longest = longest.take(longest.label == 0)
    return of_recording(longest.to_table(), config) if len(longest) else None


def _real(
    train: Sequence[Capture],
    tables: dict[str, pa.Table],
    part: str,
    parts: dict[str, dict[str, np.ndarray]],
    config: Config,
) -> GraphStore:
    """Windows of the captures; with a feature set that has a profile each window twice, without and with it.

    Beside virtual drives, benign windows near an attack are left out, as of these.
    """
    begins = [parts[c.name][part] for c in train]
    # what is remembered of identifiers begins anew with each stretch of the part
    resets = [b[_stretches(b, config.windows.size)] for b in begins]
    if config.augmentation.kind == "drives":
        begins = [
            b[~drives.spilled_over(Frames.from_table(tables[c.name]), b, config.windows.size)]
            for c, b in zip(train, begins, strict=True)
        ]
    frames = [(c.name, c.attack, tables[c.name], b) for c, b in zip(train, begins, strict=True)]
    if not takes_profile(config.features):
        return GraphStore.build(frames, config.windows.size, config.features, resets=resets)
    if config.augmentation.kind == "drives":
        sources = [profile_source(c, train) for c in train]
        profiles = [_profile_from(tables[c.name], parts[c.name][part], config) for c in sources]
    else:
        profiles = [profile_of(tables[c.name], config) for c in train]
    known = GraphStore.build(frames, config.windows.size, config.features, profiles, resets=resets)
    return GraphStore.concat([without_profile(known), known])


def without_profile(store: GraphStore) -> GraphStore:
    """The same windows as if nothing were known of their cars."""
    x = np.array(store.x)
    x[:, of_profile(store.feature_set)] = 0
    return replace(store, x=x, folder=None)


def _stretches(begins: np.ndarray, size: int) -> np.ndarray:
    """Positions in `begins` i64[B], ascending, at which a contiguous stretch of a part's windows begins."""
    return np.flatnonzero(np.diff(begins, prepend=-2 * size - 1) > size)


def part_of(number: int) -> str:
    """The part that virtual vehicle `number` belongs to: 70 % train, 10 % fusion, 20 % validation, evenly spread."""
    u = number * 0.6180339887498949 % 1.0
    return "fusion" if u < 0.1 else "validation" if u < 0.3 else "train"


@dataclass(frozen=True)
class Virtual:
    """Traffic of a virtual vehicle.

    Attributes:
        name, attack: as in a store.
        frames: that windows are cut from.
        begins: i64[B], first frames of the windows.
        profile: what is known of the vehicle, None for nothing.
    """

    name: str
    attack: str
    frames: pa.Table
    begins: np.ndarray
    profile: Profile | None


def virtual_windows(number: int, config: Config, seed: int, benign: Mapping[str, Sequence[Frames]]) -> Virtual:
    """Draw virtual vehicle `number` of the kind `windows`: neighbouring windows after the seconds that give its profile."""
    rng = np.random.default_rng([seed, 7919, number])
    kind = rng.choice(["clean", "none", "contaminated"], p=config.augmentation.profiles)
    seconds = config.windows.profile_seconds
    late = rng.uniform(0, seconds) if kind == "contaminated" else 0.0
    # a contaminated profile takes its share
    drive = virtual.drive(
        number, late + config.virtual_seconds, seconds, [s for all in benign.values() for s in all], rng,
        attacks=virtual.Attacks(config.augmentation.attacked, config.augmentation.segment),
        ranges=replace(
            virtual.RANGES[config.augmentation.ranges],
            rate=config.augmentation.rate, bursts=config.augmentation.bursts,
        ),
    )  # fmt: skip
    traffic = Frames.concat([drive.profile, drive.frames])
    seen = (traffic.timestamp >= late) & (traffic.timestamp < late + seconds)
    known = takes_profile(config.features) and kind != "none"
    profile = profile_of(traffic.take(seen).to_table(), config) if known else None
    table = traffic.take(traffic.timestamp >= late + seconds).to_table()
    begins = starts(table.num_rows, config.windows.size, config.windows.stride)
    begins = begins[: config.augmentation.windows_per_vehicle]
    return Virtual(drive.name, drive.attack, table, begins, profile)


def virtual_drive(number: int, config: Config, seed: int, benign: Mapping[str, Sequence[Frames]]) -> Virtual:
    """Draw virtual vehicle `number` of the kind `drives`: a whole drive from an empty bus."""
    rng = np.random.default_rng([seed, 104_729, number])
    drive = drives.drive(number, benign, config.augmentation, config.windows.size, rng)
    known = drive.profile if takes_profile(config.features) else None
    profile = None if known is None else of_recording(known.to_table(), config)
    return Virtual(drive.name, "virtual", drive.frames.to_table(), drive.begins, profile)


#: `augmentation.kind` → how a virtual vehicle is drawn: its number, the configuration, the seed, benign traffic by car
VIRTUAL = {"windows": virtual_windows, "drives": virtual_drive}
#: drives that are built at once: what their frames take of memory is let go before the next
_AT_ONCE = 50


def _virtual(part: str, config: Config, seed: int, benign: Mapping[str, Sequence[Frames]]) -> Iterator[GraphStore]:
    """Windows of the virtual vehicles of a part; the stores are built from `_AT_ONCE` of them each."""
    numbers = [n for n in range(config.augmentation.vehicles) if part_of(n) == part]
    pace = terminal.Pace(f"store of the part {part}", "virtual vehicles")
    for first in range(0, len(numbers), _AT_ONCE):
        vehicles = []
        for done, number in enumerate(numbers[first : first + _AT_ONCE], first):
            pace.reached(done, len(numbers))
            vehicles.append(VIRTUAL[config.augmentation.kind](number, config, seed, benign))
        frames = [(v.name, v.attack, v.frames, v.begins) for v in vehicles]
        yield GraphStore.build(frames, config.windows.size, config.features, [v.profile for v in vehicles])
