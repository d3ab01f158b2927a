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
    parser.add_argument(
        "--against", metavar="COMMIT", help="measure this commit too, in a checkout of its own, and print ratios"
    )
    options = parser.parse_args()
    quick: bool = options.quick

    from benchmarks import against, attributions, detect, flow, latency, traffic, training
    from benchmarks.row import keep

    before = against.values(options.against, ["--quick"] if quick else []) if options.against else {}
    few = 2 if quick else 5
    rows = [
        *traffic.rows(few, [1_000] if quick else traffic.GRAPHS),
        *(training.rows(1, ["gat-student"], 512) if quick else training.rows()),
    ]
    rows += latency.rows(100 if quick else latency.REPETITIONS)
    rows += attributions.rows(8 if quick else 64)
    rows += detect.rows([20_000] if quick else detect.FRAMES)
    rows += [] if quick else flow.rows()
    for row in rows:
        ratio = f"  {row['value'] / before[row['name']]:.2f} of {options.against}" if row["name"] in before else ""
        print(f"{row['name']:56} {row['value']:14,.3f} {row['unit']:12} {row['n']} repetitions{ratio}")
    print(f"kept: {keep(rows, 'benchmarks.arrow')}")


if __name__ == "__main__":
    cli(main)
