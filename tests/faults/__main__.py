"""Kills commands with -9 at random moments, many times over: `python -m tests.faults --kills 200` (minutes)."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kdgat.provenance import code_hash
from tests import soak
from tests.faults import again, jobs
from tests.faults.freezing import Killer


def freezing(folder: Path, kills: int, seed: int) -> list[str]:
    """`analysis.freeze`."""
    from tests.analysis.fake_run import make

    return Killer(folder, *make(), seed=seed).run(kills)


def training(folder: Path, kills: int, seed: int) -> list[str]:
    """Training, on stores that are built first."""
    jobs.build(folder / "stores")
    return again.training(folder / "stores").run(folder / "runs", kills, seed)


#: name → what kills it, its share of the kills
WAYS: dict[str, tuple[Callable[[Path, int, int], list[str]], float]] = {
    "freeze": (freezing, 0.5),
    "graph build": (lambda folder, kills, seed: again.build().run(folder, kills, seed), 0.2),
    "training": (training, 0.2),
    "flow": (lambda folder, kills, seed: again.flow().run(folder, kills, seed), 0.05),
    "render": (lambda folder, kills, seed: again.rendering().run(folder, kills, seed), 0.05),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=soak.KILLS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=WAYS, help="one of them, with its share of the kills")
    args = parser.parse_args()
    faults, notes = [], soak.notes()
    print("| killed with -9 | kills | problems | seconds |\n| :-- | --: | --: | --: |")
    for name, (way, share) in WAYS.items():
        if args.only not in (None, name):
            continue
        begin, kills, code = time.monotonic(), round(args.kills * share), code_hash.__wrapped__()
        with tempfile.TemporaryDirectory() as folder:
            problems = way(Path(folder), kills, args.seed)
        if code_hash.__wrapped__() != code:  # by which stores are named
            print(f"{name}: the checkout changed meanwhile, so that nothing can be said")
            return 1
        seconds = time.monotonic() - begin
        soak.note("kills", name, kills, len(problems), seconds, notes)
        print(f"| {name} | {kills} | {len(problems)} | {seconds:.0f} |", flush=True)
        faults += problems
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
