"""A flow whose steps do next to nothing, or fail in the way `--how` tells them to."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from kdgat.paths import REPO
from kdgat.runtime import configure

configure()
sys.path.append(str(REPO / "flows"))

from metaflow import FlowSpec, Parameter, current, resources, step  # noqa: E402

from kdgat import provenance  # noqa: E402
from kdgat.training import interrupt  # noqa: E402
from support.code_package import travelling  # noqa: E402


@travelling
class SmallFlow(FlowSpec):
    """start → work (foreach) → check → join → end."""

    parts = Parameter("parts", default=2)
    how = Parameter(
        "how",
        default="well",
        help="well, fail-once, sleep (unless `go`, or `go-<part>`, is there), epochs, slow-epochs",
    )
    folder = Parameter("folder", default=".", help="where tasks leave marks")

    @step
    def start(self):
        self.numbers = list(range(self.parts))
        self.next(self.work, foreach="numbers")

    @resources(cpu=2, memory=700)
    @step
    def work(self):
        self.number = self.input
        self.job = os.environ.get("SLURM_JOB_ID", "none")
        self.trained = current.task_id
        self.code = [str(REPO), provenance.code_hash(), provenance.commit()]
        marks = Path(self.folder)
        with (marks / f"started-{self.number}").open("a") as file:
            file.write(f"{current.task_id} {current.retry_count} {self.job}\n")
        print(f"part {self.number}, {os.environ.get('FROM_THE_SITE', 'not set up')}", flush=True)
        print("evidence", json.dumps(provenance.slurm(), sort_keys=True), flush=True)
        if self.how == "fail-once" and current.retry_count == 0:
            raise ValueError("the first attempt fails")
        if self.how == "sleep" and not any((marks / name).exists() for name in ("go", f"go-{self.number}")):
            time.sleep(300)
        if self.how == "epochs":
            self.train(marks / f"epoch-{self.number}", 6, 0)
        if self.how == "slow-epochs":
            self.train(marks / f"epoch-{self.number}", 40, 2)
        self.next(self.check)

    def train(self, state, epochs, seconds):
        """So many epochs, each saved; asked to stop, it ends between two of them."""
        epoch = int(state.read_text()) if state.exists() else 0
        while epoch < epochs:
            time.sleep(seconds)
            epoch += 1
            state.write_text(str(epoch))
            if not seconds and epoch % 2 == 0:
                os.kill(os.getpid(), signal.SIGUSR1)  # as SLURM does some time before the limit
            if interrupt.asked() and epoch < epochs:
                interrupt.stop(f"part {self.number}")

    @step
    def check(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.jobs = [i.job for i in inputs]
        self.trained = [i.trained for i in inputs]
        self.code = [i.code for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        print("trained by tasks", *self.trained)


if __name__ == "__main__":
    SmallFlow()
