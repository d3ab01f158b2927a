"""Keys of trackers and stores never enter what a run leaves (the whole flow is searched in `tests/flows`)."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

from tests.faults.again import REPO
from tests.security.planted import SECRETS, leaks

TRAIN = """
import sys
from pathlib import Path
from kdgat import atomic
from kdgat.presets import preset
from kdgat.experiment.task import Recorder, Tables, Task
for tracker in ("wandb", "mlflow"):
    tables = Tables()
    task = Task("F/1", "F/1/gat/2", "synthetic", "synthetic", 0, preset("smoke"), tracker)
    recorder = Recorder(tables, task, "gat", "gat-student", "0" * 64)
    recorder.tracker.log("loss", [1.0, 0.5])
    recorder.done(10, [(0, "loss", 1.0)], ("loss", 0.5))
    for name, data in tables.dump().items():
        atomic.write_bytes(Path(sys.argv[1]) / "records" / tracker / name, data)
"""


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    key = SECRETS["WANDB_API_KEY"].encode()
    (tmp_path / "log").write_bytes(b"key=" + key)
    (tmp_path / "artifact").write_bytes(gzip.compress(b"\x80\x04" + key))
    (tmp_path / "clean").write_bytes(b"nothing")
    assert [Path(hit.split(":")[0]).name for hit in leaks(tmp_path)] == ["artifact", "log"]


def test_a_recorded_training_holds_no_key(tmp_path: Path) -> None:
    """W&B offline (with a key in the environment) and MLflow, their files, the records, and everything printed."""
    home = tmp_path / "home"
    home.mkdir()
    environment = os.environ | SECRETS | {
        "WANDB_MODE": "offline", "KDGAT_WORK": str(tmp_path / "work"), "HOME": str(home), "PYTHONPATH": str(REPO),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (tmp_path / "output").write_text(done.stdout + done.stderr)
    assert list((tmp_path / "work").rglob("run-*.wandb")) and list((tmp_path / "work").glob("mlflow.db"))
    assert list((tmp_path / "records").rglob("runs"))
    assert leaks(tmp_path) == []


def test_an_error_does_not_print_the_environment(tmp_path: Path) -> None:
    for command in (
        ["-m", "kdgat", "doctor"],
        ["-m", "kdgat", "detect", "nowhere"],
        ["flows/kdgat_flow.py", "run", "--preset", "x"],
    ):
        done = subprocess.run(
            [sys.executable, *command], cwd=REPO, capture_output=True, text=True,
            env=os.environ | SECRETS | {"METAFLOW_DATASTORE_SYSROOT_LOCAL": str(tmp_path)},
        )  # fmt: skip
        assert not any(value in done.stdout + done.stderr for value in SECRETS.values()), command
    assert leaks(tmp_path) == []


def test_nothing_in_the_repository_looks_like_a_key(repo: Path) -> None:
    """Forty hexadecimal digits beside the word key, AWS key ids, private keys: in every tracked text file."""
    import re

    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=repo, capture_output=True, text=True, check=True).stdout
    pattern = re.compile(
        r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|gh[pousr]_[A-Za-z0-9]{36}|(?i:key|token|secret)\W{1,6}[0-9a-f]{40}\b"
    )
    hits = []
    for name in filter(None, tracked.split("\0")):
        data = (repo / name).read_bytes()
        if b"\0" not in data[:4096]:
            hits += [f"{name}: {m[0][:20]}…" for m in pattern.finditer(data.decode("utf-8", "replace"))]
    assert hits == []
