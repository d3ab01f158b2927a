"""`python -m benchmarks` (`make bench`): measured speeds, printed and kept for the next release.

`analysis.freeze --benchmarks FILE` puts what is kept into the release's table `benchmarks`.
"""

from __future__ import annotations

import argparse

from kdgat.errors import cli


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few repetitions: to see that it works")
    quick = parser.parse_args().quick

    from benchmarks import detect, flow, latency, traffic, training
    from kdgat import atomic, records
    from kdgat.runtime import work_folder

    few = 2 if quick else 5
    rows = [*traffic.rows(few), *(training.rows(1, ["gat-student"], 512) if quick else training.rows())]
    rows += latency.rows(100 if quick else latency.REPETITIONS)
    rows += detect.rows([20_000] if quick else detect.FRAMES)
    rows += [] if quick else flow.rows()
    for row in rows:
        print(f"{row['name']:32} {row['value']:14,.3f} {row['unit']:9} {row['n']} repetitions")
    table = records.table("benchmarks", rows)
    target = work_folder() / "benchmarks.arrow"
    atomic.write_bytes(target, records.dump({"benchmarks": table})["benchmarks"])
    print(f"kept: {target}")


if __name__ == "__main__":
    cli(main)
