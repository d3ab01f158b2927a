"""A release against git's history: what hashes that lie beside the rows cannot say of themselves.

Whoever changes a release can write its hashes anew, but not the commit that added it, nor the code that its runs name.
Only the repository of the project is asked, never one that a release brings along.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from analysis.releases.release import LOCAL, Release
from kdgat.catalog.datasets import entries
from kdgat.paths import REPO
from kdgat.provenance import sha256

#: what the hash of the code is taken over, see `kdgat.provenance.code_hash`
_PACKAGES = ("kdgat", "flows")
_LOCK = "requirements.lock"


@dataclass(frozen=True)
class Anchor:
    """What git says of a release.

    Attributes:
        commit: that added it, empty where it is not anchored.
        reason: why it is not anchored.
        problems: where it contradicts the history.
    """

    commit: str = ""
    reason: str = ""
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"anchored in git at {self.commit[:12]}" if self.commit else f"not anchored: {self.reason}"


class History:
    """The history of a repository, read without what could show other objects than those that are named."""

    def __init__(self, repo: Path = REPO) -> None:
        self.repo = repo
        #: whether git refuses the checkout, which is another user's
        self.foreign = False

    def git(self, *args: str, data: bytes | None = None) -> bytes | None:
        """Return what git prints; None where it fails or is not there."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        command = ["git", "--no-replace-objects", "-c", "log.showSignature=false", *args]
        try:
            done = subprocess.run(command, cwd=self.repo, env=environment, input=data, capture_output=True)
        except OSError:
            return None
        self.foreign = self.foreign or b"dubious ownership" in done.stderr
        return done.stdout if done.returncode == 0 else None

    @cached_property
    def missing(self) -> str:
        """Say why there is no whole history here; empty where there is one."""
        top = self.git("rev-parse", "--show-toplevel")
        if top is None or Path(os.fsdecode(top[:-1])).resolve() != self.repo.resolve():
            if self.foreign:
                return f"git refuses a checkout of another user (git config --global --add safe.directory {self.repo})"
            return "no git history here"
        if self.git("rev-parse", "--is-shallow-repository") != b"false\n":
            return "the history is cut off (git fetch --unshallow)"
        return ""

    def commits(self, kinds: str, folder: str) -> list[str]:
        """Commits up to HEAD, also merges, that added (A), changed (M), deleted (D) or retyped (T) files below `folder`.

        A merge adds what none of its parents has: what it brings from one of them was added there.
        """
        options = ("log", "-m", "--no-renames", f"--diff-filter={kinds}", "--format=%H %P")
        log = self.git(*options, "HEAD", "--", f":(top,literal){folder}") or b""
        lines = [line for line in log.decode().splitlines() if line]  # of a merge one per parent that differs
        return [
            line.split()[0]
            for line in dict.fromkeys(lines)
            if kinds != "A" or lines.count(line) >= len(line.split()) - 1
        ]

    def blobs(self, commit: str, *folders: str) -> dict[str, str]:
        """Path → id of the files of a commit below `folders`."""
        listing = self.git("ls-tree", "-r", "-z", "--full-tree", commit, "--", *folders) or b""
        entries = (entry.split("\t", 1) for entry in os.fsdecode(listing).split("\0") if entry)
        return {path: about.split()[2] for about, path in entries}

    def contents(self, ids: list[str]) -> Iterator[bytes]:
        """Content of each blob."""
        out = self.git("cat-file", "--batch", data="".join(f"{i}\n" for i in ids).encode()) or b""
        at = 0
        for _ in ids:
            end = out.index(b"\n", at) + 1
            size = int(out[at:end].split()[2])
            yield out[end : end + size]
            at = end + size + 1

    def code_hash(self, commit: str) -> str:
        """`kdgat.provenance.code_hash` of a commit."""
        digest = hashlib.sha256()
        for package in _PACKAGES:
            blobs = {PurePosixPath(p): i for p, i in self.blobs(commit, package).items() if p.endswith(".py")}
            paths = sorted(blobs)
            for path, data in zip(paths, self.contents([blobs[p] for p in paths]), strict=True):
                digest.update(path.as_posix().encode() + b"\0" + data + b"\0")
        return digest.hexdigest()

    def lock_hash(self, commit: str) -> str:
        """sha256 of a commit's dependency lock; of nothing where it has none."""
        return sha256(b"".join(self.contents(list(self.blobs(commit, _LOCK).values()))))

    def trees(self, commit: str) -> dict[str, str]:
        """Ids of the trees of the code, as a manifest records them."""
        trees = ((p, self.git("rev-parse", "--verify", "--quiet", f"{commit}:{p}")) for p in _PACKAGES)
        return {package: (tree or b"").decode().strip() for package, tree in trees}


