"""Damaged inputs without end: `python -m tests.fuzz --cases 1000000` (by coverage: `tests.fuzz.guided`).

What is found is kept in `tests/fuzz/corpus/found`, where the suite tries it again for ever.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests import soak
from tests.fuzz.targets import CORPUS, Target, mutate, targets

#: cases of these cost far more than of the others
SLOW = {"queries": 0.01, "student description": 0.02, "student tensors": 0.02, "manifest": 0.05, "catalog listing": 0.2}


def keep(target: Target, data: bytes, why: str) -> None:
    """Put a find into the corpus."""
    file = CORPUS / "found" / f"{target.name.replace(' ', '_')}--{hashlib.sha256(data).hexdigest()[:12]}"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)
    print(f"found: {file.name}: {why}", flush=True)


def loop(target: Target, cases: int, seed: int, folder: Path) -> tuple[int, int, float]:
    """Random programs; returns accepted inputs, finds and the longest case in processor seconds."""
    chance = random.Random(f"{seed} {target.name}")
    for whole in target.seeds:
        target.run(whole, folder)
    accepted = failures = 0
    longest = 0.0
    for _ in range(cases):
        data = mutate(target.seeds, chance.randbytes(1 + 4 * chance.choice((1, 1, 2, 3, 5, 8))))
        begin = time.process_time()
        try:
            accepted += target.run(data, folder)
        except Exception as error:  # everything that is no KdgatError is what is looked for
            failures += 1
            keep(target, data, repr(error)[:200])
        seconds = time.process_time() - begin
        longest = max(longest, seconds)
        if seconds > 1:
            failures += 1
            keep(target, data, f"{seconds:.1f} s")
    return accepted, failures, longest


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=soak.CASES)
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other cases: a million in pieces")
    args = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    all_targets = targets(Path(folder.name))
    weight = {name: SLOW.get(name, 1.0) * (3 if name == "captures" else 1) for name in all_targets}
    failed, notes = 0, soak.notes()
    print("| border | cases | accepted | finds | longest (CPU s) | seconds |\n| :-- | --: | --: | --: | --: | --: |")
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  (libraries tell what they skip)
    for name, target in all_targets.items():
        cases, begin = round(args.cases * weight[name] / sum(weight.values())), time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            accepted, failures, longest = loop(target, cases, args.seed, Path(folder))
        failed += failures
        seconds = time.monotonic() - begin
        soak.note("fuzz", name, cases, failures, seconds, notes)
        print(f"| {name} | {cases} | {accepted} | {failures} | {longest:.2f} | {seconds:.0f} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
