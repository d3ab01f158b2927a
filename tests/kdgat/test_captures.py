"""Every format, its defined outcomes, strict and quarantine, compression; against python-can and plain Python."""

from __future__ import annotations

import csv
import gzip
import io
import os
import random
import struct
import subprocess
import sys
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import can
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdgat.captures.frames import FRAME_SCHEMA, Frames
from kdgat.captures.reader import CaptureReader, quarantined, read
from kdgat.errors import CaptureError

HEADER = "timestamp,arbitration_id,data_field,attack\n"


def rows(table: pa.Table) -> list[tuple[float, int, str, int]]:
    """(time, ID, payload in hex as long as the DLC, label) of each frame."""
    t, ids, dlc, payload, label = Frames.from_table(table).columns
    assert not (payload * (np.arange(8) >= dlc[:, None])).any(), "bytes beyond the DLC"
    return [(float(t[i]), int(ids[i]), payload[i, : dlc[i]].tobytes().hex(), int(label[i])) for i in range(len(t))]


def put(folder: Path, content: str | bytes, name: str = "capture") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


TWO = [(1.5, 0x2C0, "1400", 0), (1.25, 0x2, "", 1)]
SAME_TWO = {
    "labelled csv": HEADER + "1.5,2C0,1400,0\n1.25,002,,1\n",
    "CRLF": HEADER.replace("\n", "\r\n") + "1.5,2C0,1400,0\r\n1.25,002,,1\r\n",
    "no newline at the end": HEADER + "1.5,2C0,1400,0\n1.25,002,,1",
    "blank lines": "\n" + HEADER + "\n1.5,2C0,1400,0\n\r\n1.25,002,,1\n\n\n",
    "BOM": "\ufeff" + HEADER + "1.5,2C0,1400,0\n1.25,002,,1\n",
    "lower case": HEADER + "1.5,2c0,1400,0\n1.25,2,,1\n",
    "car-hacking": "1.5,02c0,2,14,00,R\n1.25,0002,0,T\n",
    "car-hacking, filled up": "1.5,02c0,2,14,00,00,00,00,00,00,02,R\n1.25,0002,0,00,00,00,00,00,00,00,00,T\n",
    "car-hacking CRLF": "1.5,02c0,2,14,00,R\r\n1.25,0002,0,T\r\n",
    "survival, bundled": "1.5,02C0,2,14 00,R\n1.25,0002,0,,T\n",
    "keyed with flag": "Timestamp: 1.5        ID: 02c0    000    DLC: 2    14 00    R\n"
    "Timestamp: 1.25        ID: 0002    000    DLC: 0    T\n",
}


@pytest.mark.parametrize("content", SAME_TWO.values(), ids=SAME_TWO)
def test_formats_and_line_ends_read_the_same(content: str, tmp_path: Path) -> None:
    table = read(put(tmp_path, content))
    assert table.schema.equals(FRAME_SCHEMA) and rows(table) == TWO


UNLABELLED = {
    "survival, attack-free": "1.5,02C0,2,14,00\n1.25,0002,0\n",
    "survival, attack-free and bundled": "1.5,02C0,2,14 00\n1.25,0002,0,\n",
    "keyed": "Timestamp:          1.5        ID: 02c0    000    DLC: 2    14 00\n"
    "Timestamp: 1.25        ID: 0002    000    DLC: 0    \n",
    "keyed, remote frame": "Timestamp: 1.5 ID: 02c0 000 DLC: 2 14 00\nTimestamp: 1.25 ID: 0002 100 DLC: 8\n",
    "candump": "(1.5) can0 2C0#1400\n(1.25) can0 002#\n",
    "candump with direction": "(1.5) vcan0 2C0#1400 R\n(1.25) vcan0 002# T\n",
    "candump, remote frame": "(1.5) can0 2C0#1400\n(1.25) can0 002#R4\n",
}


@pytest.mark.parametrize("content", UNLABELLED.values(), ids=UNLABELLED)
def test_formats_without_labels_count_as_benign(content: str, tmp_path: Path) -> None:
    assert rows(read(put(tmp_path, content))) == [(*row[:3], 0) for row in TWO]


