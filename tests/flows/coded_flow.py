"""A flow of the project's kind that fails on demand: `--fail` names a file that holds the name of the step that fails.

`wait in <step>` lets a step wait instead, which prints its process id.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from kdgat.runtime import configure

configure()

from metaflow import FlowSpec, Parameter, step  # noqa: E402

from support.steps import main, plain  # noqa: E402


class CodedFlow(FlowSpec):
    """start → one (foreach) → two → join → end."""

    fail = Parameter("fail", default="")

    @step
    @plain
    def start(self):
        self.parts = [0, 1]
        self.next(self.one, foreach="parts")

    @step
    @plain
    def one(self):
        self.next(self.two)

    @step
    @plain
    def two(self):
        if self.input == 1:
            self.stumble("two")
        print("two is worked on")
        self.next(self.join)

    @step
    @plain
    def join(self, inputs):
        self.stumble("join")
        self.next(self.end)

    @step
    @plain
    def end(self):
        print("all of", *self.code.values())

    def stumble(self, step):
        told = Path(self.fail).read_text() if Path(self.fail).is_file() else ""
        if told == f"wait in {step}":
            print(f"waiting as {os.getpid()}", flush=True)
            time.sleep(600)
        if told == step:
            raise ValueError("told to")


if __name__ == "__main__":
    main(CodedFlow)
