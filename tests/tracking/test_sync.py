"""Offline runs against a stand-in for the service that drops connections and refuses requests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import stand_in  # type: ignore[import-not-found]

from kdgat.errors import KdgatError
from kdgat.tracking.wandb_log import framed, read, records

ROWS = 20
TRAINING = (
    f"ROWS = {ROWS}"
    + """
from kdgat.tracking import trackers
for model in ("gat-teacher", "gat-student"):
    t = trackers.start(
        "wandb", name=f"{model}-x-s0", group="Flow/1", stage="gat",
        config={"run": f"Flow/1/gat/1/{model}", "dataset": "hcrl-sa", "seed": 0},
        parents=[f"{p}-x-s0" for p in trackers.learned_from(model)],
    )
    for epoch in range(ROWS):
        t.logger.log_metrics({"train_loss": 1 / (epoch + 3), "epoch": epoch}, step=epoch)
    t.finish({"validation_loss": 0.25, "parameters": 7}, model.encode())
"""
)


@pytest.fixture
def service() -> Iterator[stand_in.Service]:
    backend = stand_in.Service()
    server = stand_in.serve(backend)
    yield backend
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def trained(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with two offline runs."""
    folder = tmp_path_factory.mktemp("trained")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "KDGAT"))}
    environment |= {"PYTHONPATH": str(repo), "KDGAT_WORK": str(folder)}
    subprocess.run([sys.executable, "-c", TRAINING], env=environment, check=True, capture_output=True)
    return folder


