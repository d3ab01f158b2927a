"""Full disks, folders that cannot be written, two at once, clocks that went back, names that are seen late."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from analysis.freeze import FreezeError, freeze
from analysis.releases.release import Release
from kdgat import atomic
from tests.analysis.fake_run import make
from tests.faults.again import REPO, content
from tests.faults.stale import unseen

#: `prepare` as a command of the project would run it: errors become one line
PREPARE = (
    "from kdgat.errors import cli; from kdgat.dataset.prepare import prepare; from tests.kdgat.small import CONFIG\n"
    "cli(lambda: prepare('synthetic', None, CONFIG, 0) and 0)"
)
WRITE = (
    "import os, sys; from pathlib import Path; from kdgat import atomic; from kdgat.errors import cli\n"
    "if sys.argv[3:] and os.geteuid() == 0: os.seteuid(int(sys.argv[3]))\n"  # root may write everywhere
    "cli(lambda: atomic.write_bytes(Path(sys.argv[1]), b'x' * int(sys.argv[2])))"
)


def start(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=REPO, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(REPO)} | environment,
    )  # fmt: skip


def one_line(process: subprocess.Popen[str], reason: str) -> None:
    error = process.communicate()[1]
    assert process.returncode == 2, error
    assert "Traceback" not in error
    assert error.strip().splitlines()[-1].startswith("error: ") and reason in error, error


FakeRun = tuple[dict[str, pa.Table], dict[str, bytes]]


@pytest.fixture(scope="module")
def run() -> FakeRun:
    """Tables and weights of a run that never ran."""
    return make()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("a small filesystem needs the right to mount one (root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


# ---- a full disk, a folder that cannot be written --------------------------------------------------------------------


def test_graph_stores_on_a_full_disk(small_disk: Path) -> None:
    one_line(start(PREPARE, KDGAT_WORK=str(small_disk)), "disk is full")
    assert content(small_disk, "stores/**/*") == {}
    assert not list((small_disk / "stores").iterdir()), "and no half store takes the room"


def test_a_file_on_a_full_disk_keeps_its_old_content(small_disk: Path) -> None:
    target = small_disk / "state"
    target.write_bytes(b"old")
    one_line(start(WRITE, str(target), str(2 << 20)), "No space left")
    assert target.read_bytes() == b"old" and [p.name for p in small_disk.iterdir()] == ["state"]


def test_a_release_on_a_full_disk(small_disk: Path, run: FakeRun) -> None:
    tables, weights = run
    freeze("base", tables, weights, root=small_disk, current=True)
    before = content(small_disk, "**/*")
    room = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(bytes(room.f_bavail * room.f_frsize - 60_000))
    with pytest.raises(FreezeError, match="No space left"):
        freeze("more", tables, weights, root=small_disk, current=True)
    (small_disk / "filler").unlink()
    assert content(small_disk, "**/*") == before
    freeze("more", tables, weights, root=small_disk, current=True)


def test_a_folder_that_may_not_be_written() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chmod(folder, 0o555)
        one_line(start(WRITE, str(folder / "state"), "1", "65534"), "Permission denied")
        assert not list(folder.iterdir())
        os.chmod(folder, 0o755)


# ---- two at once -----------------------------------------------------------------------------------------------------


def test_two_builds_of_one_store_at_once(tmp_path: Path) -> None:
    racing = [start(PREPARE, KDGAT_WORK=str(tmp_path)) for _ in range(2)]
    errors = [p.communicate()[1] for p in racing]
    assert [p.returncode for p in racing] == [0, 0], errors
    (store,) = [p for p in (tmp_path / "stores").iterdir()]
    assert (store / "prepared.json").is_file() and not store.name.startswith(".")


def test_a_second_rendering_waits_for_the_first(tmp_path: Path) -> None:
    from tools.draft.__main__ import locked

    lock = tmp_path / ".draft-lock"
    (tmp_path / ".draft-killed").mkdir()
    code = (
        "import sys; from pathlib import Path; from tools.draft.__main__ import locked\n"
        "with locked(Path(sys.argv[1])): print('inside')"
    )
    with locked(lock):
        assert not (tmp_path / ".draft-killed").exists(), "what a killed rendering left is cleared"
        (tmp_path / ".draft-mine").mkdir()
        second = start(code, str(lock))
        assert second.stderr is not None
        assert "waiting" in second.stderr.readline()
        assert second.poll() is None and (tmp_path / ".draft-mine").exists()
    assert second.communicate(timeout=60)[0] == "inside\n" and second.returncode == 0


# ---- a clock that went back ------------------------------------------------------------------------------------------


def test_a_clock_that_went_back_stops_no_write(tmp_path: Path) -> None:
    """What was written "in the future" is neither old nor in the way."""
    ahead = time.time() + 10 * 365 * 24 * 3600
    target = tmp_path / "state"
    target.write_bytes(b"old")
    left = tmp_path / ".state.killed"
    left.write_bytes(b"half")
    for path in (target, left):
        os.utime(path, (ahead, ahead))
    atomic.write_bytes(target, b"new")
    assert target.read_bytes() == b"new" and left.exists()


def test_releases_do_not_depend_on_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: FakeRun) -> None:
    tables, weights = run
    now = freeze("r", tables, weights, root=tmp_path / "a")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    then = freeze("r", tables, weights, root=tmp_path / "b")
    assert now.manifest_sha256 == then.manifest_sha256


def test_a_run_never_lasts_less_than_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Durations come from the monotonic clock; a negative one would be refused by the schema."""
    from kdgat import records
    from kdgat.experiment import task
    from kdgat.presets import preset

    class Back(task.datetime):
        hours = iter((12, 11))

        @classmethod
        def now(cls, tz=None):
            return task.datetime(2026, 1, 1, next(cls.hours, 11), tzinfo=tz)

    monkeypatch.setattr(task, "datetime", Back)
    tables = task.Tables()
    mine = task.Task("F/1", "F/1/s/1", "synthetic", "synthetic", 0, preset("smoke"))
    task.Recorder(tables, mine, "gat", "gat-student", "0" * 64).done(1, [], ("f1", 0.5))
    (row,) = records.load(tables.dump())["runs"].to_pylist()
    assert 0 <= row["seconds"] < 60