BAD = {
    "17 hex digits": (HEADER + "1,1,00,0\n2.0,2C0,00112233445566778,0\n", 3, "more than 16 hex digits"),
    "odd digits": (HEADER + "1,1,00,0\n2.0,2C0,001,0\n", 3, "odd number"),
    "no hex": (HEADER + "1,1,0g,0\n", 2, "data: '0g'"),
    "ID over 29 bits": (HEADER + "1,20000000,00,0\n", 2, "29 bits"),
    "no ID": (HEADER + "1,,00,0\n", 2, "id: ''"),
    "no time": (HEADER + "x,1,00,0\n", 2, "timestamp: 'x'"),
    "negative time": (HEADER + "-1,1,00,0\n", 2, "timestamp"),
    "label 2": (HEADER + "1,1,00,2\n", 2, "neither 0 nor 1"),
    "label 01": (HEADER + "1,1,00,01\n", 2, "label"),
    "a column too many": (HEADER + "1,1,00,0,7\n", 2, "5 columns"),
    "truncated in the payload": (HEADER + "1,1,00,0\n1,1,001", 3, "ends within this line"),
    "truncated after the ID": (HEADER + "1,1,00,0\n1,1", 3, "ends within this line"),
    "truncated before the label": (HEADER + "1,1,00,0\n1,1,00,", 3, "ends within this line"),
    "truncated, raw": ("1.5,02c0,2,14,00,R\n1.5,02c0,2,14", 2, "fewer bytes"),
    "flag missing, raw": ("1.5,02c0,2,14,00,R\n1.5,02c0,2,14,00\n", 2, "neither R nor T"),
    "flag too many, raw": ("1.5,02c0,1,14\n1.5,02c0,1,14,R\n", 2, "row"),
    "DLC 9, raw": ("1.5,02c0,2,14,00,R\n1.5,02c0,9,1,2,3,4,5,6,7,8,9,R\n", 2, "DLC from 0 to 8"),
    "nine bytes, raw": ("1.5,02c0,2,14,00,R\n1.5,02c0,1,1,2,3,4,5,6,7,8,9,R\n", 2, "hexadecimal bytes"),
    "error frame": ("(1.0) can0 123#00\n(1.1) can0 20000004#0004000000000000\n", 2, "error frame"),
    "CAN FD": ("(1.0) can0 123#00\n(1.1) can0 123##100112233\n", 2, "CAN FD"),
    "candump, cut off after the bus": ("(1.0) can0 123#00\n(1.1) can0", 2, "row: .*ends within this line"),
    "candump, cut off in the bus": ("(1.0) can0 123#00\n(1.1) ca", 2, "row: .*ends within this line"),
    "candump, nothing after the bus": ("(1.0) can0 123#00\n(1.1) can1\n(1.2) can0 1#00\n", 2, "row: "),
    "candump, odd digits": ("(1.0) can0 123#00\n(1.1) can0 123#001\n", 2, "odd"),
}


@pytest.mark.parametrize(("content", "line", "reason"), BAD.values(), ids=BAD)
def test_bad_row_stops_with_file_line_and_reason(content: str, line: int, reason: str, tmp_path: Path) -> None:
    path = put(tmp_path, content)
    with pytest.raises(CaptureError, match=reason) as caught:
        read(path)
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == [path]


