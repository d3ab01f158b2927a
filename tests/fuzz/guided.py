"""Damaged inputs guided by coverage: `python -m tests.fuzz.guided captures --runs 100000` (extra `fuzz`: atheris).

Mutates raw bytes of the corpus; stops at the first find, which libFuzzer writes into `tests/fuzz/corpus/found`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import atheris

#: packages whose branches guide; numba compiles the others and knows no counters
INSTRUMENTED = ["kdgat", "analysis", "can"]
COMPILED = ["kdgat.captures.parsers._kernels", "kdgat.captures.parsers._bytes", "kdgat.graphs.kernels"]

with atheris.instrument_imports(include=INSTRUMENTED, exclude=COMPILED):
    import can.io.blf  # noqa: F401

    from tests.fuzz.targets import CORPUS, targets


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target")
    parser.add_argument("--runs", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        target = targets(Path(folder) / "borders")[args.target]
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(target.seeds):
            (corpus / str(number)).write_bytes(seed)
            with atheris.instrument_imports(include=INSTRUMENTED, exclude=COMPILED):  # what is imported late
                target.run(seed, Path(folder))
        prefix = CORPUS / "found" / f"{target.name.replace(' ', '_')}--"
        prefix.parent.mkdir(exist_ok=True)

        def case(data: bytes) -> None:
            begin = time.process_time()
            target.run(data, Path(folder))
            assert time.process_time() - begin < 1, "longer than a second of the processor"

        # a seed over the length is cut, and a cut table or JSON is refused at once: nothing behind that would be tried
        length = 2 * max(map(len, target.seeds))
        # libFuzzer's own limit is the clock's, which runs on while a busy machine lets the process wait
        options = [f"-runs={args.runs}", f"-max_len={length}", "-timeout=600", f"-artifact_prefix={prefix}"]
        atheris.Setup([sys.argv[0], *options, str(corpus)], case)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
