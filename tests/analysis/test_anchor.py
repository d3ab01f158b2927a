"""Releases in a git history and under signatures: what a forger changes who writes every hash anew."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

from analysis import prerender
from analysis.checks import anchor, signature
from analysis.checks.verification import STANDING, standing, trusted, verify_sources
from analysis.numbers import Numbers
from analysis.releases.release import LOCAL, Release, names
from kdgat.errors import KdgatError
from kdgat.paths import REPO
from tests.mutation import mutations
from tests.mutation.project import commit, git, make_key, repository, trust


@pytest.fixture(scope="module")
def history_template(tmp_path_factory):
    return repository(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(history_template, tmp_path):
    return Path(shutil.copytree(history_template, tmp_path / "project"))


def verdict(project: Path) -> anchor.Anchor:
    return anchor.anchor(Release(project / "data/frozen/shared"), anchor.History(project))


def test_a_release_is_anchored_where_it_was_added(project):
    assert verdict(project) == anchor.Anchor(git(project, "rev-parse", "HEAD"))


def test_a_branch_from_before_the_release_may_be_merged(project):
    added = git(project, "rev-parse", "HEAD")
    git(project, "checkout", "-q", "--orphan", "older")
    git(project, "rm", "-rq", "--cached", "data/frozen")
    shutil.move(project / "data/frozen", project.parent / "frozen")
    (project / "note").write_text("x")
    commit(project)
    shutil.rmtree(project / "data/frozen", ignore_errors=True)
    git(project, "checkout", "-q", "-f", "main")
    git(project, "merge", "-q", "--no-ff", "--allow-unrelated-histories", "-X", "ours", "-m", "merged", "older")
    assert len(git(project, "log", "-m", "--diff-filter=A", "--format=%H", "--", "data/frozen/shared").split()) > 1
    assert verdict(project) == anchor.Anchor(added)


def test_releases_of_this_repository_never_changed():
    history = anchor.History()
    if history.missing:
        pytest.skip(history.missing)
    folder = ":(glob)data/frozen/*/**"
    log = ("log", "-m", "--no-renames", "--format=%H", "HEAD", "--", folder)
    assert not history.git(*log[:3], "--diff-filter=MDT", *log[3:])
    for name in (name for name in names(REPO / "data/frozen") if not name.startswith(LOCAL)):
        anchored = anchor.anchor(Release(REPO / "data/frozen" / name), history)
        assert not anchored.problems and (anchored.commit or anchored.reason == "not committed yet"), str(anchored)


def drop_last_score(folder: Path) -> None:
    mutations.change_manifest(folder, lambda m: m["machines"].append("a machine"))


def forged_history(project: Path) -> None:
    drop_last_score(project / "data/frozen/shared")
    commit(project)


def removed_and_added(project: Path) -> None:
    shutil.move(project / "data/frozen/shared", project / "kept")
    commit(project)
    shutil.move(project / "kept", project / "data/frozen/shared")
    commit(project)


def evil_merge(project: Path) -> None:
    git(project, "checkout", "-qb", "side")
    (project / "note").write_text("x")
    commit(project)
    git(project, "checkout", "-q", "main")
    (project / "other").write_text("x")
    commit(project)
    git(project, "merge", "-q", "--no-commit", "--no-ff", "side")
    forged_history(project)


def other_code(project: Path) -> None:
    """A release whose runs name a commit that has other sources."""
    folder = project / "data/frozen/shared"
    runs = Release(folder).table("runs")
    at = runs.column_names.index("code_hash")
    mutations.refit(folder, "runs", runs.set_column(at, runs.schema.field(at), pa.array(["c" * 64] * runs.num_rows)))
    mutations.change_manifest(folder, lambda m: m["code"].update(code_hashes=["c" * 64]))
    git(project, "add", "--all")
    git(project, "-c", "user.name=t", "commit", "-q", "--amend", "--no-edit")


def replaced(project: Path) -> None:
    """`git replace` shows the forged commit in place of the one that added the release."""
    real = git(project, "rev-parse", "HEAD")
    drop_last_score(project / "data/frozen/shared")
    git(project, "add", "--all")
    git(project, "commit", "-q", "--amend", "--no-edit")
    forged = git(project, "rev-parse", "HEAD")
    git(project, "reset", "-q", "--soft", real)
    git(project, "replace", real, forged)


ATTACKS = {
    "changed on disk": (lambda p: drop_last_score(p / "data/frozen/shared"), "manifest.json is not that of commit"),
    "changed by a later commit": (forged_history, "changed it, though releases never change"),
    "removed and added again": (removed_and_added, "changed it, though releases never change"),
    "changed by a merge": (evil_merge, "changed it, though releases never change"),
    "runs of other code": (other_code, "have another code_hash than commit"),
    "shown by git replace": (replaced, "manifest.json is not that of commit"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_forged_release_contradicts_the_history(project, attack):
    change, sentence = ATTACKS[attack]
    change(project)
    assert sentence in " ".join(verdict(project).problems)


def test_what_was_committed_beside_the_manifest_is_seen(project):
    (project / "data/frozen/shared/more.txt").write_text("x")
    git(project, "add", "--all")
    git(project, "commit", "-q", "--amend", "--no-edit")
    assert "more.txt is not in both the manifest and commit" in verdict(project).problems[0]


def test_a_commit_of_nowhere_is_seen(project):
    folder = project / "data/frozen/shared"
    runs = Release(folder).table("runs")
    at = runs.column_names.index("commit")
    mutations.refit(folder, "runs", runs.set_column(at, runs.schema.field(at), pa.array(["b" * 40] * runs.num_rows)))
    mutations.change_manifest(folder, lambda m: m["code"].update(commits=["b" * 40], trees={"b" * 40: {}}))
    git(project, "add", "--all")
    git(project, "commit", "-q", "--amend", "--no-edit")
    assert "name commit bbbbbbbbbbbb, which is not in the history" in verdict(project).problems[0]


def test_without_history_it_is_said_and_fails_only_where_asked(project, tmp_path):
    git(tmp_path, "clone", "-q", "--depth", "1", project.as_uri(), "shallow")
    shallow = anchor.History(tmp_path / "shallow")
    release = Release(tmp_path / "shallow/data/frozen/shared")
    note, problems = trusted(release, history=shallow)
    assert note.startswith("not anchored: the history is cut off") and problems == []
    assert "not anchored" in trusted(release, history=shallow, must=True)[1][0]
    shutil.rmtree(tmp_path / "shallow/.git")
    assert trusted(release, history=anchor.History(tmp_path / "shallow"))[0].startswith("not anchored: no git history")


# ---- signatures --------------------------------------------------------------------------------------------------------


@pytest.fixture
def key(tmp_path):
    if not shutil.which("ssh-keygen"):
        pytest.skip("no ssh-keygen")
    return make_key(tmp_path / "key")


def test_a_signature_is_known_and_bound_to_the_manifest(project, key, tmp_path):
    release = Release(project / "data/frozen/shared")
    assert signature.check(release) == signature.Signed("not signed")
    file = signature.sign(release, key)
    assert signature.check(release).note == "signed, but nobody's key is known: --signers FILE"
    signers = trust(key, tmp_path / "signers")
    assert signature.check(release, signers) == signature.Signed("signed by owner@example.org")
    # anybody else's key, another release, another purpose, no signature at all
    other = trust(make_key(tmp_path / "other"), tmp_path / "others")
    assert signature.check(release, other).problems
    drop_last_score(release.path)
    assert signature.check(Release(release.path), signers).problems
    done = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", "file"],
        input=(release.path / "manifest.json").read_bytes(), capture_output=True, check=True,
    )  # fmt: skip
    file.write_bytes(done.stdout)
    assert signature.check(release, signers).problems
    file.write_bytes(b"-----BEGIN SSH SIGNATURE-----\n")
    assert signature.check(release, signers).problems


def test_a_signature_that_was_taken_away_is_seen_once_owners_sign(project, key):
    release = Release(project / "data/frozen/shared")
    trust(key, signature.owners(release.path.parent))
    assert "it is not signed, though" in signature.check(release).problems[0]
    signature.sign(release, key)
    assert signature.check(release) == signature.Signed("signed by owner@example.org")


def test_what_cannot_sign_is_one_line(project, tmp_path):
    release = Release(project / "data/frozen/shared")
    with pytest.raises(signature.SignatureError, match="no key"):
        signature.sign(release, tmp_path / "none")
    (tmp_path / "text").write_text("no key\n")
    (tmp_path / "text").chmod(0o600)
    with pytest.raises(signature.SignatureError, match="cannot sign shared"):
        signature.sign(release, tmp_path / "text")
    with pytest.raises(signature.SignatureError, match="no file of public keys"):
        signature.check(release, tmp_path / "none")


def test_a_checkout_of_another_user_is_told_with_gits_remedy(project):
    if os.getuid():
        pytest.skip("only root can give files away")
    os.chown(project, 12345, 12345)
    os.chown(project / ".git", 12345, 12345)
    assert "safe.directory" in anchor.History(project).missing


def test_a_checkout_has_the_same_bytes_whatever_git_is_set_to(project, tmp_path):
    shutil.copy(REPO / ".gitattributes", project)
    commit(project)
    git(tmp_path, "-c", "core.autocrlf=true", "clone", "-q", project.as_uri(), "clone")
    for file in ("kdgat/b/a.py", "data/frozen/shared/manifest.json"):
        assert (tmp_path / "clone" / file).read_bytes() == (project / file).read_bytes()


def test_a_foreign_release_is_verified_before_it_is_rendered(project, shared_release, tmp_path, monkeypatch):
    """One that git holds is rendered as it is; any other one must verify, whoever named it."""
    committed, history = Release(project / "data/frozen/shared"), anchor.History(project)
    monkeypatch.setattr(prerender, "verify_release", lambda path: pytest.fail("git vouches for it"))
    prerender.check(committed, history)
    drop_last_score(committed.path)
    with pytest.raises(KdgatError, match=r"shared is not rendered: manifest\.json is not that of commit"):
        prerender.check(Release(committed.path), history)
    monkeypatch.undo()
    monkeypatch.setenv("KDGAT_FROZEN", str(tmp_path / "foreign"))
    monkeypatch.setenv("KDGAT_RELEASE", "shared")
    folder = Path(shutil.copytree(shared_release.path, tmp_path / "foreign" / "shared"))
    prerender.check(Release(folder), history)
    drop_last_score(folder)
    before = sorted(REPO.glob("_variables.yml"))
    with pytest.raises(KdgatError, match="shared is not rendered: shared: manifest: 'machines'"):
        prerender.main()
    assert sorted(REPO.glob("_variables.yml")) == before
    monkeypatch.setenv(prerender.UNVERIFIED, Release(folder).manifest_sha256)
    prerender.check(Release(folder), history)
    (folder / "summary.parquet").write_bytes(b"PAR1")
    with pytest.raises(KdgatError, match="was changed after the freeze"):
        prerender.check(Release(folder), history)


def test_pages_can_say_what_stands_behind_the_release(project, key, tmp_path):
    release, history = Release(project / "data/frozen/shared"), anchor.History(project)
    place = f"anchored in git at {git(project, 'rev-parse', 'HEAD')[:12]}"
    assert standing(release, history) == f"{place}, not signed"
    trust(key, signature.owners(release.path.parent))
    signature.sign(release, key)
    assert standing(release, history) == f"{place}, signed by owner@example.org"
    assert standing(release, anchor.History(tmp_path)) == "not anchored in git, signed by owner@example.org"
    local = Path(shutil.copytree(release.path, tmp_path / "frozen" / f"{LOCAL}1"))
    mutations.change_manifest(local, lambda m: m.update(name=local.name))
    assert standing(Release(local), history) == "local: neither in git nor signed"
    # a page writes it as a variable, which is no number of the release; nothing of it is markup
    (tmp_path / "index.qmd").write_text(f"{{{{< var {STANDING} >}}}}\n")
    variables = prerender.variables(Numbers(release), [(STANDING, tmp_path / "index.qmd", 1)], tmp_path)
    assert variables == {"release": {"standing": "not anchored in git, signed by owner\\@example.org"}}
    assert not [problem for problem in verify_sources(tmp_path, release) if STANDING in problem]


def test_no_private_key_is_committed():
    matches = anchor.History().git("grep", "-lE", "BEGIN (OPENSSH |RSA |EC |DSA )?PRIVATE KE[Y]", "HEAD", "--")
    assert not matches