def test_quarantine_sets_bad_rows_aside_with_their_reasons(tmp_path: Path) -> None:
    bad = ["1.2,2C0,00112233445566778,0", "x,2,00,1", "1.4,2C0", '1.4,2C0,"q,0']
    path = put(tmp_path, HEADER + "1.0,1,0102,0\n" + bad[0] + "\n1.3,2,,1\n" + "\n".join(bad[1:]) + "\n1.5,3,FF,1\n")
    table = read(path, on_bad_rows="quarantine")
    assert rows(table) == [(1.0, 1, "0102", 0), (1.3, 2, "", 1), (1.5, 3, "ff", 1)]
    assert quarantined(table) == 4
    side = list(csv.DictReader((tmp_path / "capture.quarantine.csv").open()))
    assert [(r["line"], r["text"]) for r in side] == [("3", bad[0]), ("5", bad[1]), ("6", bad[2]), ("7", bad[3])]
    assert [r["column"] for r in side] == ["data", "timestamp", "row", "data"]
    path.write_text(HEADER + "1.0,1,0102,0\n")
    assert quarantined(read(path, on_bad_rows="quarantine")) == 0
    assert not (tmp_path / "capture.quarantine.csv").exists(), "the old side file is gone"


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "empty"), ("\n\r\n", "empty"), (HEADER, "no frames"), ("a,b,c\n1,2,3\n", "no known capture format")],
)
def test_file_without_frames_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=reason):
        read(put(tmp_path, content))


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        read(tmp_path / "none.csv")
    for folder in (tmp_path, Path(), Path("/"), Path("..")):
        with pytest.raises(CaptureError, match="is a folder, not a capture"):
            read(folder)


COMPRESSORS = {"gzip": gzip.compress, "zstd": lambda data: pa.compress(data, "zstd", asbytes=True)}


@pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)
@pytest.mark.parametrize("content", [SAME_TWO["labelled csv"], SAME_TWO["car-hacking"], SAME_TWO["keyed with flag"]])
def test_compressed_files_read_the_same(compress, content: str, tmp_path: Path) -> None:
    assert rows(read(put(tmp_path, compress(content.encode())))) == TWO


@pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)
def test_compressed_binary_formats_read_the_same(compress, tmp_path: Path) -> None:
    table = frames(300)
    pq.write_table(table, tmp_path / "frames.parquet")
    assert rows(read(put(tmp_path, compress((tmp_path / "frames.parquet").read_bytes())))) == rows(table)
    with can.BLFWriter(str(tmp_path / "log.blf")) as file:
        for message in messages():
            file.on_message_received(message)
    packed = read(put(tmp_path, compress((tmp_path / "log.blf").read_bytes())))
    assert rows(packed) == rows(read(tmp_path / "log.blf"))


