"""Which code, dependencies and machine a run came from."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from kdgat.paths import REPO

#: beside code that was sent without its repository: what git said of it
NOTE = "commit.json"
#: what a job was granted: name here → SLURM's variable
ALLOCATION = {
    "cluster": "SLURM_CLUSTER_NAME",
    "partition": "SLURM_JOB_PARTITION",
    "account": "SLURM_JOB_ACCOUNT",
    "qos": "SLURM_JOB_QOS",
    "nodes": "SLURM_JOB_NODELIST",
    "cpus_on_node": "SLURM_CPUS_ON_NODE",
    "memory_per_node_mb": "SLURM_MEM_PER_NODE",
    "gpus": "SLURM_JOB_GPUS",
    "start_time": "SLURM_JOB_START_TIME",
    "end_time": "SLURM_JOB_END_TIME",
}


def _git(*args: str) -> str | None:
    try:
        done = subprocess.run(["git", *args], cwd=REPO, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@cache
def _note() -> dict[str, Any] | None:
    file = REPO / NOTE
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


@cache
def commit() -> str:
    """Commit of the checkout, or of the one that this code was sent from; `unknown` without either."""
    note = _note()
    return str(note["commit"]) if note else _git("rev-parse", "HEAD") or "unknown"


@cache
def dirty() -> bool:
    """Whether tracked sources differ from the commit, or are unknown.

    Results (`data/frozen`) do not count: freezing a release must not make the next run's code look changed.
    """
    if note := _note():
        return bool(note["dirty"])
    status = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!data/frozen")
    return status is None or status != ""


def slurm() -> dict[str, str | None]:
    """Columns of `runs` that name the SLURM job of this process, its node and what it was granted; null outside a job."""
    job = os.environ.get("SLURM_JOB_ID")
    granted = {field: os.environ[name] for field, name in ALLOCATION.items() if os.environ.get(name)}
    return {
        "slurm_job": job,
        "slurm_node": os.environ.get("SLURMD_NODENAME") if job else None,
        "slurm_allocation": json.dumps(granted, sort_keys=True) if job else None,
    }


@cache
def code_hash() -> str:
    """sha256 over the Python sources of kdgat/ and flows/ as they lie on disk."""
    digest = hashlib.sha256()
    for package in ("kdgat", "flows"):
        for path in sorted((REPO / package).rglob("*.py")):
            digest.update(path.relative_to(REPO).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def sha256(data: bytes) -> str:
    """Hexadecimal sha256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes; of nothing if there is no such file."""
    return hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()


def lock_hash() -> str:
    """sha256 of the dependency lock."""
    return file_hash(REPO / "requirements.lock")


@cache
def machine() -> str:
    """One line: processor, cores, system, Python and torch versions."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "none"
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{model}, {os.cpu_count()} cores, {system}, Python {platform.python_version()}, torch {torch}"
