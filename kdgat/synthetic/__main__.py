"""`python -m kdgat.synthetic write|fidelity|coverage`: captures of the synthetic bus as files, and how real they are."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from kdgat import atomic, catalog
from kdgat.errors import KdgatError, cli
from kdgat.synthetic import write as writing
from kdgat.synthetic.attacks import ATTACKS, UNLABELLED, inject
from kdgat.synthetic.bus import BUS_RANGES
from kdgat.synthetic.frames import Frames
from kdgat.synthetic.vehicle import Vehicle
from kdgat.synthetic.virtual import RANGES


def _write(args: argparse.Namespace) -> None:
    rng = np.random.default_rng(args.seed)
    frames = Vehicle.draw(BUS_RANGES, rng).drive(args.seconds, rng)
    third = args.seconds / 3
    intervals = [] if args.attack == "benign" else [(third, 2 * third)]
    frames = inject(frames, args.attack, intervals, args.gap_ms * 1e-3, rng)
    writing.write(frames, args.path, args.format)
    print(f"{args.path}: {len(frames)} frames, {int(frames.label.sum())} injected (synthetic)")
    if intervals and (args.attack in UNLABELLED or not writing.FORMATS[args.format][1]):
        # what the frames cannot say stands beside them
        side = args.path.with_name(args.path.name + ".intervals.json")
        atomic.write_text(side, json.dumps({"attack": args.attack, "intervals_s": intervals}) + "\n")
        print(f"{side}: when the attack ran")


def _fidelity(args: argparse.Namespace) -> None:
    from kdgat.synthetic.fidelity import ASPECTS, report

    real = [
        Frames.from_table(c.frames())
        for c in catalog.captures(args.dataset, args.data)
        if c.attack == "benign" and not c.duplicate_of
    ]
    if not real:
        raise KdgatError(f"dataset {args.dataset} has no attack-free captures to compare with")
    rng = np.random.default_rng(args.seed)
    drives = [Vehicle.draw(BUS_RANGES, rng).drive(40.0, rng) for _ in range(args.vehicles)]
    print(f"{len(real)} attack-free captures of {args.dataset} against {args.vehicles} synthetic vehicles of 40 s")
    print(f"{'':24} {'KS':>6} {'real':>10} {'synthetic':>10}   (medians)")
    for name, distance, a, b in report(real, drives):
        print(f"{name:24} {distance:6.2f} {a:10.3g} {b:10.3g}   {ASPECTS[name]}")


def _coverage(args: argparse.Namespace) -> None:
    from kdgat.synthetic.fidelity import uncovered, window_statistics

    rngs = [np.random.default_rng([args.seed, n]) for n in range(args.vehicles)]
    vehicles = [window_statistics(Vehicle.draw(RANGES[args.ranges], rng).drive(3.0, rng)) for rng in rngs]
    for c in catalog.captures(args.dataset, args.data):
        if c.split != "train" or c.attack != "benign" or c.duplicate_of:
            continue
        rows = uncovered(window_statistics(Frames.from_table(c.frames())), vehicles)
        print(
            f"{c.name}: {len(rows)} statistics of its windows are reached by none of {args.vehicles} virtual vehicles"
        )
        for name, value, low, high in rows:
            print(f"  {name:28} {value:7.3f}   vehicles {low:7.3f} to {high:7.3f}")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="python -m kdgat.synthetic", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("write", help="one capture, attacked in its middle third")
    one.add_argument("path", type=Path)
    one.add_argument("--format", default="labelled-csv", choices=list(writing.FORMATS))
    one.add_argument("--attack", default="benign", choices=["benign", *ATTACKS])
    one.add_argument("--gap-ms", type=float, default=1.0, help="mean time between injected frames")
    one.add_argument("--seconds", type=float, default=30.0)
    one.add_argument("--seed", type=int, default=0)
    two = commands.add_parser("fidelity", help="distances to a dataset's attack-free captures")
    three = commands.add_parser("coverage", help="where a dataset's training cars lie outside the virtual vehicles")
    three.add_argument("--ranges", default="lifelike", choices=list(RANGES))
    for command, vehicles in ((two, 20), (three, 60)):
        command.add_argument("--dataset", default="hcrl-sa")
        command.add_argument("--data", type=Path, default=None)
        command.add_argument("--vehicles", type=int, default=vehicles)
        command.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    {"write": _write, "fidelity": _fidelity, "coverage": _coverage}[args.command](args)


if __name__ == "__main__":
    cli(main)
