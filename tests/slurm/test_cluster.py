"""`flows/cluster.py`: the head as a job of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HERE, REPO, Cluster, until  # type: ignore[import-not-found]

SMALL = str((HERE / "small_flow.py").relative_to(REPO))


def command(cluster: Cluster, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPO / "flows" / "cluster.py"), *args],
        env=cluster.env,
        cwd=cluster.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def submitted(cluster: Cluster, how: str, parts: int = 1) -> str:
    flow = ["run", "--how", how, "--parts", str(parts), "--folder", str(cluster.folder)]
    done = command(cluster, "submit", "--flow", SMALL, "--", *flow)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def status(cluster: Cluster) -> str:
    done = command(cluster, "status")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_head_is_submitted_killed_with_its_tasks_and_resumed(cluster: Cluster) -> None:
    head = submitted(cluster, "sleep")
    until(lambda: cluster.started(0), 90)
    output = status(cluster)
    assert re.search(rf"^{head} +RUNNING +run \d+ ", output) and re.search(r"\d+ +RUNNING +work/\d+\.0", output), output
    cluster.call("scancel", "--signal=KILL", "--full", head)  # as when its node is taken away
    until(lambda: "RUNNING" not in status(cluster), 60)
    until(lambda: not cluster.jobs("RUNNING", "COMPLETING"), 60)
    (cluster.folder / "go").touch()
    done = command(cluster, "resume")
    assert done.returncode == 0, done.stderr
    until(lambda: re.search(rf"^{done.stdout.strip()} +COMPLETED", status(cluster), re.MULTILINE), 120)
    log = command(cluster, "logs", "--follow").stdout
    assert "trained by tasks" in log and len(cluster.started(0)) == 2
    assert re.search(r"Cloning previously run task \d+/start/1", log), log


@pytest.mark.skipif(
    not os.environ.get("KDGAT_SOAK"), reason="SLURM waits two minutes before it starts again: make soak"
)
def test_a_head_whose_node_fails_starts_again_and_resumes_its_own_run(own_cluster: Cluster) -> None:
    cluster = own_cluster
    (cluster.folder / "go-0").touch()
    head = submitted(cluster, "sleep", 2)
    until(lambda: cluster.started(0) and cluster.started(1), 90)
    until(lambda: any("/check/" in name for name in cluster.jobs("COMPLETED")))
    (cluster.folder / "go").touch()
    cluster.lose_node(lambda: "PENDING" in status(cluster))
    until(lambda: re.search(rf"^{head} +COMPLETED", status(cluster), re.MULTILINE), 400)
    log = command(cluster, "logs").stdout
    assert "trained by tasks" in log and "Cloning previously run task" in log, log
    assert len(cluster.started(0)) == 1, "what had ended is not done twice"


def test_cancel_ends_head_and_tasks(cluster: Cluster) -> None:
    head = submitted(cluster, "sleep")
    until(lambda: cluster.started(0), 90)
    assert command(cluster, "cancel", head).returncode == 0
    until(lambda: not cluster.jobs("RUNNING", "PENDING", "COMPLETING"), 60)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["logs"], "error: no head was submitted from here; known: none"),
        (["submit", "--", "show"], "error: what the head is to do begins with `run`"),
        (["submit", "--flow", "flows/none.py", "--", "run"], "error: no flow flows/none.py"),
    ],
)
def test_mistakes_are_one_line(cluster: Cluster, arguments: list[str], line: str) -> None:
    done = command(cluster, *arguments)
    assert done.returncode == 2 and done.stderr.startswith(line) and done.stderr.count("\n") == 1, done.stderr


def test_without_a_cluster_it_says_so(cluster: Cluster, tmp_path: Path) -> None:
    cluster.env["PATH"] = str(tmp_path)
    done = command(cluster, "status")
    assert done.returncode == 2 and done.stderr.startswith("error: there is no squeue here"), done.stderr
