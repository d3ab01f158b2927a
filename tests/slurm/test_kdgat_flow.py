"""The real flow on SLURM, its head killed in the middle of a training: minutes long."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from conftest import REPO, Cluster, until  # type: ignore[import-not-found]

pytestmark = pytest.mark.skipif(not os.environ.get("KDGAT_SOAK"), reason="minutes long: make soak")
EPOCH = re.compile(r"seed 0 ([\w-]+): epoch 1/1 ")


def test_after_a_killed_head_no_finished_training_runs_again(cluster: Cluster) -> None:
    flow = REPO / "flows" / "kdgat_flow.py"
    arguments = ["--datasets", "synthetic", "--seeds", "0", "--preset", "smoke", "--tracker", "none"]
    head = cluster.start("run", *arguments, "--with", "srun:memory=3000", flow=flow)
    assert head.stdout is not None
    log = ""
    for line in head.stdout:
        log += line
        if "gat-teacher: epoch 1/1" in line:  # the step goes on with the student
            break
    states = Path(cluster.env["KDGAT_WORK"]) / "training"
    until(lambda: list(states.rglob("*-gat-teacher-*")))  # saved a moment after it was told
    head.kill()
    head.communicate()
    until(lambda: not cluster.jobs("RUNNING", "PENDING", "COMPLETING"), 60)
    match = re.search(r"run-id (\d+)", log)
    assert match, log
    arguments = ["resume", "--origin-run-id", match[1], "--with", "srun:memory=3000"]
    code, output = cluster.run(*arguments, flow=flow, seconds=1500)
    assert code == 0, output
    before, after = EPOCH.findall(log), EPOCH.findall(output)
    assert before == ["vgae-teacher", "vgae-student", "gat-teacher"]
    assert after == ["gat-student"], "each training once, over both runs"
    assert "is complete" in output
