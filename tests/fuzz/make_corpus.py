"""Writes the corpus anew, from generated traffic only: `python -m tests.fuzz.make_corpus`."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa

from kdgat.synthetic.bus import BUS_RANGES
from kdgat.synthetic.vehicle import Vehicle
from kdgat.synthetic.write import FORMATS
from tests.fuzz.targets import CORPUS


def main() -> None:
    """A few dozen frames in every format, plain and compressed."""
    rng = np.random.default_rng(0)
    frames = Vehicle.draw(BUS_RANGES, rng).drive(1.0, rng)
    frames = frames.take(np.arange(24))
    folder = CORPUS / "captures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, (write, _) in FORMATS.items():
        (folder / name).write_bytes(write(frames))
    text = (folder / "labelled-csv").read_bytes()
    (folder / "labelled-csv.gz").write_bytes(gzip.compress(text, mtime=0))
    (folder / "labelled-csv.zst").write_bytes(pa.compress(text, "zstd", asbytes=True))


if __name__ == "__main__":
    main()
