"""A SLURM of one node for the tests in this folder; where it cannot be had they are skipped by name."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kdgat.paths import REPO

HERE = Path(__file__).resolve().parent


@contextlib.contextmanager
def one_node() -> Iterator[dict[str, str]]:
    """Environment in which srun, sbatch, squeue and scancel talk to a SLURM of our own."""
    # not pytest's folder: the path of a socket may have no more than 108 characters
    folder = tempfile.mkdtemp(prefix="slurm-")
    done = subprocess.run([str(HERE / "start"), folder], capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    yield {"SLURM_CONF": f"{folder}/slurm.conf"}
    subprocess.run([str(HERE / "start"), "--stop", folder], check=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def slurm() -> Iterator[dict[str, str]]:
    """The SLURM that most tests share."""
    with one_node() as env:
        yield env


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for `what()` to become true; its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := what():
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


@dataclass
class Cluster:
    """Flows in a store of their own, on the one-node SLURM."""

    folder: Path
    env: dict[str, str]
    heads: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *args: str, flow: Path = HERE / "small_flow.py", **env: str) -> subprocess.Popen[str]:
        """A head in a process group of its own, as a terminal would start it."""
        head = subprocess.Popen(
            [sys.executable, str(flow), "--no-pylint", *args],
            env=self.env | env,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.heads.append(head)
        return head

    def run(self, *args: str, seconds: float = 300, **kwargs: Any) -> tuple[int, str]:
        """A head, to its end: exit code and output."""
        head = self.start(*args, **kwargs)
        output, _ = head.communicate(timeout=seconds)
        return head.returncode, output

    def small(self, how: str = "well", parts: int = 2, backend: str = "srun", retries: int = 0) -> list[str]:
        """Arguments of the small flow."""
        retry = ["--with", f"retry:times={retries},minutes_between_retries=0"] if retries else []
        options = ["--how", how, "--parts", str(parts), "--folder", str(self.folder)]
        return ["run", "--with", backend, *retry, *options]

    def call(self, *command: str) -> str:
        """Output of a command of SLURM."""
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=True, timeout=60).stdout

    def jobs(self, *states: str) -> list[str]:
        """Names of the jobs that began in this store's folder and are in one of the states."""
        lines = self.call("squeue", "--noheader", "--states=all", "--format=%T|%Z|%j").splitlines()
        rows = [line.split("|") for line in lines]
        return [name for state, folder, name in rows if state in states and folder == str(self.folder)]

    def lose_node(self, seen: Callable[[], Any]) -> None:
        """Take the node away until its loss is seen."""
        node = "nodename=" + self.call("sinfo", "--noheader", "--format=%n").split()[0]
        self.call("scontrol", "update", node, "state=down", "reason=taken away")
        until(seen)
        # SLURM refuses this where it has found the node again by itself
        subprocess.run(["scontrol", "update", node, "state=resume"], env=self.env, stderr=subprocess.DEVNULL)

    def end(self) -> None:
        """Kill heads that are still there; what they submitted follows them."""
        for head in self.heads:
            if head.poll() is None:
                os.killpg(head.pid, signal.SIGKILL)

    def started(self, part: int) -> list[list[str]]:
        """(task, attempt, job) of each start of a part."""
        file = self.folder / f"started-{part}"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def cluster_in(slurm: dict[str, str], folder: Path) -> Cluster:
    """A cluster whose flows have a store of their own in `folder`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW", "SLURM", "KDGAT", "WANDB"))}
    own = {
        "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'flows'}",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
        "KDGAT_WORK": str(folder / "work"),
        "OMP_NUM_THREADS": "1",
    }
    return Cluster(folder, environment | slurm | own)


@pytest.fixture
def cluster(slurm: dict[str, str], tmp_path: Path, limits: dict[str, Cluster]) -> Iterator[Cluster]:
    """A store of its own, and no head left running afterwards."""
    one = cluster_in(slurm, tmp_path)
    yield one
    one.end()


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One with a SLURM of its own, whose node may be taken away."""
    with one_node() as env:
        one = cluster_in(env, tmp_path)
        yield one
        one.end()


@pytest.fixture(scope="session")
def limits(slurm: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Cluster]]:
    """Two flows with a limit of one minute, which is SLURM's least: started before all tests, looked at by the last."""
    flows = {how: cluster_in(slurm, tmp_path_factory.mktemp(how)) for how in ("sleep", "slow-epochs")}
    flows["sleep"].start(*flows["sleep"].small("sleep", 1, "srun:time=1,signal=0"))
    flows["slow-epochs"].start(*flows["slow-epochs"].small("slow-epochs", 1, "srun:time=1,signal=20,resubmit=9"))
    yield flows
    for one in flows.values():
        one.end()