def test_broken_compression_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + "".join(f"{i}.5,1,{i:04x},0\n" for i in range(5000))).encode())
    with pytest.raises(CaptureError, match="end"):
        read(put(tmp_path, whole[: len(whole) // 2]))


def frames(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    dlc = rng.integers(0, 9, n).astype(np.uint8)
    payload = (rng.integers(0, 256, (n, 8)) * (np.arange(8) < dlc[:, None])).astype(np.uint8)
    t = np.round(1.5e9 + np.cumsum(rng.random(n) * 1e-3), 6)
    ids = rng.choice([1, 0x7FF, 0x800, 0x1FFFFFFF], n).astype(np.uint32)
    return Frames(t, ids, dlc, payload, rng.integers(0, 2, n).astype(np.uint8)).to_table()


def as_csv(table: pa.Table) -> str:
    return HEADER + "".join(f"{t!r},{i:03X},{d.upper()},{y}\n" for t, i, d, y in rows(table))


def test_blocks_and_threads_do_not_change_the_result(tmp_path: Path) -> None:
    table = frames(40_000)
    lines = as_csv(table).splitlines(keepends=True)
    for at in (7, 20_000, 39_999):
        lines.insert(at, "bad\n")
    path = put(tmp_path, "".join(lines))
    for block, threads in ((5000, 1), (1 << 16, 2), (1 << 23, 3)):
        with ThreadPoolExecutor(threads) as pool:
            reader = CaptureReader(path, on_bad_rows="quarantine", block=block, pool=pool if threads > 1 else None)
            parts = Frames.concat(list(reader))
        assert rows(parts.to_table()) == rows(table)
        assert [row.line for row in reader.bad] == [8, 20_001, 40_000]


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 4e9), st.integers(0, 12))
def test_time_stamps_are_correctly_rounded(tmp_path_factory: pytest.TempPathFactory, value: float, digits: int) -> None:
    texts = [repr(value) if "e" not in repr(value) else "0.0", f"{value:.{digits}f}", f"{value:.15f}"]
    path = put(tmp_path_factory.getbasetemp(), HEADER + "".join(f"{text},1,,0\n" for text in texts))
    assert Frames.from_table(read(path)).timestamp.tolist() == [float(text) for text in texts]


def test_candump_equals_python_can(tmp_path: Path) -> None:
    rng = random.Random(3)
    lines = []
    for i in range(300):
        extended = rng.random() < 0.3
        number = rng.randrange(1 << 29) if extended else rng.randrange(1 << 11)
        data = rng.randbytes(rng.randrange(9)).hex().upper()
        lines.append(f"({1436509052 + i * 1e-3:.6f}) can0 {number:0{8 if extended else 3}X}#{data}\n")
    path = put(tmp_path, "".join(lines), "log")
    with can.CanutilsLogReader(str(path)) as reader:
        want = [(m.timestamp, m.arbitration_id, bytes(m.data).hex(), 0) for m in reader]
    assert rows(read(path)) == want


def messages() -> list[can.Message]:
    records = []
    for t, number, data, _ in rows(frames(200)):
        records.append(
            can.Message(
                timestamp=t,
                arbitration_id=number,
                is_extended_id=number > 0x7FF,
                data=bytes.fromhex(data),
                channel=0,
            )
        )
    return records


@pytest.mark.parametrize(("name", "writer"), [("log.asc", can.ASCWriter), ("log.blf", can.BLFWriter)])
def test_asc_and_blf(name: str, writer, tmp_path: Path) -> None:
    traffic = messages()
    remote = can.Message(timestamp=traffic[-1].timestamp + 1, arbitration_id=5, is_remote_frame=True, dlc=4, channel=0)
    with writer(str(tmp_path / name)) as file:
        for message in [*traffic, remote]:
            file.on_message_received(message)
    reader = CaptureReader(tmp_path / name)
    (got,) = reader
    assert reader.format == name[-3:]
    want = [(m.arbitration_id, bytes(m.data).hex()) for m in traffic] + [(5, "")]
    assert [row[1:3] for row in rows(got.to_table())] == want
    assert np.allclose(np.diff(got.timestamp[:-1]), np.diff([m.timestamp for m in traffic]), atol=2e-6)


def test_asc_lines_that_are_no_frames(tmp_path: Path) -> None:
    text = (
        "date Mon Nov 23 10:00:00.000 2026\nbase hex  timestamps absolute\ninternal events logged\n"
        "// a comment\n   0.000000 Start of measurement\n"
        "   0.001000 1  2C0             Rx   d 2 14 00\n"
        "   0.001500 1  Statistic: D 1 R 0 XD 0 XR 0 E 0 O 0 B 0.0%\n"
        "   0.002000 1  ErrorFrame\n"
        "   0.003000 1  2C0             Rx   d 8 14 00\n"
        "   0.003500 1  2C0             Rx   d 1 zz\n"
        "   0.004000 1  2C1             Rx   d 1 0A\n"
        "   0.005000 1  2C1             R"
    )
    path = put(tmp_path, text, "log.asc")
    with pytest.raises(CaptureError, match="error frame") as caught:
        read(path)
    assert caught.value.line == 8
    table = read(path, on_bad_rows="quarantine")
    assert [row[1:3] for row in rows(table)] == [(0x2C0, "1400"), (0x2C1, "0a")]
    side = list(csv.DictReader((tmp_path / "log.asc.quarantine.csv").open()))
    assert [int(row["line"]) for row in side] == [8, 9, 10, 12]


def test_blf_cut_off_is_refused(tmp_path: Path) -> None:
    with can.BLFWriter(str(tmp_path / "log.blf")) as file:
        for message in messages():
            file.on_message_received(message)
    data = (tmp_path / "log.blf").read_bytes()
    with pytest.raises(CaptureError, match="cut off"):
        read(put(tmp_path, data[:-100], "cut.blf"))


def blf(tmp_path: Path, packed: list[bytes]) -> Path:
    """A BLF file whose containers unpack to `packed`."""
    with can.BLFWriter(str(tmp_path / "log.blf")):
        pass
    head, body = (tmp_path / "log.blf").read_bytes()[:144], b""
    for data in packed:
        deflated = struct.pack("<H6xL4x", 2, len(data)) + zlib.compress(data)
        size = 16 + len(deflated)
        body += struct.pack("<4sHHLL", b"LOBJ", 16, 1, size, 10) + deflated + bytes(size % 4)
    head = bytearray(head)
    struct.pack_into("<Q", head, 16, 144 + len(body))
    return put(tmp_path, bytes(head) + body, "bomb.blf")


BOMBS = {
    "one container": [bytes(100 << 20)],
    "many containers": [bytes(1 << 20)] * 60,
    "an object without end": [b"LOBJ" + struct.pack("<HHLL", 16, 1, 1 << 31, 1) + os.urandom(1 << 20)] * 12,
}


@pytest.mark.parametrize("packed", BOMBS.values(), ids=BOMBS)
def test_a_blf_that_unpacks_to_a_flood_is_refused(packed: list[bytes], tmp_path: Path) -> None:
    path = blf(tmp_path, packed)
    tracemalloc.start()
    with pytest.raises(CaptureError, match=r"far more than traffic|an object of more than"):
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (64 << 20) + 10 * path.stat().st_size


@pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)
def test_a_compressed_flood_is_refused(compress, tmp_path: Path) -> None:
    row = "1.0,12A,00FF,0\n"
    path = put(tmp_path, compress(("timestamp,arbitration_id,data_field,attack\n" + row * 3_000_000).encode()))
    with pytest.raises(CaptureError, match="unpacks to more than 100 times its size"):
        read(path)


def test_a_file_of_nothing_but_bad_rows_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, b"timestamp,arbitration_id,data_field,attack\n" + b"x\n" * 200_000)
    with pytest.raises(CaptureError, match="more than 100000 bad rows"):
        read(path, on_bad_rows="quarantine")
    assert not list(tmp_path.glob("*.quarantine.csv"))


