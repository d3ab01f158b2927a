"""`python -m tests.mutation --cases 1000 --seed 0`: a release changed in many ways, three counts, and what nothing determines."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests import soak
from tests.mutation import counts


def main() -> int:
    """Try the cases, print the counts and note them for `make soak`; 1 if something is unseen that must be seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = counts.count(Path(folder), options.seed, options.cases)
    print(tally)
    soak.note(
        "mutation", "a release changed", options.cases, len(tally.problems), time.monotonic() - begin, soak.notes()
    )
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())
