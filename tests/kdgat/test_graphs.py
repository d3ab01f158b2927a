"""The graph engine against the slow reference, on real and on generated captures; the store's files and batches."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference_graphs as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from kdgat.captures.frames import Frames
from kdgat.catalog import datasets
from kdgat.errors import KdgatError
from kdgat.graphs import splits
from kdgat.graphs.profile import Profile
from kdgat.graphs.store import GraphStore


def make(n: int, seed: int = 0, ids: int = 7, name: str = "c", attack: str = "dos"):
    """A capture of random traffic and its table: few IDs, short payloads, ties and steps back in time."""
    rng = np.random.default_rng(seed)
    dlc = rng.integers(0, 9, n).astype(np.uint8)
    payload = (rng.integers(0, 4, (n, 8)) * (np.arange(8) < dlc[:, None])).astype(np.uint8)
    t = 1.6e9 + np.cumsum(rng.choice([0, 2.5e-4, 1e-3, -5e-4], n, p=[0.1, 0.5, 0.35, 0.05]))
    label = (rng.random(n) < 0.01).astype(np.uint8)
    return Frames(t, rng.integers(0, ids, n).astype(np.uint32), dlc, payload, label).to_table()


def check(table, starts, size, profile=None, some=None) -> None:
    """Every graph (or `some`) in every feature set without a state equals the reference."""
    frames = Frames.from_table(table)
    for feature_set in ("published", "relative", "profile"):
        store = GraphStore.build([("c", "dos", table, starts)], size, feature_set, [profile])
        assert len(store) == len(starts)
        assert np.isfinite(store.x).all() and np.isfinite(store.edge_attr).all()
        for i in range(len(starts)) if some is None else some:
            rows = reference.window(frames, int(starts[i]), size)
            if feature_set == "profile":
                want = reference.profile(rows, profile)
            else:
                want = getattr(reference, feature_set)(rows)
            reference.assert_equal_graph(store, i, *want)
            injected = int(frames.label[starts[i] : starts[i] + size].sum())
            assert (store.injected[i], store.y[i], store.attack[i]) == (injected, injected > 0, injected > 0)
            assert store.t0[i] == frames.timestamp[starts[i]] - frames.timestamp[0]


@st.composite
def captures(draw) -> tuple[Frames, int, int]:
    """Frames with whatever a recorder may leave: one ID or many, ties, steps back, any DLC; window size, stride."""
    n = draw(st.integers(1, 45))
    size = draw(st.integers(2, 20))
    stride = draw(st.integers(1, 25))
    pool = draw(st.lists(st.integers(0, 0x1FFFFFFF), min_size=1, max_size=12, unique=True))
    steps = draw(st.lists(st.sampled_from([0.0, 1e-6, 2.4e-4, 1e-3, 0.5, -7.9e-3]), min_size=n, max_size=n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dlc = rng.choice(draw(st.lists(st.integers(0, 8), min_size=1, max_size=3)), n).astype(np.uint8)
    payload = rng.integers(0, draw(st.sampled_from([1, 2, 256])), (n, 8))
    payload = (payload * (np.arange(8) < dlc[:, None])).astype(np.uint8)
    ids = rng.choice(np.array(pool, np.uint32), n)
    return Frames(1e9 + np.cumsum(steps), ids, dlc, payload, rng.integers(0, 2, n).astype(np.uint8)), size, stride


@settings(max_examples=60, deadline=None)
@given(captures())
def test_engine_equals_reference_on_generated_captures(capture) -> None:
    frames, size, stride = capture
    table = frames.to_table()
    check(table, splits.starts(table.num_rows, size, stride), size, Profile.fit(table.slice(0, 30), 1.0))


@pytest.mark.parametrize(
    ("n", "size", "ids", "stride"),
    [(100, 100, 1, 100), (101, 100, 300, 1), (1000, 100, 7, 33), (2, 2, 1, 1), (400, 200, 200, 100)],
    ids=["W frames of one ID", "all IDs differ", "stride < W", "two frames", "more than 64 IDs"],
)
def test_engine_equals_reference_at_the_edges(n: int, size: int, ids: int, stride: int) -> None:
    table = make(n, ids=ids)
    check(table, splits.starts(n, size, stride), size, Profile.fit(table, 0.05))


def test_capture_shorter_than_a_window_gives_no_graph() -> None:
    store = GraphStore.build([("c", "dos", make(99), splits.starts(99, 100, 100))], 100, "relative")
    assert (len(store), store.x.shape, store.node_ptr.tolist()) == (0, (0, 23), [0])


@pytest.mark.slow
def test_engine_equals_reference_on_real_captures(captures_root: Path) -> None:
    rng = np.random.default_rng(1)
    for capture in datasets.captures("hcrl-sa", captures_root):
        if capture.duplicate_of or capture.attack == "benign":
            continue
        table = capture.frames()
        starts = splits.starts(table.num_rows, 100, 100)
        some = np.sort(rng.choice(len(starts), 5, replace=False))
        check(table, starts[some], 100, Profile.fit(table), range(len(some)))


def test_edge_time_is_that_of_its_own_transition() -> None:
    """`iat == t(dst) − t(src)`, in the right direction, for edges that occur once."""
    table = make(500, ids=400)
    frames = Frames.from_table(table)
    store = GraphStore.build([("c", "dos", table, splits.starts(500, 50, 50))], 50, "published")
    checked = 0
    for i in range(len(store)):
        rows = range(int(store.start[i]), int(store.start[i]) + 50)
        at = {int(frames.id[r]): r for r in rows}
        ids = store.id_code[store.node_ptr[i] : store.node_ptr[i + 1]]
        edges = slice(*store.edge_ptr[i : i + 2])
        for (u, v), attr in zip(store.edge_index[:, edges].T, store.edge_attr[edges], strict=True):
            a, b = at[int(ids[u])], at[int(ids[v])]
            if attr[10] == 1 and b == a + 1:
                assert attr[0] == pytest.approx(max(0.0, frames.timestamp[b] - frames.timestamp[a]), abs=1e-9)
                checked += 1
    assert checked > 300


def store_of_two() -> GraphStore:
    return GraphStore.build(
        [
            ("a.csv", "fuzzing", make(2000, 1), splits.starts(2000, 100, 100)),
            ("b.csv", "dos", make(1500, 2), splits.starts(1500, 100, 50)),
        ],
        100,
        "relative",
    )


def test_windows_never_cross_captures_and_attacks_are_per_window() -> None:
    store = store_of_two()
    assert store.capture.tolist() == [0] * 20 + [1] * 29
    assert store.attack_names == ("benign", "dos", "fuzzing")
    assert set(store.attack[:20][store.y[:20] == 1]) == {2} and set(store.attack[20:][store.y[20:] == 1]) == {1}
    assert set(store.attack[store.y == 0]) == {0}


def test_threads_do_not_change_the_result() -> None:
    frames = [("a", "dos", make(90_000, 3), splits.starts(90_000, 100, 100))]
    one, two = (GraphStore.build(frames, 100, "relative", threads=n) for n in (1, 4))
    for name in ("x", "edge_index", "edge_attr", "id_code", "node_ptr", "edge_ptr"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("indices", [range(5, 12), [3], [40, 2, 2, 17], [], range(49)])
def test_batch_and_select_hold_the_graphs_asked_for(indices) -> None:
    store = store_of_two()
    batch, selection = store.batch(indices), store.select(indices)
    assert len(selection) == len(indices) and batch.indices.tolist() == list(indices)
    offset = 0
    for b, i in enumerate(indices):
        n, e = slice(*store.node_ptr[i : i + 2]), slice(*store.edge_ptr[i : i + 2])
        mine = batch.batch == b
        assert np.array_equal(batch.x[mine], store.x[n]) and np.array_equal(batch.id_code[mine], store.id_code[n])
        inside = (batch.edge_index[0] >= batch.ptr[b]) & (batch.edge_index[0] < batch.ptr[b + 1])
        assert np.array_equal(batch.edge_index[:, inside] - offset, store.edge_index[:, e])
        assert np.array_equal(batch.edge_attr[inside], store.edge_attr[e])
        own = slice(*selection.edge_ptr[b : b + 2])
        assert np.array_equal(selection.edge_index[:, own], store.edge_index[:, e])
        assert selection.start[b] == store.start[i] and batch.y[b] == store.y[i]
        offset += int(mine.sum())


def test_run_of_neighbours_is_a_view() -> None:
    store = store_of_two()
    assert np.shares_memory(store.batch(range(3, 9)).x, store.x)


def test_concat_keeps_graphs_and_joins_names() -> None:
    store = store_of_two()
    union = GraphStore.concat([store.select(range(20, 49)), store.select(range(20))])
    assert union.capture_names == store.capture_names and union.attack_names == store.attack_names
    back = union.select([*range(29, 49), *range(29)])
    for name in ("x", "edge_index", "capture", "attack", "node_ptr", "edge_ptr", "t0"):
        assert np.array_equal(getattr(back, name), getattr(store, name)), name


def test_saved_store_opens_memory_mapped_and_equal(tmp_path: Path) -> None:
    store = store_of_two()
    store.save(tmp_path / "s")
    opened = GraphStore.open(tmp_path / "s")
    assert isinstance(opened.x.base, np.memmap)
    for name in ("x", "edge_index", "edge_attr", "id_code", "y", "t0", "node_ptr"):
        assert np.array_equal(getattr(opened, name), getattr(store, name))
    assert opened.capture_names == store.capture_names and opened.feature_set == "relative" and opened.size == 100
    with pytest.raises(FileExistsError):
        store.save(tmp_path / "s")


def test_another_process_is_sent_the_folder_of_a_store_or_its_arrays(tmp_path: Path) -> None:
    store = store_of_two()
    store.save(tmp_path / "s")
    opened = GraphStore.open(tmp_path / "s")
    message = pickle.dumps(opened)
    assert len(message) < 1000 < store.x.nbytes
    for copy in (pickle.loads(message), pickle.loads(pickle.dumps(opened.select(np.arange(len(store)))))):
        assert np.array_equal(copy.x, store.x) and copy.capture_names == store.capture_names
    assert isinstance(pickle.loads(message).x.base, np.memmap)


def test_damaged_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KdgatError, match="not a graph store"):
        GraphStore.open(tmp_path)
    store_of_two().save(tmp_path / "s")
    other = store_of_two().select([1])
    np.save(tmp_path / "s" / "y.npy", other.y)
    with pytest.raises(KdgatError, match=r"does not fit"):
        GraphStore.open(tmp_path / "s")
    meta = json.loads((tmp_path / "s" / "meta.json").read_text())
    (tmp_path / "s" / "meta.json").write_text(json.dumps(meta | {"format": 99}))
    with pytest.raises(KdgatError, match="format 99"):
        GraphStore.open(tmp_path / "s")


def test_window_outside_the_capture_is_refused() -> None:
    with pytest.raises(KdgatError, match="beyond"):
        GraphStore.build([("c", "dos", make(150), np.array([0, 51]))], 100, "relative")
    with pytest.raises(KdgatError, match="window of 1 frame"):
        GraphStore.build([("c", "dos", make(150), np.array([0]))], 1, "relative")


def test_second_process_compiles_nothing() -> None:
    store_of_two()
    code = (
        "import numpy as np; from kdgat.captures import Frames; from kdgat.graphs.store import GraphStore;"
        "z = Frames(*(np.zeros_like(c) for c in Frames.empty(200).columns)).to_table();"
        "GraphStore.build([('c', 'dos', z, np.array([0, 100]))], 100, 'relative');"
        "from kdgat.graphs.kernels import relative, topology;"
        "print([(f.stats.cache_hits.total(), f.stats.cache_misses.total()) for f in (relative.fill, topology.count)])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[(1, 0), (1, 0)]"


def test_to_pyg() -> None:
    data = store_of_two().to_pyg(4)
    assert data.validate() and data.num_node_features == 23 and data.edge_attr.shape[1] == 10
