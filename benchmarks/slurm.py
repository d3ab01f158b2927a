"""What `--with srun` costs, on a SLURM of one node that is started for it: `python -m benchmarks.slurm`.

The tasks do nothing, so that all that is measured is Metaflow, SLURM and the launcher between them. The processors are
shared with whatever else runs: the load average stands beside the figures.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kdgat.errors import KdgatError, cli
from kdgat.paths import REPO

TESTS = REPO / "tests" / "slurm"


def flow(folder: Path, parts: int, workers: int, env: dict[str, str], *backend: str) -> float:
    """Seconds that the small flow takes.

    Raises:
        KdgatError: it failed.
    """
    store = Path(tempfile.mkdtemp(dir=folder))
    own = {"METAFLOW_DATASTORE_SYSROOT_LOCAL": str(store), "KDGAT_WORK": str(store), "PYTHONPATH": str(REPO)}
    options = ["--max-workers", str(workers), "--max-num-splits", "200", "--parts", str(parts), "--folder", str(store)]
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(TESTS / "small_flow.py"), "--no-pylint", "run", *backend, *options],
        env=env | own,
        cwd=store,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise KdgatError(f"the flow failed: {(done.stdout + done.stderr).strip().splitlines()[-1]}")
    return time.perf_counter() - begin


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slurm", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", type=int, default=6, help="tasks one after another, for the cost of one")
    parser.add_argument("--tasks", type=int, default=131, help="of the large flow; 0: without it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slurm-") as name:
        folder = Path(name)
        started = subprocess.run([str(TESTS / "start"), str(folder / "c")], capture_output=True, text=True)
        if started.returncode:
            raise KdgatError(started.stderr.strip())
        env = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW", "SLURM", "KDGAT"))}
        env |= {"SLURM_CONF": str(folder / "c" / "slurm.conf"), "OMP_NUM_THREADS": "1"}
        try:
            jobs = 2 * given.parts + 1  # work and check of each part, and join
            local = flow(folder, given.parts, 1, env)
            srun = flow(folder, given.parts, 1, env, "--with", "srun")
            print(f"one task after another: local {local / (jobs + 2):.2f} s a task")
            print(f"overhead of --with srun: {(srun - local) / jobs:.2f} s a task")
            if given.tasks:
                parts = (given.tasks - 3) // 2
                wide = flow(folder, parts, 8, env, "--with", "srun")
                print(f"flow of {2 * parts + 3} tasks, 8 at once: {wide:.0f} s")
            print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        finally:
            subprocess.run([str(TESTS / "start"), "--stop", str(folder / "c")])
            time.sleep(1)
    return 0


if __name__ == "__main__":
    cli(main)
