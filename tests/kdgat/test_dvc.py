"""Captures and large releases in a remote of one's own: added, pushed, lost, pulled (DVC; a folder or S3 as the remote)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.checks.verification import verify_index
from analysis.freeze import freeze
from kdgat.catalog import datasets, listing
from tests.analysis.fake_run import make

pytest.importorskip("dvc")
OWN = (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "data/raw/.gitignore")


@pytest.fixture
def project(repo: Path, tmp_path: Path) -> Path:
    """A checkout that holds only what decides what git and DVC keep."""
    folder = tmp_path / "checkout"
    for name in OWN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repo / name, folder / name)
    run(folder, "git", "init", "--quiet")
    return folder


def run(folder: Path, *command: str) -> str:
    environment = os.environ | {"DVC_SITE_CACHE_DIR": str(folder.parent / "site"), "DVC_NO_ANALYTICS": "true"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(folder: Path, *arguments: str) -> str:
    return run(folder, sys.executable, "-m", "dvc", *arguments)


@pytest.fixture(params=["folder", "s3"])
def remote(request: pytest.FixtureRequest, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Say where the store is, as docs/data.md does; the S3 is moto's, on loopback, with an endpoint as R2 has one."""
    if request.param == "folder":
        dvc(project, "remote", "add", "--local", "--default", "lab", str(project.parent / "remote"))
        yield "folder"
        return
    boto3, server = pytest.importorskip("boto3"), pytest.importorskip("moto.server")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "for-moto")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    service = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    service.start()
    endpoint = "http://{}:{}".format(*service.get_host_and_port())
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="kdgat")
    dvc(project, "remote", "add", "--local", "--default", "lab", "s3://kdgat/store")
    dvc(project, "remote", "modify", "--local", "lab", "endpointurl", endpoint)
    yield "s3"
    service.stop()


def listed(raw: Path, capsys: pytest.CaptureFixture) -> str:
    """What `kdgat catalog` says of the folder."""
    assert listing.listing(raw) == 0
    return capsys.readouterr().out


def test_captures_and_a_release_come_back_as_they_were(
    project: Path, remote: str, capsys: pytest.CaptureFixture
) -> None:
    raw, frozen = project / "data" / "raw", project / "data" / "frozen"
    for number, name in enumerate(("train_01_attack_free/attack-free-1.csv", "test_01_known/DoS-1.csv")):
        (raw / "set_02" / name).parent.mkdir(parents=True)
        (raw / "set_02" / name).write_text(f"timestamp,arbitration_id,data_field,attack\n{number}.0,12A,00FF,0\n")
    (raw / "set_02" / "train_01_attack_free" / "attack-free-1.csv.quarantine.csv").write_text("line\n")
    release = freeze("large", *make(), root=frozen)
    before = listed(raw, capsys)
    dvc(project, "add", "data/raw/set_02", "data/frozen/large")
    new = run(project, "git", "status", "--short", "--untracked-files=all").split()[1::2]
    kept_by_git = {"data/raw/set_02.dvc", "data/frozen/large.dvc", "data/frozen/.gitignore", "data/frozen/index.json"}
    assert set(new) == {*OWN, *kept_by_git}, "git keeps hashes, no capture and no table"
    assert "nfiles: 2" in (raw / "set_02.dvc").read_text(), "what a reader set aside is no capture"

    dvc(project, "push")
    assert (project.parent / "remote").exists() == (remote == "folder")
    for lost in (raw / "set_02", frozen / "large", project / ".dvc" / "cache"):
        shutil.rmtree(lost)
    assert "set_02" in listed(raw, capsys) and verify_index(frozen) != []
    dvc(project, "pull")
    assert listed(raw, capsys) == before
    assert verify_index(frozen) == []
    release.check_hashes()

    (raw / "set_02" / "test_01_known" / "DoS-1.csv").write_text("changed")
    assert "modified" in dvc(project, "status", "data/raw/set_02.dvc")


def test_the_committed_hashes_are_those_of_the_real_captures(repo: Path, project: Path, captures_root: Path) -> None:
    for committed in sorted((repo / "data" / "raw").glob("*.dvc")):
        folder = captures_root / committed.stem
        shutil.copytree(folder, project / "data" / "raw" / committed.stem)
        dvc(project, "add", f"data/raw/{committed.stem}")
        assert (project / "data" / "raw" / committed.name).read_text() == committed.read_text()


def test_each_dvc_file_is_a_catalog_entry_and_no_remote_is_committed(repo: Path) -> None:
    folders = {entry["folder"] for entry in datasets.entries().values()}
    files = {p.stem for p in (repo / "data" / "raw").glob("*.dvc")}
    assert "hcrl-sa" in files <= folders
    assert "remote" not in (repo / ".dvc" / "config").read_text(), (
        "remotes and their keys belong into .dvc/config.local"
    )
