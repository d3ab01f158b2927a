"""Writes the corpus anew, from generated traffic and the logs that tests spell out: `python -m tests.fuzz.make_corpus`."""

from __future__ import annotations

import bz2
import gzip
import lzma

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kdgat.synthetic.bus import BUS_RANGES
from kdgat.synthetic.vehicle import Vehicle
from kdgat.synthetic.write import FORMATS
from tests.fuzz.targets import CORPUS
from tests.kdgat import test_cases, test_recorders

#: of recorders that no writer here stands for
LOGS = {
    "busmaster": test_recorders.BUSMASTER,
    "kvaser-canking": test_recorders.CANKING,
    "kvaser-text": test_recorders.KVASER,
    "kvaser-csv": test_recorders.KVASER_CSV,
    "trc": test_recorders.TRC["2.0"][0],
    "candump-screen": test_recorders.SCREEN["-t a"][0],
    "gvret": test_cases.GVRET,
    "python-can-csv": test_cases.PYTHON_CAN,
    "canedge": test_cases.CANEDGE,
    "challenge": test_cases.CHALLENGE,
}


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
    (folder / "labelled-csv.bz2").write_bytes(bz2.compress(text))
    (folder / "labelled-csv.xz").write_bytes(lzma.compress(text))
    for name, log in LOGS.items():
        (folder / name).write_text(log)
    # small on disk, and a flood once it is unfolded
    texts = pa.DictionaryArray.from_arrays(np.zeros(1000, np.int32), pa.array(["1" * 1_000_000]))
    table = frames.take(np.arange(1000) % 24).to_table()
    sink = pa.BufferOutputStream()
    pq.write_table(table.set_column(1, "id", texts), sink, compression="zstd")
    (CORPUS / "found" / "captures--dictionary-of-texts").write_bytes(sink.getvalue().to_pybytes())
    (folder / "labelled-csv.zst").write_bytes(pa.compress(text, "zstd", asbytes=True))


if __name__ == "__main__":
    main()