@pytest.fixture
def env(service: stand_in.Service, repo: Path, tmp_path: Path, trained: Path) -> dict[str, str]:
    """Environment in which the service is the stand-in, and the work folder a copy of the trained one."""
    shutil.copytree(trained, tmp_path / "work")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "KDGAT"))}
    folders = {f"WANDB_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "CACHE")}
    for folder in folders.values():
        Path(folder).mkdir()
    return environment | folders | {
        "PYTHONPATH": str(repo),
        "KDGAT_WORK": str(tmp_path / "work"),
        "WANDB_BASE_URL": service.url,
        "WANDB_ERROR_REPORTING": "false",
    }  # fmt: skip


def logs(env: dict[str, str]) -> list[Path]:
    """The `.wandb` files, oldest first; their names tell seconds, and two runs may begin in one."""
    files = Path(env["KDGAT_WORK"]).glob("wandb-runs/wandb/offline-run-*/run-*.wandb")
    return sorted(files, key=lambda file: file.stat().st_mtime_ns)


def sync(env: dict[str, str], *args: str, key: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kdgat.tracking", "sync", *args]
    environment = env | ({"WANDB_API_KEY": stand_in.key()} if key else {})
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


def test_what_arrives_is_what_lies_here_and_repeating_sends_nothing(
    env: dict[str, str], service: stand_in.Service
) -> None:
    done = sync(env)
    assert done.returncode == 0 and done.stdout.count(f"{ROWS} rows sent and read back") == 2, done.stdout + done.stderr
    runs = {r.about["displayName"]: r for r in service.runs.values()}
    assert set(runs) == {"gat-teacher-x-s0", "gat-student-x-s0"}
    for run in runs.values():
        rows = [json.loads(line) for line in run.history]
        assert [r["train_loss"] for r in rows] == [1 / (e + 3) for e in range(ROWS)]
        assert run.summary["validation_loss"] == 0.25 and run.about["groupName"] == "Flow/1"
        assert run.about["jobType"] == "gat" and run.state == "finished"
    requests = len(service.seen)
    again = sync(env)
    assert again.returncode == 0 and "0 to push" in again.stdout and len(service.seen) == requests


EVALUATION = """
from kdgat.tracking import trackers
trackers.publish(
    "wandb", name="evaluation-x-s0", group="Flow/1", config={"seed": 0}, parents=["gat-student-x-s0"], lineage="Flow/1",
    tables={"embeddings": b"where windows lie", "attention": b"what edges weigh"},
)
"""


def test_models_and_tables_are_artifacts_whose_inputs_the_service_knows(
    env: dict[str, str], service: stand_in.Service
) -> None:
    subprocess.run([sys.executable, "-c", EVALUATION], env=env, check=True, capture_output=True)
    done = sync(env)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = {r.about["displayName"]: r for r in service.runs.values()}
    student, evaluation = runs["gat-student-x-s0"], runs["evaluation-x-s0"]
    (model,) = student.artifacts
    assert model["artifactTypeName"] == "model" and sorted(model["files"]) == ["lineage.json", "model.safetensors"]
    assert {a["alias"] for a in model["aliases"]} == {"latest", "Flow-1"}
    parents = ["gat-teacher-x-s0", "vgae-student-x-s0"]
    assert json.loads(model["metadata"]) == {"lineage": "Flow-1", "parents": parents}
    assert student.used == ["gat-teacher-x-s0"], "the other parent was not mirrored"
    kinds = {a["artifactTypeName"]: a["files"] for a in evaluation.artifacts}
    assert kinds == {"attention": ["attention.parquet"], "embeddings": ["embeddings.parquet"]}
    assert evaluation.used == ["gat-student-x-s0"] and evaluation.about["jobType"] == "evaluate"
    assert service.uploads["model.safetensors"] == {b"gat-teacher", b"gat-student"}


def test_both_are_sources_of_the_explorer_with_the_same_curves(env: dict[str, str], service: stand_in.Service) -> None:
    assert sync(env).returncode == 0
    script = """
from analysis.views import mirror
print(mirror.offline_groups(), mirror.online_groups())
for tables in (mirror.offline_tables("Flow/1"), mirror.online_tables("lab/kd-gat/Flow/1")):
    print(tables["runs"][["run", "dataset", "seed", "model", "stage", "flow_run"]].sort_values("run").to_dict("records"))
    rows = tables["curves"].sort_values(["model", "metric", "epoch"])
    print(rows[["model", "metric", "epoch", "value"]].to_dict("records"))
"""
    environment = env | {"WANDB_API_KEY": stand_in.key(), "WANDB_SILENT": "true"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    groups, *rows = done.stdout.splitlines()
    assert groups == "['Flow/1'] ['lab/kd-gat/Flow/1']" and rows[:2] == rows[2:], done.stdout
    first = "{'run': 'Flow/1/gat/1/gat-student', 'dataset': 'hcrl-sa', 'seed': 0, 'model': 'gat-student', 'stage': 'gat', 'flow_run': 'Flow/1'}"
    assert first in rows[0] and rows[1].count("train_loss") == 2 * ROWS


def test_no_row_is_lost_when_connections_are_dropped_and_requests_refused(
    env: dict[str, str], service: stand_in.Service
) -> None:
    service.dropped, service.refused = 0.05, 0.05
    done = sync(env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert service.faults > 0
    assert [len(r.history) for r in service.runs.values()] == [ROWS, ROWS]


def test_what_the_service_lost_is_sent_again_without_doubling(env: dict[str, str], service: stand_in.Service) -> None:
    assert sync(env).returncode == 0
    for run in service.runs.values():
        del run.history[11:]
    for log in logs(env):
        (log.parent / "pushed.json").unlink()
    assert sync(env).returncode == 0
    assert [len(r.history) for r in service.runs.values()] == [20, 20]
    assert all(r.summary["validation_loss"] == 0.25 for r in service.runs.values())


def test_what_the_service_has_otherwise_is_told(env: dict[str, str], service: stand_in.Service) -> None:
    assert sync(env).returncode == 0
    run = next(iter(service.runs.values()))
    run.history[2] = json.dumps(json.loads(run.history[2]) | {"train_loss": 9})
    for log in logs(env):
        (log.parent / "pushed.json").unlink()
    done = sync(env)
    assert done.returncode == 2 and done.stdout.count("rows sent and read back") == 1
    assert "step 2: train_loss is 9 there and 0.2 here" in done.stderr, done.stderr


def test_a_killed_training_is_read_to_its_cut_and_sent_when_given_up(
    env: dict[str, str], service: stand_in.Service
) -> None:
    whole, killed = logs(env)
    killed.write_bytes(killed.read_bytes()[: killed.stat().st_size // 2])
    assert read(whole).finished and not read(killed).finished
    assert 0 < len(read(killed).history) < 20
    done = sync(env)
    assert "gat-student-x-s0: still being written" in done.stdout and len(service.runs) == 1
    os.utime(killed, (1, 1))
    assert sync(env).returncode == 0
    assert sorted(len(r.history) for r in service.runs.values()) == sorted([len(read(killed).history), 20])


def test_a_torn_log_ends_at_its_last_whole_record_and_another_file_is_refused(
    env: dict[str, str], tmp_path: Path
) -> None:
    log = logs(env)[0]
    torn = tmp_path / "torn.wandb"
    data = log.read_bytes()
    lengths = []
    for cut in range(7, len(data), 97):
        torn.write_bytes(data[:cut])
        lengths.append(len(read(torn).history))
    assert lengths == sorted(lengths) and lengths[0] == 0 and lengths[-1] == len(read(log).history) == 20
    assert framed(records(data)) == data, "and what is read can be written again"
    torn.write_bytes(b"something else")
    with pytest.raises(KdgatError, match="not a log of W&B"):
        read(torn)


def test_nothing_is_sent_without_a_key_or_where_the_site_forbids_it(
    env: dict[str, str], service: stand_in.Service, tmp_path: Path
) -> None:
    assert sync(env, key=False).stderr == "error: WANDB_API_KEY is not set: nothing can be sent\n"
    site = tmp_path / "site.toml"
    site.write_text('[tracking]\nallowed = ["none"]\n')
    forbidden = sync(env | {"KDGAT_SITE": str(site)})
    assert forbidden.returncode == 2 and forbidden.stderr.startswith("error: this site does not allow wandb")
    assert not service.seen