def test_parquet(tmp_path: Path) -> None:
    table = frames(500)
    pq.write_table(table, tmp_path / "frames.parquet")
    assert rows(read(tmp_path / "frames.parquet")) == rows(table)
    broken = table.set_column(2, "dlc", pa.array([9, *([0] * 499)], pa.uint8()))
    pq.write_table(broken, tmp_path / "broken.parquet")
    with pytest.raises(CaptureError, match="dlc") as caught:
        read(tmp_path / "broken.parquet")
    assert caught.value.line == 1
    pq.write_table(table.drop_columns("dlc"), tmp_path / "less.parquet")
    with pytest.raises(CaptureError, match="without the column 'dlc'"):
        read(tmp_path / "less.parquet")
    with pytest.raises(CaptureError, match="broken Parquet"):
        read(put(tmp_path, (tmp_path / "frames.parquet").read_bytes()[:-20], "cut.parquet"))


def test_real_captures_equal_plain_python(captures_root: Path) -> None:
    paths = [captures_root / "set_01/train_02_with_attacks/DoS-1.csv"]
    paths += sorted((captures_root / "hcrl-sa").glob("test_*/*park.csv"))
    for path in paths:
        with path.open() as file:
            next(file)
            want = [(float(t), int(i, 16), d.lower(), int(y)) for t, i, d, y in csv.reader(file)]
        assert rows(read(path)) == want


def test_raw_car_hacking(captures_root: Path) -> None:
    table = read(captures_root / "hcrl-ch-raw/DoS_dataset.csv")
    label = Frames.from_table(table).label
    assert (table.num_rows, int(label.sum())) == (5000, 1861)
    assert Frames.from_table(read(captures_root / "hcrl-ch-raw/normal_run_data.head5000.as_csv.csv")).label.sum() == 0


def test_package_imports_without_numba_or_python_can() -> None:
    code = (
        "import sys; import kdgat.captures, kdgat.catalog; print(sorted({'numba', 'can', 'torch'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_reader_accepts_a_stream_of_one_line_blocks(tmp_path: Path) -> None:
    text = io.StringIO(as_csv(frames(300)))
    path = put(tmp_path, text.getvalue())
    assert sum(len(block.timestamp) for block in CaptureReader(path, block=1)) == 300
