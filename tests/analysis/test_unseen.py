"""`kdgat evaluate`: which captures it takes, and how it says that one cannot serve."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from analysis import evaluate
from kdgat import records
from kdgat.captures.frames import Frames
from kdgat.catalog import datasets
from kdgat.catalog.contents import Training
from kdgat.config import Config
from kdgat.dataset import sources
from kdgat.errors import KdgatError
from kdgat.synthetic import judged
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
    captures = {c.name: c for c in evaluate.captures_below(folder, [])}
    assert {name: (c.vehicle, c.attack) for name, c in captures.items()} == {
        "flood-2.csv": ("unknown", "flood"),
        "my-car/flood-1.csv": ("my-car", "flood"),
        "my-car/quiet-1.csv": ("my-car", "quiet"),
    }
    (one,) = evaluate.captures_below(folder / "flood-2.csv", [])
    assert one.sha256 == captures["flood-2.csv"].sha256 and one.vehicle == "unknown"
    with pytest.raises(KdgatError, match="no folder or file"):
        list(evaluate.captures_below(folder / "nowhere", []))
    (folder / "empty").mkdir()
    with pytest.raises(KdgatError, match="no captures in"):
        list(evaluate.captures_below(folder / "empty", []))


def test_a_file_with_the_content_of_another_does_not_count_twice(folder: Path) -> None:
    packed = gzip.compress((folder / "flood-2.csv").read_bytes())
    (folder / "my-car" / "copy-1.csv.gz").write_bytes(packed)
    twins = {c.name: c for c in evaluate.captures_below(folder, []) if c.duplicate_of}
    assert {name: c.duplicate_of for name, c in twins.items()} == {"my-car/copy-1.csv.gz": "flood-2.csv"}
    (copy,) = twins.values()
    assert evaluate.Known({}, {}, []).reason(copy, copy.frames()) == "the same content as flood-2.csv"


def test_copies_that_differ_in_line_ends_have_one_content(folder: Path) -> None:
    text = (folder / "flood-2.csv").read_bytes()
    (folder / "windows.csv").write_bytes(text.replace(b"\n", b"\r\n"))
    (folder / "packed.csv.gz").write_bytes(gzip.compress(text.replace(b"\n", b"\r\n")))
    twins = {c.name: c.duplicate_of for c in evaluate.captures_below(folder, [])}
    assert twins["packed.csv.gz"] == twins["windows.csv"] == "flood-2.csv"
    # where a block of what is read ends between CR and LF, too
    for path, end in ((folder / "a", b"\r\n"), (folder / "b", b"\n")):
        path.write_bytes(b"x" * ((1 << 20) - 1) + end + b"y" + end)
    assert datasets.hashes(folder / "a")[1] == datasets.hashes(folder / "b")[1] == datasets.hashes(folder / "b")[0]


def test_training_captures_are_known_where_they_lie_and_copies_without_them(
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """A copy with CRLF is told by what the release says of the original; one with forged frames by the original at home."""
    home = tmp_path_factory.mktemp("home")
    original = home / "hcrl-sa" / "train_01" / "attack-free-1.csv"
    original.parent.mkdir(parents=True)
    original.write_bytes((folder / "my-car" / "quiet-1.csv").read_bytes())
    monkeypatch.setenv("KDGAT_DATA", str(home))
    (capture,) = sources.captures("hcrl-sa", train_only=True)
    row = sources.dataset_row(capture, capture.frames(), Config(), Training({}, frozenset()))
    release = SimpleNamespace(name="r", table=lambda name: records.table(name, [row]))
    copy = folder / "my-car" / "quiet-1.csv"
    copy.write_bytes(copy.read_bytes().replace(b"\n", b"\r\n"))

    def reasons() -> dict[str, str]:
        captures = list(evaluate.captures_below(folder, []))
        known = evaluate.Known.of(release, "hcrl-sa", captures)  # type: ignore[arg-type]
        return {c.name: known.reason(c, c.frames()) for c in captures}

    at_home = reasons()
    assert at_home["my-car/quiet-1.csv"] == f"the models were trained on it, as {capture.name}"
    assert at_home["my-car/flood-1.csv"].startswith(f"apart from forged frames it holds those of {capture.name}")
    assert at_home["flood-2.csv"] == "" and capsys.readouterr().err == ""
    changed = replace(capture, sha256="f" * 64, table=capture.frames().slice(1))
    assert evaluate.Known.of(release, "hcrl-sa", []).reason(changed, changed.frames()).startswith("apart from forged")  # type: ignore[arg-type]
    original.unlink()
    away = reasons()
    assert away["my-car/quiet-1.csv"] == at_home["my-car/quiet-1.csv"]
    assert capsys.readouterr().err.startswith("1 of the 1 training captures of r not found")


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_read(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    for out in (folder / "flood-2.csv", folder / "flood-2.csv" / "out"):
        with pytest.raises(KdgatError, match=f"cannot write {out}: Not a directory"):
            evaluate.run("no-such-release", folder, out=out)
    with pytest.raises(KdgatError, match="no release 'no-such-release'"):
        evaluate.run("no-such-release", folder, out=folder / "new" / "out")
    assert sorted(folder.rglob("*")) == before


def test_what_a_release_has_seen_cannot_serve(folder: Path) -> None:
    captures = {c.name: c for c in evaluate.captures_below(folder, [])}
    quiet, same, fresh = (captures[n] for n in ("my-car/quiet-1.csv", "my-car/flood-1.csv", "flood-2.csv"))
    knowledge = evaluate.Known(
        {quiet.sha256: "train", "f" * 64: "test_01"}, {}, [(quiet.name, evaluate._sequence(quiet.frames()))]
    )
    reason = lambda c: knowledge.reason(c, c.frames())  # noqa: E731
    assert reason(quiet) == "the models were trained on it"
    assert reason(same).startswith("apart from forged frames it holds those of my-car/quiet-1.csv")
    assert reason(fresh) == ""
    assert reason(replace(fresh, sha256="f" * 64)) == "the release has scored it (test_01)"
    relative = replace(fresh, dataset="set_01", attack="suppress", table=_frames(3).to_table())
    assert "no frame is labelled" in reason(relative)


def test_tables_say_what_they_are_no_part_of(folder: Path, shared_release) -> None:
    table = shared_release.table("summary")
    evaluate.keep(folder / "out", shared_release, {"summary": table})
    summary = pa.parquet.read_table(folder / "out" / "summary.parquet")
    assert summary.schema.metadata[b"status"] == b"not part of the release" and summary.num_rows == table.num_rows
    lines = list(evaluate.printed(table))
    assert lines[0].startswith("| dataset | car | attack | protocol | model | f1 |")
    rows = [line.split(" | ") for line in lines[2:]]
    # test_04 holds one attack: the row of all its windows bears its name
    assert {row[2] for row in rows if row[1] == "test_04"} == {"malfunction"}
    assert {row[2] for row in rows if row[1] == "test_01"} == {"all", "DoS", "fuzzing"}
    with pytest.raises(KdgatError, match="cannot write"):
        evaluate.keep(folder / "flood-2.csv" / "out", shared_release, {"summary": table})


def test_virtual_cars_are_judged_by_kind_with_what_evaders_give_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Cars that no training draws, profiles from another trip, one table of cost and recall; a file that comes again is passed over."""
    monkeypatch.setattr(judged, "KINDS", ("dos", "evade_midpoint", "suppress"))
    few = judged.captures(1, 5)
    assert [(c.split, c.attack, c.data_kind) for c in few] == [
        (split, attack, "synthetic")
        for kind in ("dos", "evade_midpoint")
        for split, attack in (("train", "benign"), (kind, kind))
    ]
    again = replace(few[1], dataset="set_01", name="again")
    monkeypatch.setattr(judged, "captures", lambda: [*few, again])
    out = tmp_path / "out"
    assert evaluate.run("demo-1", tmp_path, chosen=["virtual"], models=["gat-student"], out=out) == 0
    rows = pa.parquet.read_table(out / "summary.parquet").to_pylist()
    assert {r["scenario"] for r in rows} == {"dos", "evade_midpoint", "pooled"}
    assert {r["protocol"] for r in rows} >= {"zero-shot", "profiled"}
    shown = capsys.readouterr()
    notes = shown.err.splitlines()
    begin = notes.index("demo-1: models trained on hcrl-sa, seeds 0, 1")  # before it, what is not here to compare with
    first, _, last = notes[begin + 1 : begin + 4]
    assert "scored (zero-shot, adapted, calibrated, profiled from virtual/train/dos-0), " in first
    assert last.startswith("[3/3] set_01/again: the same file as virtual/dos/dos-0, not scored again")
    assert "more than the protocol `adapted` can follow" in shown.err
    assert shown.out.startswith("not part of the release demo-1 "), "stdout is the table"
    table = [line.split(" | ") for line in shown.out.splitlines() if line.startswith("| evade_")]
    cost = {kind: share.share for kind, share in judged.costs(cars=4).items()}
    assert cost["evade_offset"] == 0 < cost["evade_creeping"], "an offset forges as many frames as it likes"
    assert {row[0].strip("| ") for row in table} == {"evade_midpoint"}
    values = {row[2]: float(row[3].rstrip(" |")) for row in table}
    assert {"zero-shot", "profiled"} <= set(values) and all(0 <= value <= 1 for value in values.values())
