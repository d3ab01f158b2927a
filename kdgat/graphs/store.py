"""GraphStore: all window graphs of a split in flat arrays, built in one pass, memory-mapped, sliced into batches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from kdgat import atomic
from kdgat.captures.frames import Frames
from kdgat.config import FeatureSet
from kdgat.errors import KdgatError
from kdgat.graphs.features import FEATURES, takes_profile
from kdgat.graphs.profile import Profile

if TYPE_CHECKING:
    from torch_geometric.data import Data

BENIGN = "benign"
FORMAT = 1
#: arrays of a store and their types
ARRAYS: dict[str, type] = {
    "x": np.float32,
    "edge_index": np.int32,
    "edge_attr": np.float32,
    "id_code": np.uint32,
    "y": np.uint8,
    "attack": np.uint8,
    "injected": np.uint16,
    "t0": np.float64,
    "duration": np.float32,
    "capture": np.uint16,
    "start": np.int64,
    "node_ptr": np.int64,
    "edge_ptr": np.int64,
}
_GRAPH = ("y", "attack", "injected", "t0", "duration", "capture", "start")
_META = ("feature_set", "size", "capture_names", "attack_names")


@dataclass(frozen=True)
class Batch:
    """Graphs joined into one: n nodes, m edges, b graphs, as they lie in the store.

    Apart from `kdgat.models.layers.GraphBatch` because stores are built, sampled and pooled for baselines without torch,
    and hold unscaled features and compact integers.

    Attributes:
        x: f32[n, F]; id_code: u32[n]; batch: i64[n], graph of each node.
        edge_index: i64[2, m], node numbers in the batch; edge_attr: f32[m, G].
        y, attack: u8[b]; indices: i64[b], graphs of the store; ptr: i64[b + 1], first node of each graph.
    """

    x: np.ndarray
    edge_index: np.ndarray
    edge_attr: np.ndarray
    id_code: np.ndarray
    batch: np.ndarray
    ptr: np.ndarray
    y: np.ndarray
    attack: np.ndarray
    indices: np.ndarray


@dataclass(frozen=True)
class GraphStore:
    """B graphs with N nodes and E edges in all.

    Attributes:
        x: f32[N, F], node features; id_code: u32[N], CAN IDs.
        edge_index: i32[2, E], source and target, numbers local to the graph; edge_attr: f32[E, G].
        y: u8[B], 1 if a frame is injected; injected: u16[B], how many are.
        attack: u8[B], index into `attack_names`, 0 (`benign`) for a window without injected frames.
        t0: f64[B], s after the capture's first frame; duration: f32[B], s.
        capture: u16[B], index into `capture_names`; start: i64[B], first frame in the capture.
        node_ptr, edge_ptr: i64[B + 1], where each graph's rows begin.
        size: frames in a window.
        folder: where it was opened; None: it lies in memory only.
    """

    x: np.ndarray
    edge_index: np.ndarray
    edge_attr: np.ndarray
    id_code: np.ndarray
    y: np.ndarray
    attack: np.ndarray
    injected: np.ndarray
    t0: np.ndarray
    duration: np.ndarray
    capture: np.ndarray
    start: np.ndarray
    node_ptr: np.ndarray
    edge_ptr: np.ndarray
    feature_set: FeatureSet
    size: int
    capture_names: tuple[str, ...]
    attack_names: tuple[str, ...]
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.y)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """For another process: the folder, whose pages all share, instead of what lies in it."""
        if self.folder is not None:
            return GraphStore.open, (self.folder,)
        return GraphStore, tuple(getattr(self, f.name) for f in fields(self))

    @property
    def node_features(self) -> tuple[str, ...]:
        """Names of the columns of `x`."""
        return FEATURES[self.feature_set][0]

    @property
    def edge_features(self) -> tuple[str, ...]:
        """Names of the columns of `edge_attr`."""
        return FEATURES[self.feature_set][1]

    @property
    def has_profile(self) -> np.ndarray:
        """Whether each window was given its vehicle's profile, bool[B]."""
        if not takes_profile(self.feature_set):
            return np.zeros(len(self), bool)
        column = self.node_features.index("profile_available")
        return np.asarray(self.x[np.asarray(self.node_ptr)[:-1], column]) > 0

    @classmethod
    def build(
        cls,
        frames: Sequence[tuple[str, str, pa.Table, np.ndarray]],
        size: int,
        feature_set: FeatureSet,
        profiles: Sequence[Profile | None] | None = None,
        *,
        resets: Sequence[np.ndarray] | None = None,
        threads: int | None = None,
    ) -> GraphStore:
        """Graphs of the given windows, capture by capture, in the order given.

        Args:
            frames: per capture its name, its attack kind, its frame table and the first frames of its windows, i64[B].
            size: frames in a window, 2–4096.
            profiles: for `profile` and `memory`, that of each capture's vehicle or None.
            resets: for `memory`, the frames of each capture before which its state is emptied, i64, ascending; windows
                before the first of them have none. Default: its first frame.
            threads: default: the processors this process may use.
        """
        from kdgat.graphs.kernels import build

        if not 2 <= size <= build.MAX_SIZE:
            raise KdgatError(f"a window of {size} frames: 2 to {build.MAX_SIZE} are possible")
        columns = [Frames.from_table(table) for _, _, table, _ in frames]
        starts = [np.ascontiguousarray(s, np.int64) for *_, s in frames]
        for (name, *_), f, s in zip(frames, columns, starts, strict=True):
            if len(s) and (s.min() < 0 or s.max() + size > len(f)):
                raise KdgatError(f"{name}: a window reaches beyond the capture's {len(f)} frames")
        profiles = profiles or [None] * len(columns)
        remembered = None
        if feature_set == "memory":
            resets = resets or [np.zeros(1, np.int64)] * len(columns)
            remembered = build.remember(columns, starts, size, profiles, resets, threads)
        arrays: dict[str, Any] = build.graphs(columns, starts, size, feature_set, profiles, remembered, threads)
        kinds = [kind for _, kind, _, _ in frames]
        attack_names = (BENIGN, *sorted({*kinds} - {BENIGN}))
        codes = np.array([attack_names.index(kind) for kind in kinds], np.uint8)
        attack = np.repeat(codes, [len(s) for s in starts]) * arrays["y"]
        capture_names = tuple(name for name, *_ in frames)
        return cls(
            **arrays,
            attack=attack,
            feature_set=feature_set,
            size=size,
            capture_names=capture_names,
            attack_names=attack_names,
        )

    def _arrays(self) -> dict[str, np.ndarray]:
        return {name: getattr(self, name) for name in ARRAYS}

    def _with(self, arrays: dict[str, Any], **other: tuple[str, ...]) -> GraphStore:
        meta: dict[str, Any] = {name: other.get(name, getattr(self, name)) for name in _META}
        return GraphStore(**arrays, **meta)

    def save(self, folder: Path) -> None:
        """Write one .npy file an array and meta.json; the folder appears whole or not at all and must not exist."""
        with atomic.new_directory(folder) as temporary:
            for name, array in self._arrays().items():
                np.save(temporary / f"{name}.npy", array)
            shapes = {name: array.shape for name, array in self._arrays().items()}
            write_meta(temporary, shapes, **{name: getattr(self, name) for name in _META})

    @classmethod
    def open(cls, folder: Path) -> GraphStore:
        """The store in `folder`, memory-mapped copy-on-write: the files are never changed.

        Raises:
            KdgatError: not a store, of another format, or a file that does not fit the rest.
        """
        try:
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
            shapes = meta["shapes"]
            if meta["format"] != FORMAT:
                raise KdgatError(f"{folder}: graph store of format {meta['format']}, not {FORMAT}: build it again")
            known: dict[str, Any] = {name: tuple(v) if isinstance(v := meta[name], list) else v for name in _META}
            arrays: dict[str, Any] = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in ARRAYS}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KdgatError(f"{folder} is not a graph store: {error}") from None
        known |= {name: np.asarray(a) for name, a in arrays.items()}
        store = cls(**known, folder=folder.resolve())
        store._check(folder, shapes)
        return store

    def _check(self, folder: Path, shapes: dict[str, list[int]]) -> None:
        if self.feature_set not in FEATURES:
            raise KdgatError(f"{folder}: unknown feature set {self.feature_set!r}")
        b, n, e = len(self), int(self.node_ptr[-1]), int(self.edge_ptr[-1])
        want: dict[str, tuple[int, ...]] = dict.fromkeys(ARRAYS, (b,))
        want |= {"x": (n, len(self.node_features)), "id_code": (n,), "edge_index": (2, e)}
        want |= {"edge_attr": (e, len(self.edge_features)), "node_ptr": (b + 1,), "edge_ptr": (b + 1,)}
        for name, kind in ARRAYS.items():
            array = getattr(self, name)
            if array.dtype != kind or array.shape != want[name] or list(array.shape) != list(shapes.get(name, ())):
                raise KdgatError(f"{folder}: {name}.npy does not fit the rest of the store")

    def batch(self, indices: Sequence[int] | np.ndarray) -> Batch:
        """The graphs `indices` joined into one; a run of neighbours in the store is a pure slice of its arrays."""
        indices = np.asarray(indices, np.int64)
        nodes, ptr = _rows(self.node_ptr, indices)
        edges, edge_ptr = _rows(self.edge_ptr, indices)
        n_nodes = np.diff(ptr)
        offset = np.repeat(ptr[:-1], np.diff(edge_ptr))
        return Batch(
            x=self.x[nodes],
            edge_index=self.edge_index[:, edges] + offset,
            edge_attr=self.edge_attr[edges],
            id_code=self.id_code[nodes],
            batch=np.repeat(np.arange(len(indices)), n_nodes),
            ptr=ptr,
            y=self.y[indices],
            attack=self.attack[indices],
            indices=indices,
        )

    def select(self, indices: Sequence[int] | np.ndarray) -> GraphStore:
        """A store of the graphs `indices`, in their order; names are kept."""
        indices = np.asarray(indices, np.int64)
        nodes, node_ptr = _rows(self.node_ptr, indices)
        edges, edge_ptr = _rows(self.edge_ptr, indices)
        arrays = {name: getattr(self, name)[indices] for name in _GRAPH}
        arrays |= {"x": self.x[nodes], "id_code": self.id_code[nodes], "node_ptr": node_ptr}
        arrays |= {"edge_index": self.edge_index[:, edges], "edge_attr": self.edge_attr[edges], "edge_ptr": edge_ptr}
        return self._with(arrays)

    @staticmethod
    def concat(stores: Sequence[GraphStore]) -> GraphStore:
        """All graphs of `stores` one after the other; captures and attacks of the same name become one."""
        if len({(s.feature_set, s.size) for s in stores}) != 1:
            raise KdgatError("only graph stores of one feature set and window size can be joined")
        capture_names: tuple[str, ...] = tuple(dict.fromkeys(name for s in stores for name in s.capture_names))
        attack_names = (BENIGN, *sorted({name for s in stores for name in s.attack_names} - {BENIGN}))
        arrays = {
            n: np.concatenate([getattr(s, n) for s in stores], axis=-1 if n == "edge_index" else 0) for n in ARRAYS
        }
        for name, joined, old in (
            ("capture", capture_names, "capture_names"),
            ("attack", attack_names, "attack_names"),
        ):
            codes: list[np.ndarray] = [
                np.array([joined.index(n) for n in getattr(s, old)], ARRAYS[name]) for s in stores
            ]
            arrays[name] = np.concatenate([c[getattr(s, name)] for c, s in zip(codes, stores, strict=True)])
        for name in ("node_ptr", "edge_ptr"):
            counts = np.concatenate([np.diff(getattr(s, name)) for s in stores])
            arrays[name] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return stores[0]._with(arrays, capture_names=capture_names, attack_names=attack_names)

    def to_pyg(self, i: int) -> Data:
        """Give graph `i` as a `torch_geometric.data.Data` (x, edge_index i64, edge_attr, y i64[1], id_code i64).

        Nothing here calls it: it is for the explainers and models of others, which all take PyG's type.
        """
        import torch
        from torch_geometric.data import Data

        graph = self.batch([i])
        return Data(
            x=torch.from_numpy(graph.x.copy()),
            edge_index=torch.from_numpy(graph.edge_index),
            edge_attr=torch.from_numpy(graph.edge_attr.copy()),
            y=torch.from_numpy(graph.y.astype(np.int64)),
            id_code=torch.from_numpy(graph.id_code.astype(np.int64)),
        )


def write_meta(folder: Path, shapes: Mapping[str, tuple[int, ...]], **meta: Any) -> None:
    """meta.json of a store: its format, the shape of each array, and what `_META` names."""
    document = {"format": FORMAT, "shapes": shapes, **{name: meta[name] for name in _META}}
    (folder / "meta.json").write_text(json.dumps(document, indent=1, sort_keys=True), encoding="utf-8")


def _rows(ptr: np.ndarray, indices: np.ndarray) -> tuple[slice | np.ndarray, np.ndarray]:
    """Rows of the graphs `indices` (a slice where they are neighbours), and where each begins in them, i64[b + 1]."""
    counts = ptr[indices + 1] - ptr[indices]
    begins = np.concatenate([[0], np.cumsum(counts)])
    if len(indices) and (np.diff(indices) == 1).all():
        return slice(int(ptr[indices[0]]), int(ptr[indices[-1] + 1])), begins
    return np.arange(begins[-1]) + np.repeat(ptr[indices] - begins[:-1], counts), begins
