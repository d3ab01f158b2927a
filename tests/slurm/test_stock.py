"""`--with slurm`, the stock metaflow-slurm: by ssh to a login node, with an S3 store (moto's). Minutes long."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import HERE, REPO, Cluster  # type: ignore[import-not-found]

from kdgat import provenance

pytestmark = pytest.mark.skipif(not os.environ.get("KDGAT_SOAK"), reason="minutes long: make soak")


@pytest.fixture
def store() -> Iterator[str]:
    """Address of an S3 store with the bucket `lab`."""
    boto3, server = pytest.importorskip("boto3"), pytest.importorskip("moto.server")
    one = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    one.start()
    address = "http://{}:{}".format(*one.get_host_and_port())
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=address, **keys).create_bucket(Bucket="lab")
    yield address
    one.stop()


@pytest.fixture
def outside(own_cluster: Cluster, store: str) -> Iterator[Cluster]:
    """The cluster as it looks from outside: docs/slurm.md, step by step."""
    pytest.importorskip("asyncssh")
    cluster = own_cluster
    home, remote = cluster.folder / "home", cluster.folder / "remote"
    (home / ".ssh").mkdir(parents=True)
    for name in ("stdout", "stderr"):
        (remote / name).mkdir(parents=True)
    node = subprocess.Popen(
        [sys.executable, str(HERE / "login_node.py"), str(home)],
        env={k: v for k, v in cluster.env.items() if k != "PYTHONPATH"} | {"HOME": str(home)},
        cwd=home,
        text=True,
        stdout=subprocess.PIPE,
    )
    assert node.stdout is not None
    port = node.stdout.readline().strip()
    (home / ".ssh" / "config").write_text(f"Host login\n  Hostname 127.0.0.1\n  Port {port}\n")
    own = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
    on_node = own | {
        "METAFLOW_SKIP_INSTALL_DEPENDENCIES": "1",
        "KDGAT_WORK": str(remote / "work"),
        "PATH": f"{os.path.dirname(sys.executable)}:/usr/bin:/bin",
    }
    (home / "kdgat.env").write_text("".join(f"export {k}={v}\n" for k, v in on_node.items()))
    cluster.env |= own | {
        "HOME": str(home),
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": "s3://lab/metaflow",
        "METAFLOW_S3_ENDPOINT_URL": store,
        "METAFLOW_SLURM_ADDRESS": "login",
        "METAFLOW_SLURM_USERNAME": "lab",
        "METAFLOW_SLURM_SSH_KEY_FILE": str(home / "key"),
        "METAFLOW_SLURM_REMOTE_WORKDIR": str(remote),
        "METAFLOW_KUBERNETES_SANDBOX_INIT_SCRIPT": f". {home}/kdgat.env",
    }
    yield cluster
    node.terminate()
    node.wait(timeout=30)


def test_a_flow_runs_from_outside_with_the_code_that_lies_here(outside: Cluster) -> None:
    code, output = outside.run(*outside.small(backend="slurm"), seconds=1500)
    assert code == 0, output
    jobs = outside.call("squeue", "--noheader", "--states=all", "--format=%j %T").splitlines()
    mine = [line.split()[1] for line in jobs if "SmallFlow" in line]
    assert len(mine) >= 7 and set(mine) <= {"COMPLETED", "COMPLETING"}, jobs
    run = re.search(r"run-id (\d+)", output)
    assert run, output
    # the artifacts, read as analysis does
    script = (
        "import json; from metaflow import Run, namespace; namespace(None)\n"
        f"print(json.dumps(Run('SmallFlow/{run[1]}')['join'].task.data.code))"
    )
    read = subprocess.run(
        [sys.executable, "-c", script], env=outside.env | {"METAFLOW_USER": "lab"}, cwd=outside.folder,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for where, hashed, commit in json.loads(read.stdout):
        assert where.startswith(str(outside.folder / "remote")), "not this checkout"
        assert (hashed, commit) == (provenance.code_hash(), provenance.commit()), REPO


def test_a_task_that_fails_fails_the_run(outside: Cluster) -> None:
    code, output = outside.run(*outside.small("fail-once", 1, backend="slurm"), seconds=900)
    assert code == 1 and "the first attempt fails" in output, output
