"""Train, freeze, render, and compare with a committed release of the same preset and data.

$KDGAT_DATA or data/raw holds the captures; without any the synthetic bus is used and every page says so. $PRESET (demo) and
$SEEDS (0,1) choose what is run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from kdgat.errors import KdgatError, cli
from kdgat.store import REPO
from tools.render import render


def _run(*command: str) -> None:
    if subprocess.run([sys.executable, *command], cwd=REPO).returncode:
        raise KdgatError(f"`{' '.join(command)}` failed, see above")


def reproduce() -> None:
    """The whole line, from captures to paper."""
    begin = time.monotonic()
    preset, seeds = os.environ.get("PRESET", "demo"), os.environ.get("SEEDS", "0,1")
    id_file = REPO / ".kdgat" / "reproduce-run-id"
    id_file.parent.mkdir(exist_ok=True)
    _run("flows/kdgat_flow.py", "run", "--preset", preset, "--seeds", seeds, "--run-id-file", str(id_file))
    release = f"local-{id_file.read_text().strip()}"
    # a local release is never published: it may come from a work tree in progress and from synthetic data, and says so
    _run(
        "-m",
        "analysis.freeze",
        "--run",
        id_file.read_text().strip(),
        "--release",
        release,
        "--allow-dirty",
        "--allow-synthetic",
    )
    os.environ["KDGAT_RELEASE"] = release
    render()
    _run("-m", "analysis.verify", release)
    # tells what was reproduced within its interval; results that differ are a finding, not a failure of the command
    subprocess.run([sys.executable, "-m", "analysis.compare", release], cwd=REPO)
    print(f"\nrun, frozen as data/frozen/{release}, rendered: {(time.monotonic() - begin) / 60:.1f} minutes in all")


if __name__ == "__main__":
    cli(reproduce)