def anchor(release: Release, history: History) -> Anchor:
    """Say where a release whose own hashes hold is anchored, and what of it contradicts the history."""
    folder = os.path.relpath(release.path.resolve(), history.repo.resolve())
    if reason := history.missing:
        return Anchor(reason=reason)
    if folder.startswith(os.pardir):
        return Anchor(reason="it lies outside the repository")
    adding = history.commits("A", f"{folder}/manifest.json")
    if not adding:
        kind = "a local release, which is never committed" if release.name.startswith(LOCAL) else "not committed yet"
        return Anchor(reason=kind)
    changing = history.commits("MDT", folder)
    problems = [f"commit {c[:12]} changed it, though releases never change" for c in changing]
    if len(adding) > 1:
        problems.append(f"{len(adding)} commits added it: {', '.join(c[:12] for c in adding)}")
    commit = adding[-1]
    problems += _files(release, history, commit, folder)
    if not problems:  # else what it says of its runs is somebody else's word
        problems += _code(release, history, commit)
    if release.manifest["code"]["dirty"]:
        return Anchor(reason="its runs used code that was in no commit", problems=tuple(problems))
    return Anchor(commit, problems=tuple(problems))


def _files(release: Release, history: History, commit: str, folder: str) -> list[str]:
    """Files are those of the commit: the manifest, byte by byte, and through its hashes the others."""
    blobs = {path.removeprefix(f"{folder}/"): blob for path, blob in history.blobs(commit, folder).items()}
    problems = []
    if next(iter(history.contents([blobs["manifest.json"]]))) != (release.path / "manifest.json").read_bytes():
        problems.append(f"manifest.json is not that of commit {commit[:12]}, which added it")
    elif odd := sorted(blobs.keys() ^ {*release.files(), "manifest.json"}):
        problems.append(f"{odd[0]} is not in both the manifest and commit {commit[:12]}, which added it")
    return problems


def _code(release: Release, history: History, adding: str) -> list[str]:
    """Runs name commits that came before the release, and the code and lock of these."""
    problems = []
    for commit in release.manifest["code"]["commits"]:
        if history.git("merge-base", "--is-ancestor", f"{commit}^{{commit}}", adding) is None:
            problems.append(f"its runs name commit {commit[:12]}, which is not in the history of commit {adding[:12]}")
            continue
        trees = release.manifest["code"]["trees"].get(commit)
        if trees != history.trees(commit):
            problems.append(f"the manifest's trees of commit {commit[:12]} are not those of git")
        runs = [r for r in release.table("runs").to_pylist() if r["commit"] == commit and not r["dirty"]]
        for field, want in (("code_hash", history.code_hash(commit)), ("lock_hash", history.lock_hash(commit))):
            if odd := [r["run"] for r in runs if r[field] != want]:
                problems.append(f"{len(odd)} runs have another {field} than commit {commit[:12]}, first {odd[0]}")
    return problems


def captures(release: Release) -> list[str]:
    """Captures that the catalog knows by hash are the catalog's, and all are there: no scenario was left out."""
    problems = []
    for dataset, entry in sorted(release.manifest["datasets"].items()):
        digests = set(entry["captures"].values())
        expected = entries().get(dataset, {}).get("expected", {})
        by_capture = {capture: facts["sha256"] for capture, facts in expected.items() if "sha256" in facts}
        if digests & set(by_capture.values()):
            lacking = (capture for capture, digest in by_capture.items() if digest not in digests)
            problems += [f"datasets lacks {dataset}/{capture}, which the catalog lists" for capture in lacking]
    for row in release.table("datasets").to_pylist():
        expected = entries().get(row["dataset"], {}).get("expected", {}).get(row["capture"], {})
        for fact, want in expected.items():
            if fact in row and row[fact] != want:
                who = f"{row['dataset']}/{row['capture']}"
                problems.append(f"datasets says {fact} of {who} is {row[fact]}, the catalog says {want}")
    return problems
