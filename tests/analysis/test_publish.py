"""Publish: a crate that is whole, the same each time, and made of verified releases only."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess

import pytest

from analysis import publish
from analysis.releases.release import Release
from kdgat import records
from kdgat.errors import KdgatError
from tests.analysis.test_verify import changed, refit

#: what a crate may point at without holding it: specifications and a term of schema.org
OUTSIDE = ("https://w3id.org", "http://schema.org/CompletedActionStatus")


@pytest.fixture(scope="module")
def crate(shared_release, tmp_path_factory):
    return publish.publish(shared_release, tmp_path_factory.mktemp("out") / "crate")


def test_every_file_is_described_with_its_size_and_hash(crate):
    about = json.loads((crate / "ro-crate-metadata.json").read_text())
    entities = {e["@id"]: e for e in about["@graph"]}
    assert entities["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    on_disk = {p.relative_to(crate).as_posix() for p in crate.rglob("*") if p.is_file()} - {"ro-crate-metadata.json"}
    assert {p["@id"] for p in entities["./"]["hasPart"]} == on_disk
    for name in on_disk:
        data = (crate / name).read_bytes()
        assert entities[name]["sha256"] == hashlib.sha256(data).hexdigest()
        assert entities[name]["contentSize"] == str(len(data))
    # whatever is pointed at is in the crate
    for entity in entities.values():
        for value in entity.values():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict) and "@id" in item and not item["@id"].startswith(OUTSIDE):
                    assert item["@id"] in entities
    assert {"CITATION.cff", "LICENSE", "manifest.json", "schema.json"} <= on_disk


def test_checksums_are_in_the_form_of_the_usual_tool(crate):
    done = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=crate, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_model_card_states_data_results_and_limits(crate):
    card = (crate / "weights" / "hcrl-sa" / "README.md").read_text()
    for part in (
        "GAT student, trained on hcrl-sa",
        "1,000 parameters",
        "Results on real captures",
        "soul",
        "## Not for",
    ):
        assert part in card
    assert card.count("| known car, ") + card.count("| new car, ") == 8


def test_the_same_release_gives_the_same_crate(crate, shared_release, tmp_path):
    again = publish.publish(shared_release, tmp_path / "crate")
    assert publish.pack(again).read_bytes() == publish.pack(crate).read_bytes()


def test_a_zip_is_whole_or_absent(crate, tmp_path, monkeypatch):
    """What stops the packing, a full disk or Control-C, leaves the earlier archive as it was and nothing beside it."""
    folder = shutil.copytree(crate, tmp_path / "crate")
    (tmp_path / "crate.zip").write_bytes(b"earlier")

    def stopped(*args):
        raise KeyboardInterrupt

    for module, name in ((publish.zipfile.ZipFile, "writestr"), (publish.atomic.os, "replace")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(module, name, stopped)
            publish.pack(folder)
        assert (tmp_path / "crate.zip").read_bytes() == b"earlier"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["crate", "crate.zip"]


def test_a_release_that_does_not_verify_is_not_published(shared_release, tmp_path):
    folder = tmp_path / "shared"
    shutil.copytree(shared_release.path, folder)
    refit(folder, "metrics", changed(folder, "metrics", lambda r: {"value": 0.5}, lambda r: r["metric"] == "roc_auc"))
    with pytest.raises(KdgatError, match="is not published: "):
        publish.publish(publish.Release(folder), tmp_path / "crate")
    assert not (tmp_path / "crate").exists()
    with pytest.raises(KdgatError, match="exists"):
        publish.publish(shared_release, tmp_path)


def test_the_schemas_are_published_for_readers_without_this_code(crate):
    schemas = json.loads((crate / "schema.json").read_text())
    assert schemas.keys() == records.TABLES.keys()
    assert schemas["runs"]["columns"]["seconds"]["unit"] == "s"


def test_the_crate_holds_the_workflow_that_its_runs_name(crate, repo):
    """A made-up run names no commit of this repository; a real one gets the source of its own."""
    entities = {e["@id"]: e for e in json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]}
    workflow = entities[entities["./"]["mainEntity"]["@id"]]
    assert workflow["@type"] == ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
    assert (crate / workflow["@id"]).read_bytes() == (repo / "flows" / "kdgat_flow.py").read_bytes()
    assert "does not hold the commit" in workflow["description"]
    (action,) = [e for e in entities.values() if e["@type"] == "CreateAction"]
    assert action["@id"] == "#KDGATFlow/1" and action["instrument"] == {"@id": workflow["@id"]}
    assert {"metrics.parquet", "weights/hcrl-sa/gat-student-s0.safetensors"} <= {r["@id"] for r in action["result"]}


def test_the_workflow_of_a_release_is_that_of_its_commit(repo):
    release = Release(repo / "data" / "frozen" / "paper-4")
    source, which = publish.workflow(release)
    commit = which.removeprefix("as in commit ")
    if "checkout" in which:
        pytest.skip("the history is cut off")
    assert commit in release.manifest["code"]["commits"] and b"class KDGATFlow" in source


@pytest.mark.parametrize(
    ("profile", "skipped"),
    # what checks the profile of runs is built on RO-Crate 1.1 and asks for its name
    [("ro-crate-1.2", []), ("workflow-run-crate-0.5", ["--skip-checks", "ro-crate-1.1_5.3"])],
)
def test_the_validator_accepts_the_crate(crate, profile, skipped):
    """roc-validator has dependencies that conflict with the linter's, so it runs where it is installed apart."""
    if shutil.which("rocrate-validator") is None:
        pytest.skip("rocrate-validator is not installed (pipx install roc-validator)")
    command = [
        "rocrate-validator",
        "-y",
        "validate",
        "--no-paging",
        "-p",
        profile,
        "-l",
        "required",
        *skipped,
        str(crate),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if "urlopen error" in done.stdout + done.stderr:
        pytest.skip("the validator cannot reach the JSON-LD context")
    assert done.returncode == 0, done.stdout
