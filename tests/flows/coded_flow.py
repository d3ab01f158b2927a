"""A flow of the project's kind whose join fails once: `--fail` names a file, and it fails while that is there."""

from __future__ import annotations

import os

from kdgat.store import configure

configure()

from metaflow import FlowSpec, Parameter, step  # noqa: E402

from plain_errors import main, plain  # noqa: E402


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
        if self.input == 1 and os.path.exists(self.fail):
            raise ValueError("told to")
        self.next(self.join)

    @step
    @plain
    def join(self, inputs):
        self.next(self.end)

    @step
    @plain
    def end(self):
        print("all of", *self.code.values())


if __name__ == "__main__":
    main(CodedFlow)
