"""What `kdgat detect` costs against the length of a capture: `python -m benchmarks.detect --frames 100000,1000000`.

Processor seconds and memory of the process, with one student of the current release, on a drive of the synthetic bus that
is repeated until the log is long enough. The slope between the shortest and the longest leaves its start out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.row import row
from kdgat.errors import cli
from kdgat.paths import REPO

FRAMES = (100_000, 1_000_000, 10_000_000, 50_000_000)


def log(path: Path, frames: int) -> None:
    """Write so many frames as `candump -L` would."""
    from dataclasses import replace

    from kdgat.synthetic.bus import BUS_RANGES
    from kdgat.synthetic.vehicle import Vehicle
    from kdgat.synthetic.write import FORMATS

    rng = np.random.default_rng(0)
    drive = Vehicle.draw(BUS_RANGES, rng).drive(60.0, rng)
    length = float(np.ptp(drive.timestamp)) + 0.001
    with path.open("wb") as file:
        for number, begin in enumerate(range(0, frames, len(drive))):
            part = drive.take(np.arange(min(len(drive), frames - begin)))
            file.write(FORMATS["candump"][0](replace(part, timestamp=part.timestamp + number * length)))


def measure(path: Path) -> tuple[float, float]:
    """Processor seconds and largest resident memory (MB) of detecting in one log."""
    command = [sys.executable, "-m", "kdgat", "detect", str(path), "--seed", "0", "--alarms"]
    # asked by a small process: what a child takes is never less than what it was started from
    ask = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode; "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(code, used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask, *command], cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    code, seconds, kib = done.stdout.split()
    if int(code):
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return float(seconds), int(kib) / 1024


def rows(lengths: Sequence[int] = FRAMES) -> Iterator[dict[str, Any]]:
    """Rows of the table `benchmarks`, one repetition each."""
    costs: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drive.log"
        for frames in sorted(lengths):
            log(path, frames)
            if not costs:
                measure(path)  # compiled code is kept from then on
            seconds, memory = measure(path)
            costs.append((frames, seconds))
            yield row(f"detect {frames:,} frames", [seconds], "CPU s")
            yield row(f"detect {frames:,} frames, memory", [memory], "MB")
    (few, least), (many, most) = costs[0], costs[-1]
    if most > least:
        yield row("detect, slope", [(many - few) / (most - least)], "frames/CPU s")


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--frames", default=",".join(map(str, FRAMES)), help="lengths of logs, comma-separated")
    for measured in rows([int(n) for n in parser.parse_args().frames.split(",")]):
        print(f"{measured['name']:36} {measured['value']:14,.1f} {measured['unit']}", flush=True)


if __name__ == "__main__":
    cli(main)