# ---- names that are seen late (NFS) ----------------------------------------------------------------------------------


def test_the_double_hides_names_from_looks_but_not_from_opening(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("there")
    with unseen(tmp_path):
        assert not (tmp_path / "x").exists() and (tmp_path / "x").read_text() == "there"
        with contextlib.suppress(FileExistsError):
            os.open(tmp_path / "x", os.O_CREAT | os.O_EXCL)
            pytest.fail("the server knows that it is there")
    assert (tmp_path / "x").exists()


def test_a_store_that_another_machine_made_and_that_is_seen_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kdgat.dataset.prepare import prepare
    from tests.kdgat.small import CONFIG

    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    first = prepare("synthetic", None, CONFIG, 0)
    before = content(tmp_path, "stores/**/*")
    with unseen(tmp_path / "stores"):
        second = prepare("synthetic", None, CONFIG, 0)
    assert second.folder == first.folder and second.meta == first.meta
    assert content(tmp_path, "stores/**/*") == before
    assert [p.name for p in (tmp_path / "stores").iterdir()] == [first.folder.name], "the second store was given up"


def test_a_release_that_another_machine_made_and_that_is_seen_late(tmp_path: Path, run: FakeRun) -> None:
    tables, weights = run
    freeze("r", tables, weights, root=tmp_path, current=True)
    before = content(tmp_path, "**/*")
    with unseen(tmp_path), pytest.raises(FreezeError, match="exists already; no release was changed"):
        freeze("r", tables, weights | {"hcrl-sa/gat-student-s9.onnx": b"other"}, root=tmp_path, current=True)
    assert content(tmp_path, "**/*") == before
    Release(tmp_path / "r").check_hashes()
    assert json.loads((tmp_path / "index.json").read_text()).keys() == {"r"}
    freeze("r", tables, weights, root=tmp_path, current=True)  # seen at last: nothing to do
    assert content(tmp_path, "**/*") == before
    shutil.rmtree(tmp_path / "r")
