"""What a whole flow costs, from its start to its last step: one seed of the preset `smoke` on the synthetic bus, no tracker."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from kdgat import provenance
from kdgat.paths import REPO

COMMAND = ("run", "--datasets", "synthetic", "--preset", "smoke", "--seeds", "0", "--tracker", "none")


def rows() -> Iterator[dict[str, Any]]:
    """Rows of the table `benchmarks`, of one run with stores and records of its own."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"METAFLOW_DATASTORE_SYSROOT_LOCAL": folder, "KDGAT_WORK": folder}
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, str(REPO / "flows" / "kdgat_flow.py"), *COMMAND],
            cwd=folder, env=os.environ | own, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    for name, value, unit in (("flow, smoke, one seed", wall, "s"), ("flow, smoke, one seed, CPU", used, "CPU s")):
        yield {"name": name, "value": value, "unit": unit, "n": 1, "machine": provenance.machine()}
