"""The streaming pass gives the very store that building in memory gives, and leaves nothing behind when it fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdgat.captures.reader import read
from kdgat.config import FeatureSet
from kdgat.errors import CaptureError, KdgatError
from kdgat.graphs import splits
from kdgat.graphs.profile import Profile
from kdgat.graphs.store import ARRAYS, GraphStore
from kdgat.graphs.stream import stream

HEADER = "timestamp,arbitration_id,data_field,attack\n"


def capture(path: Path, n: int, seed: int) -> Path:
    """A capture of `n` frames as CSV; more than 50,000 are more than one block."""
    rng = np.random.default_rng(seed)
    t = 1.6e9 + np.cumsum(rng.choice([2.5e-4, 1e-3, -1e-5], n, p=[0.5, 0.4, 0.1]))
    ids = rng.integers(0, 40, n)
    data = rng.integers(0, 2**32, n)
    label = rng.random(n) < 0.003
    rows = zip(t.tolist(), ids.tolist(), data.tolist(), label.tolist(), strict=True)
    path.write_text(HEADER + "".join(f"{a:.6f},{i:03X},{d:08X},{y:d}\n" for a, i, d, y in rows))
    return path


@pytest.mark.parametrize("features", ["profile", "memory"])
@pytest.mark.parametrize(("size", "stride"), [(100, 100), (100, 37), (64, 1000)])
def test_stream_equals_build(size: int, stride: int, features: FeatureSet, tmp_path: Path) -> None:
    paths = {n: capture(tmp_path / f"{n}.csv", n, n) for n in (120_000, size - 1, size, 999)}
    tables = {n: read(path) for n, path in paths.items()}
    profiles = [Profile.fit(table, 1.0) for table in tables.values()]
    want = GraphStore.build(
        [(f"c{n}", "dos", t, splits.starts(n, size, stride)) for n, t in tables.items()], size, features, profiles
    )
    captures = [(f"c{n}", "dos", path) for n, path in paths.items()]
    got = stream(captures, tmp_path / "store", size, stride, features, profiles)
    for name in ARRAYS:
        assert np.array_equal(getattr(got, name), getattr(want, name)), name
    assert got.capture_names == want.capture_names and got.attack_names == want.attack_names


def test_other_formats_stream_too(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = read(capture(tmp_path / "c.csv", 5000, 1))
    pq.write_table(table, tmp_path / "c.parquet")
    one = stream([("c", "benign", tmp_path / "c.csv")], tmp_path / "one", 50, 50, "published")
    two = stream([("c", "benign", tmp_path / "c.parquet")], tmp_path / "two", 50, 50, "published")
    assert len(one) == 100 and np.array_equal(one.x, two.x)


def test_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    path = capture(tmp_path / "c.csv", 80_000, 1)
    with path.open("a") as file:
        file.write("broken")
    with pytest.raises(CaptureError) as caught:
        stream([("c", "dos", path)], tmp_path / "store", 100, 100, "relative")
    assert caught.value.line == 80_002
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.csv"]
    with pytest.raises(KdgatError, match="window of 1 frame"):
        stream([("c", "dos", path)], tmp_path / "store", 1, 1, "relative")


def test_quarantined_rows_are_not_in_windows(tmp_path: Path) -> None:
    path = capture(tmp_path / "c.csv", 500, 1)
    want = read(path)
    lines = path.read_text().splitlines(keepends=True)
    lines.insert(250, "1,2\n")
    path.write_text("".join(lines))
    got = stream([("c", "dos", path)], tmp_path / "store", 100, 100, "relative", on_bad_rows="quarantine")
    built = GraphStore.build([("c", "dos", want, splits.starts(500, 100, 100))], 100, "relative")
    assert np.array_equal(got.x, built.x) and (tmp_path / "c.csv.quarantine.csv").exists()
