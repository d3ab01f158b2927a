"""Signatures of releases: `ssh-keygen -Y` over the manifest, whose hashes name every other file.

The project holds public keys at most: whoever signs keeps the private one. Signatures lie in `signatures/<release>.sig`
beside the folder of releases, the owners' public keys in `allowed_signers` there; a reader who has the keys from
elsewhere need not believe that file.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from analysis.releases.release import LOCAL, Release
from kdgat import atomic
from kdgat.errors import KdgatError

#: what the signature is for: a key that signed anything else has not signed a release
NAMESPACE = "kdgat-release"
#: a signature takes a few hundred bytes, with a certificate a few thousand
_LARGEST = 1 << 16


class SignatureError(KdgatError):
    """A release that cannot be signed, or keys that cannot be read."""


@dataclass(frozen=True)
class Signed:
    """What signatures say of a release: `note` in words, and what is wrong."""

    note: str
    problems: tuple[str, ...] = ()


def signature_file(release: Release) -> Path:
    """Return the path of a release's signature."""
    return release.path.parent.parent / "signatures" / f"{release.name}.sig"


def owners(root: Path) -> Path:
    """The owners' public keys, beside the folder `root` of releases."""
    return root.parent / "allowed_signers"


def _ssh_keygen(*args: str | Path, data: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["ssh-keygen", "-Y", *args], input=data, capture_output=True)
    except OSError:
        raise SignatureError("signatures need ssh-keygen, which is not installed (Debian: openssh-client)") from None


def sign(release: Release, key: Path) -> Path:
    """Sign a release with a private key, or with the agent's key that a public one names; return the signature's file.

    Raises:
        SignatureError: no key, one that cannot sign, or a local release, which is nobody's to vouch for.
    """
    if release.name.startswith(LOCAL):
        raise SignatureError(f"{release.name} is local: only a release that is published is signed")
    if not key.is_file():
        raise SignatureError(f"no key {key}")
    done = _ssh_keygen("sign", "-q", "-f", key, "-n", NAMESPACE, data=(release.path / "manifest.json").read_bytes())
    if done.returncode or not done.stdout:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        raise SignatureError(f"cannot sign {release.name} with {key}: {reason[:200]}")
    file = signature_file(release)
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(file, done.stdout)
    return file


def check(release: Release, signers: Path | None = None) -> Signed:
    """Say who signed a release.

    Args:
        release: whose own hashes hold.
        signers: public keys that are trusted, in the form of OpenSSH's `allowed_signers`; None: the owners', if there are
            any, so that taking a signature away is seen.
    """
    file, demand = signature_file(release), signers is not None
    trusted = signers or owners(release.path.parent)
    if demand and not trusted.is_file():
        raise SignatureError(f"no file of public keys {trusted}")
    if release.name.startswith(LOCAL):
        return Signed("local, so never signed")
    if not file.is_file():
        must = trusted.is_file()
        return Signed("not signed", (f"it is not signed, though {trusted} names who signs",) if must else ())
    if not trusted.is_file():
        return Signed("signed, but nobody's key is known: --signers FILE")
    data = file.read_bytes() if file.stat().st_size <= _LARGEST else b""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "signature"
        copy.write_bytes(data)
        principals = _ssh_keygen("find-principals", "-s", copy, "-f", trusted, data=b"")
        for who in principals.stdout.decode(errors="replace").splitlines():
            options = ("-f", trusted, "-I", who, "-n", NAMESPACE, "-s", copy)
            done = _ssh_keygen("verify", *options, data=(release.path / "manifest.json").read_bytes())
            if done.returncode == 0:
                return Signed(f"signed by {who}")
    return Signed("signed by nobody", (f"{file.name} is no signature of its manifest by a key of {trusted}",))
