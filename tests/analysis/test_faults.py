"""Freeze under kill -9, two at once, a full disk; releases that a stranger made to harm."""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import struct
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.checks.verification import verify_index
from analysis.freeze import FreezeError, freeze
from analysis.releases.plausible import ReleaseError
from analysis.releases.release import Release
from kdgat.provenance import sha256
from tests.faults.freezing import Killer

FREEZE = (
    "import pickle, sys; from pathlib import Path; from analysis.freeze import freeze; from kdgat.errors import cli\n"
    "tables, weights = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
    "cli(lambda: freeze(sys.argv[3], tables, weights, root=Path(sys.argv[2])) and 0)"
)


def start(inputs, root, name, **kwargs):
    command = [sys.executable, "-c", FREEZE, str(inputs), str(root), name]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **kwargs)


@pytest.fixture(scope="session")
def inputs(run, tmp_path_factory):
    """The fake run as a file for other processes."""
    file = tmp_path_factory.mktemp("inputs") / "run.pickle"
    file.write_bytes(pickle.dumps(run))
    return file


def test_killed_freezes_leave_every_release_whole(run, tmp_path):
    assert Killer(tmp_path, *run, seed=1).run(120 if os.environ.get("KDGAT_SOAK") else 5) == []


def test_two_freezes_at_once_of_one_name(run, inputs, tmp_path):
    tables, weights = run
    other = tmp_path / "other.pickle"
    other.write_bytes(pickle.dumps((tables, weights | {"hcrl-sa/gat-student-s9.onnx": b"x"})))
    root = tmp_path / "frozen"
    racing = [start(i, root, "r") for i in (inputs, other)]
    errors = [p.communicate()[1] for p in racing]
    codes = [p.returncode for p in racing]
    assert sorted(codes) == [0, 2], errors
    assert errors[codes.index(2)].strip().endswith("releases are immutable: choose another name")
    Release(root / "r").check_hashes()
    assert verify_index(root) == []


def test_two_freezes_at_once_of_two_names_are_both_listed(inputs, tmp_path):
    root = tmp_path / "frozen"
    racing = [start(inputs, root, name) for name in ("a", "b")]
    errors = [p.communicate()[1] for p in racing]
    assert [p.returncode for p in racing] == [0, 0], errors
    assert sorted(json.loads((root / "index.json").read_text())) == ["a", "b"]


def test_a_full_disk_changes_nothing(run, release, frozen, inputs):
    before = {p: p.read_bytes() for p in frozen.rglob("*") if p.is_file()}

    def small_files():  # the kernel refuses to write on, as it does on a full disk or over a quota
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = start(inputs, frozen, "r2", preexec_fn=small_files)
    error = process.communicate()[1]
    assert process.returncode == 2, error
    assert error.startswith("error: cannot write") and error.strip().endswith("no release was changed")
    assert {p: p.read_bytes() for p in frozen.rglob("*") if p.is_file()} == before


def test_a_folder_that_cannot_be_written_is_one_line(run, tmp_path):
    (tmp_path / "frozen").write_text("a file where the folder should be")
    with pytest.raises(FreezeError, match="cannot write"):
        freeze("r", *run, root=tmp_path / "frozen")


# ---- releases from a stranger ----------------------------------------------------------------------------------------


@pytest.fixture
def copy(shared_release, tmp_path):
    folder = tmp_path / "shared"
    shutil.copytree(shared_release.path, folder)
    return folder


def edit_manifest(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def weights_path(path):
    return lambda m: m["weights"].update({path: {"bytes": 1, "sha256": "0" * 64}})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (weights_path("weights/../../../x/y.json"), "refused path"),
        (weights_path("/etc/passwd"), "refused path"),
        (weights_path("weights/a/../../b.json"), "refused path"),
        (lambda m: m["tables"].update({"../x": m["tables"]["runs"]}), "unknown table"),
        (lambda m: m["tables"]["runs"].update(rows=10**9), "refused row count"),
        (lambda m: m["tables"]["runs"].update(bytes=10**13), "not plausible"),
        (lambda m: m["tables"]["runs"].update(sha256="x"), "not plausible"),
        (lambda m: m.update(format=99), "format"),
        (lambda m: m.update(name="other"), "manifest of 'other'"),
        (lambda m: m.update(tables=[]), "'tables'"),
    ],
)
def test_a_malicious_manifest_is_refused_before_a_table_is_read(copy, change, reason):
    edit_manifest(copy, change)
    for file in copy.glob("*.parquet"):
        file.write_bytes(b"not parsed")
    with pytest.raises(ReleaseError, match=reason):
        Release(copy)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[" * 200_000, '{"a": ' * 100_000], ids=["empty", "list", "half", "deep", "deep objects"]
)
def test_a_manifest_that_is_no_manifest_is_refused(copy, text):
    (copy / "manifest.json").write_text(text)
    with pytest.raises(ReleaseError, match=r"manifest\.json"):
        Release(copy)


def test_links_are_refused(copy, tmp_path):
    target = tmp_path / "runs.parquet"
    shutil.move(copy / "runs.parquet", target)
    (copy / "runs.parquet").symlink_to(target)
    with pytest.raises(ReleaseError, match="symbolic link"):
        Release(copy).table("runs")
    (tmp_path / "elsewhere").symlink_to(copy)
    with pytest.raises(ReleaseError):
        Release(tmp_path / "elsewhere")
    shutil.move(copy / "weights", tmp_path / "weights")
    (copy / "weights").symlink_to(tmp_path / "weights")
    (copy / "runs.parquet").unlink()
    shutil.move(target, copy / "runs.parquet")
    with pytest.raises(ReleaseError, match="symbolic link"):
        Release(copy).check_hashes()


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def test_a_billion_claimed_rows_are_refused_from_the_footer(copy):
    table = Release(copy).table("runs")
    rows = table.num_rows
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data = sink.getvalue().to_pybytes()
    (length,) = struct.unpack("<I", data[-8:-4])
    footer = data[-8 - length : -8]
    # thrift's compact protocol: field of type i64 (0x16), zigzag varint; the counts of the file and of the row group
    forged = footer.replace(b"\x16" + varint(2 * rows), b"\x16" + varint(2 * 10**9))
    assert forged != footer
    data = data[: -8 - length] + forged + struct.pack("<I", len(forged)) + b"PAR1"
    assert pq.read_metadata(pa.BufferReader(data)).num_rows == 10**9
    (copy / "runs.parquet").write_bytes(data)
    edit_manifest(copy, lambda m: m["tables"]["runs"].update(bytes=len(data), sha256=sha256(data)))
    with pytest.raises(ReleaseError, match="claims 1000000000 rows"):
        Release(copy).table("runs")


@pytest.mark.parametrize("size", [0, 3, 8, 1000, -9])
def test_a_truncated_table_is_refused(copy, size):
    file = copy / "runs.parquet"
    data = file.read_bytes()[:size]
    file.write_bytes(data)
    with pytest.raises(ReleaseError, match="the manifest says"):
        Release(copy).table("runs")
    edit_manifest(copy, lambda m: m["tables"]["runs"].update(bytes=len(data), sha256=sha256(data)))
    with pytest.raises(ReleaseError, match="not whole"):
        Release(copy).table("runs")


def test_names_never_leave_the_folder(frozen):
    for name in ("..", "../x", "a\0b", "A B", ""):
        with pytest.raises(ReleaseError):
            Release.open(name)


def test_con_cannot_read_other_files(shared_release, tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    with pytest.raises(Exception, match="disabled"):
        shared_release.rows(f"select * from '{tmp_path / 'x.csv'}'")
