"""`kdgat evaluate`: which captures it takes, and how it says that one cannot serve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from analysis import evaluate
from kdgat.captures.frames import Frames
from kdgat.errors import KdgatError
from kdgat.synthetic.write import write


def _frames(seed: int, forged: int = 0) -> Frames:
    rng = np.random.default_rng(seed)
    benign = Frames.of(np.sort(rng.uniform(0, 5, 900)), rng.integers(1, 9, 900), 8, rng.integers(0, 256, (900, 8)), 0)
    false = Frames.of(rng.uniform(1, 4, forged), 5, 8, np.full((forged, 8), 3), 1)
    both = Frames.concat([benign, false])
    return both.take(np.argsort(both.timestamp, kind="stable"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my-car").mkdir()
    write(_frames(1), tmp_path / "my-car" / "quiet-1.csv", "labelled-csv")
    write(_frames(1, 30), tmp_path / "my-car" / "flood-1.csv", "labelled-csv")
    write(_frames(2, 30), tmp_path / "flood-2.csv", "labelled-csv")
    return tmp_path


def test_plain_files_are_captures_of_their_folders_car(folder: Path) -> None:
    captures = {c.name: c for c in evaluate.found(folder, [])}
    assert {name: (c.vehicle, c.attack) for name, c in captures.items()} == {
        "flood-2.csv": ("unknown", "flood"),
        "my-car/flood-1.csv": ("my-car", "flood"),
        "my-car/quiet-1.csv": ("my-car", "quiet"),
    }
    (one,) = evaluate.found(folder / "flood-2.csv", [])
    assert one.sha256 == captures["flood-2.csv"].sha256 and one.vehicle == "unknown"
    with pytest.raises(KdgatError, match="no folder or file"):
        list(evaluate.found(folder / "nowhere", []))
    (folder / "empty").mkdir()
    with pytest.raises(KdgatError, match="no captures in"):
        list(evaluate.found(folder / "empty", []))


def test_what_a_release_has_seen_cannot_serve(folder: Path) -> None:
    captures = {c.name: c for c in evaluate.found(folder, [])}
    quiet, same, fresh = (captures[n] for n in ("my-car/quiet-1.csv", "my-car/flood-1.csv", "flood-2.csv"))
    known = evaluate.Known(
        {quiet.sha256: "train", "f" * 64: "test_01"}, [(quiet.name, evaluate._sequence(quiet.frames()))]
    )
    reason = lambda c: known.reason(c, c.frames())  # noqa: E731
    assert reason(quiet) == "the models were trained on it"
    assert reason(same).startswith("apart from forged frames it holds those of my-car/quiet-1.csv")
    assert reason(fresh) == ""
    assert reason(replace(fresh, sha256="f" * 64)) == "the release has scored it (test_01)"
    named = replace(fresh, dataset="set_01", attack="suppress", table=_frames(3).to_table())
    assert "no frame is labelled" in reason(named)


def test_tables_say_what_they_are_no_part_of(folder: Path, shared_release) -> None:
    table = shared_release.table("summary")
    evaluate.keep(folder / "out", shared_release, {"summary": table})
    kept = pa.parquet.read_table(folder / "out" / "summary.parquet")
    assert kept.schema.metadata[b"status"] == b"not part of the release" and kept.num_rows == table.num_rows
    lines = list(evaluate.printed(table))
    assert lines[0].startswith("| dataset | car | attack | protocol | model | f1 |")
    rows = [line.split(" | ") for line in lines[2:]]
    # test_04 holds one attack: the row of all its windows bears its name
    assert {row[2] for row in rows if row[1] == "test_04"} == {"malfunction"}
    assert {row[2] for row in rows if row[1] == "test_01"} == {"all", "DoS", "fuzzing"}
    with pytest.raises(KdgatError, match="cannot write"):
        evaluate.keep(folder / "flood-2.csv" / "out", shared_release, {"summary": table})
