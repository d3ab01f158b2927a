"""`--with srun` on a real SLURM of one node: what works, what fails, what is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPO, Cluster, until  # type: ignore[import-not-found]

#: stands for Apptainer: notes its words, hides the code of the computer outside, and runs what the image is to run
PRETENDED = """#!/bin/bash
echo "$@" >> "${0%/*}/asked"
unset PYTHONPATH
while [[ $1 != *.sif ]]; do case $1 in --env=*) export "${1#--env=}";; esac; shift; done
shift
exec "$@"
"""


def run_id(output: str) -> str:
    match = re.search(r"run-id (\d+)", output)
    assert match, output
    return match[1]


def at_work(cluster: Cluster, parts: int = 2) -> None:
    """Wait until each part has begun its work in a job."""
    until(lambda: all(cluster.started(part) for part in range(parts)))


def test_each_heavy_task_is_a_job_and_the_light_ones_stay(cluster: Cluster) -> None:
    code, output = cluster.run(*cluster.small())
    assert code == 0, output
    jobs = [cluster.started(part)[0][2] for part in (0, 1)]
    assert len(set(jobs)) == 2 and all(job.isdigit() for job in jobs)
    assert "part 0" in output and "part 1" in output, "a task's lines are the head's"
    evidence = [json.loads(line) for line in re.findall(r"evidence (\{.*\})", output)]
    assert sorted(e["slurm_job"] for e in evidence) == sorted(jobs) and all(e["slurm_node"] for e in evidence)
    granted = [json.loads(e["slurm_allocation"]) for e in evidence]
    assert all(g["partition"] and g["nodes"] for g in granted), granted
    done = cluster.call("squeue", "--noheader", "--states=all", "--sort=i", "--format=%j %C %m %T").splitlines()
    mine = [line.split() for line in done if run_id(output) in line]
    assert sorted(line[0].split("/")[2] for line in mine) == ["check", "check", "join", "work", "work"]
    assert [line[1:3] for line in mine[:2]] == [["2", "700M"]] * 2, "@resources are the job's"
    assert all(line[3] == "COMPLETED" for line in mine)


def test_a_task_that_fails_once_is_retried_as_a_new_job(cluster: Cluster) -> None:
    code, output = cluster.run(*cluster.small("fail-once", 1, retries=1))
    assert code == 0, output
    first, second = cluster.started(0)
    assert first[:2] == [second[0], "0"] and second[1] == "1" and first[2] != second[2]
    assert "the first attempt fails" in output and f"SLURM job {first[2]}: FAILED; exit code 1" in output


def test_what_a_site_asks_for_reaches_slurm(cluster: Cluster, tmp_path: Path) -> None:
    site, image = tmp_path / "site.toml", tmp_path / "kdgat.sif"
    (tmp_path / "apptainer").write_text(PRETENDED)
    (tmp_path / "apptainer").chmod(0o755)
    site.write_text(
        '[srun]\npartition = "short"\naccount = "lab"\nlocal = ["start", "check", "end"]\n'
        '[srun.steps.work]\ngpus = "1"\nconstraint = "cpu"\ntime = "0:30:00"\n'
        f"[environment]\nimage = '{image}'\n"
        f"setup = ['export FROM_THE_SITE=\"well set up\"', 'export PATH={tmp_path}:{Path(sys.executable).parent}:$PATH']\n"
    )
    code, output = cluster.run(*cluster.small(parts=1), KDGAT_SITE=str(site))
    assert code == 0 and "part 0, well set up" in output, output
    job = cluster.call("scontrol", "show", "job", cluster.started(0)[0][2])
    for part in ("Partition=short", "Account=lab", "Features=cpu", "TimeLimit=00:30:00", "gres:gpu:1", "NumCPUs=2"):
        assert part in job, f"{part} not in {job}"
    inside = (tmp_path / "asked").read_text().splitlines()[0]
    assert inside.startswith("exec --nv --bind=") and f" --env=PYTHONPATH={REPO} {image} python " in inside, inside
    assert f"--bind={cluster.env['METAFLOW_DATASTORE_SYSROOT_LOCAL']} " in inside
    names = cluster.jobs("COMPLETED")
    assert any(f"{run_id(output)}/join" in n for n in names) and not any(f"{run_id(output)}/check" in n for n in names)


def test_scancel_from_outside_fails_the_task(cluster: Cluster) -> None:
    head = cluster.start(*cluster.small("sleep", 1, retries=1))
    for attempt in range(2):
        until(lambda n=attempt: len(cluster.started(0)) == n + 1)
        cluster.call("scancel", cluster.started(0)[attempt][2])
    output, _ = head.communicate(timeout=60)
    assert head.returncode == 1 and len(re.findall(r"SLURM job \d+: CANCELLED", output)) == 2, output


@pytest.mark.parametrize("number", ["TERM", "KILL", *(["INT", "HUP"] if os.environ.get("KDGAT_SOAK") else [])])
def test_killing_the_head_cancels_what_it_submitted(cluster: Cluster, number: str) -> None:
    head = cluster.start(*cluster.small("sleep"))
    at_work(cluster)
    head.send_signal(signal.Signals[f"SIG{number}"])
    head.communicate(timeout=60)
    until(lambda: not cluster.jobs("RUNNING", "PENDING", "COMPLETING"), 30)
    assert head.returncode != 0


def test_control_c_ends_head_and_jobs(cluster: Cluster) -> None:
    head = cluster.start(*cluster.small("sleep"))
    at_work(cluster)
    os.killpg(head.pid, signal.SIGINT)  # what a terminal does
    output, _ = head.communicate(timeout=60)
    until(lambda: not cluster.jobs("RUNNING", "PENDING", "COMPLETING"), 30)
    # whichever the head hears of first: its own signal, or its tasks' end by theirs
    assert head.returncode != 0 and ("Workflow interrupted" in output or "Workflow failed" in output), output


def test_a_job_that_still_waits_is_withdrawn(cluster: Cluster) -> None:
    blocker = subprocess.Popen(["srun", "--gres=gpu:2", "--quiet", "sleep", "300"], env=cluster.env, cwd=cluster.folder)
    until(lambda: cluster.jobs("RUNNING"))
    head = cluster.start(*cluster.small(parts=1, backend="srun:gpus=2"))
    until(lambda: cluster.jobs("PENDING"))
    head.kill()
    until(lambda: not cluster.jobs("PENDING"), 30)
    blocker.terminate()
    blocker.wait(timeout=30)


def test_resume_after_a_killed_head_trains_nothing_twice(cluster: Cluster) -> None:
    head = cluster.start(*cluster.small("sleep", retries=1))
    at_work(cluster)
    (cluster.folder / "go").touch()  # an attempt that begins from now on ends at once: part 1 is made to begin anew
    cluster.call("scancel", cluster.started(1)[0][2])
    assert head.stdout is not None
    log = ""
    for line in head.stdout:
        log += line
        if re.search(r"check/\d+ .*finished successfully", line):
            break
    head.kill()
    head.communicate()
    until(lambda: not cluster.jobs("RUNNING", "PENDING", "COMPLETING"), 30)
    before = [cluster.started(part) for part in (0, 1)]
    code, output = cluster.run("resume", "--origin-run-id", run_id(log), "--with", "srun")
    assert code == 0, output
    after = [cluster.started(part) for part in (0, 1)]
    assert after[1] == before[1], "the part that had finished was not run again"
    assert len(after[0]) == len(before[0]) + 1, "the one that was interrupted was, once"
    trained = re.search(r"trained by tasks (\d+) (\d+)", output)
    assert trained and trained.groups() == (after[0][-1][0], before[1][-1][0]), "artifacts are those tasks'"


def test_a_step_told_to_stop_saves_and_is_submitted_again(cluster: Cluster) -> None:
    """Six epochs in three jobs: none is lost, none is done twice, and for Metaflow it is one attempt."""
    code, output = cluster.run(*cluster.small("epochs", 1))
    assert code == 0, output
    assert (cluster.folder / "epoch-0").read_text() == "6"
    starts = cluster.started(0)
    assert [s[1] for s in starts] == ["0", "0", "0"] and len({s[2] for s in starts}) == 3
    assert output.count("saved before its time limit; submitted again") == 2, output


def test_a_task_whose_node_fails_is_submitted_again(own_cluster: Cluster) -> None:
    (own_cluster.folder / "go-0").touch()
    head = own_cluster.start(*own_cluster.small("sleep"))
    at_work(own_cluster)
    first = own_cluster.started(0)[0][0]
    until(lambda: any(f"work/{first}.0" in name for name in own_cluster.jobs("COMPLETED")))
    (own_cluster.folder / "go").touch()
    own_cluster.lose_node(lambda: own_cluster.jobs("NODE_FAIL"))
    output, _ = head.communicate(timeout=240)
    assert head.returncode == 0 and "NODE_FAIL; submitted again (1 of 3)" in output, output
    assert [start[1] for start in own_cluster.started(1)] == ["0", "0"], "for Metaflow it is one attempt"
    assert len(own_cluster.started(0)) == 1, "and what had ended before is not done twice"


@pytest.mark.skipif(not os.environ.get("KDGAT_SOAK"), reason="starts a SLURM of its own: make soak")
def test_a_task_that_gives_way_to_an_urgent_one_is_submitted_again(own_cluster: Cluster) -> None:
    head = own_cluster.start(*own_cluster.small("sleep", 1, "srun:gpus=2"))
    at_work(own_cluster, 1)
    (own_cluster.folder / "go").touch()
    own_cluster.call("srun", "--quiet", "--partition=urgent", "--gres=gpu:2", "true")
    output, _ = head.communicate(timeout=240)
    assert head.returncode == 0 and "PREEMPTED; submitted again (1 of 3)" in output, output
    assert [start[1] for start in own_cluster.started(0)] == ["0", "0"], "for Metaflow it is one attempt"


def test_two_flows_at_once(cluster: Cluster) -> None:
    heads = [cluster.start(*cluster.small()) for _ in range(2)]
    outputs = [head.communicate(timeout=120)[0] for head in heads]
    assert [head.returncode for head in heads] == [0, 0], outputs
    assert len({run_id(output) for output in outputs}) == 2


def test_a_second_backend_is_refused(cluster: Cluster) -> None:
    code, output = cluster.run("run", "--with", "srun", "--with", "slurm")
    assert code != 0 and "cannot be stacked on @slurm" in output, output


def test_a_value_that_slurm_would_not_understand_is_refused_before_anything_runs(cluster: Cluster) -> None:
    code, output = cluster.run("run", "--with", "srun:time=soon")
    assert code != 0 and "time: String should match pattern" in output and "Workflow starting" not in output


def test_a_task_over_its_time_is_ended_and_says_why(limits: dict[str, Cluster]) -> None:
    output, _ = limits["sleep"].heads[0].communicate(timeout=240)
    assert limits["sleep"].heads[0].returncode == 1
    assert re.search(r"SLURM job \d+: TIMEOUT; exit code \d+", output), output


def test_before_its_time_limit_a_step_saves_and_goes_on_in_another_job(limits: dict[str, Cluster]) -> None:
    """80 s of epochs under a limit of one minute: SLURM's own signal, and no epoch done twice or left out."""
    cluster = limits["slow-epochs"]
    output, _ = cluster.heads[0].communicate(timeout=300)
    assert cluster.heads[0].returncode == 0, output
    assert (cluster.folder / "epoch-0").read_text() == "40"
    assert len(cluster.started(0)) == 1 + output.count("saved before its time limit; submitted again") >= 2
    assert "TIMEOUT" not in output
