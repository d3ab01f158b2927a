"""What whole flows cost, from their start to their last step: seeds of the preset `smoke` on the synthetic bus, no tracker."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.row import row
from kdgat.paths import REPO

COMMAND = ("run", "--datasets", "synthetic", "--preset", "smoke", "--tracker", "none")
#: numbers of seeds
SEEDS = (1, 2, 4)


def rows(seeds: Sequence[int] = SEEDS) -> Iterator[dict[str, Any]]:
    """Rows of the table `benchmarks`: a run each, with stores and records of its own."""
    for n in seeds:
        wall, used = _run(",".join(map(str, range(n))))
        if n == 1:
            yield row("flow, smoke, one seed", [wall], "s")
        yield row(f"run {n} seeds", [used], "CPU s")


def _run(seeds: str) -> tuple[float, float]:
    """Wall and processor seconds of a flow."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"METAFLOW_DATASTORE_SYSROOT_LOCAL": folder, "KDGAT_WORK": folder}
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, str(REPO / "flows" / "kdgat_flow.py"), *COMMAND, "--seeds", seeds],
            cwd=folder, env=os.environ | own, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
