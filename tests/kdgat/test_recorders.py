"""Logs of recorders as users have them: each read as python-can reads it, or told in one true line."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from pathlib import Path

import can
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdgat.captures.reader import CaptureReader, read
from kdgat.errors import CaptureError

#: what candump shows, by its options → times
SCREEN = {
    "-t a": (" (1436509053.650713)  can0  123   [3]  01 0A FF\n (1436509053.651)  can0  12345678   [0]\n", [1436509053.650713, 1436509053.651]),
    "-t z": (" (000.000000)  vcan0  123   [1]  01\n (001.500000)  vcan0  7FF   [8]  01 02 03 04 05 06 07 08\n", [0.0, 1.5]),
    "-t A": (" (2026-11-28 01:02:03.250000)  can0  123   [1]  01\n", [1795827723.25]),
    "-t a -a": (" (1.5)  can0  123   [3]  41 42 43   'ABC'\n", [1.5]),
    "-t a -x": (" (1.5)  can0  TX - -  123   [2]  41 42\n", [1.5]),
    "-t a, remote": (" (1.5)  can0  123   [0]  remote request\n", [1.5]),
}  # fmt: skip
TOLD = {
    "without a time": ("  can0  123   [3]  01 0A FF\n", "no time: record with candump -L, or -t a"),
    "CAN FD": (" (1.5)  can0  123  [12]  00 01 02 03 04 05 06 07 08 09 0A 0B\n", "a CAN FD frame"),
    "CAN FD of 8": (" (1.5)  can0  123  [08]  00 01 02 03 04 05 06 07\n", "a CAN FD frame"),
    "an error": (" (1.5)  can0  20000004   [8]  00 04 00 00 00 00 00 00   ERRORFRAME\n", "an error frame"),
    "cut off": (" (1.5)  can0  123   [3]  01 0A\n", "2 bytes, but the length says 3"),
    "no hex": (" (1.5)  can0  123   [2]  01 GG\n", "'GG' is not a hexadecimal byte"),
}


@pytest.mark.parametrize("options", SCREEN)
def test_what_candump_shows_is_read(options: str, tmp_path: Path) -> None:
    text, times = SCREEN[options]
    (tmp_path / "c.log").write_text(text)
    reader = CaptureReader(tmp_path / "c.log")
    (frames,) = reader
    assert reader.format == "candump-screen" and frames.timestamp.tolist() == pytest.approx(times, abs=1e-6)


@pytest.mark.parametrize("what", TOLD)
def test_what_candump_shows_and_is_no_frame_is_told(what: str, tmp_path: Path) -> None:
    text, reason = TOLD[what]
    (tmp_path / "c.log").write_text(text)
    with pytest.raises(CaptureError, match="--bad-rows quarantine") as caught:
        read(tmp_path / "c.log")
    assert reason in caught.value.reason and caught.value.line == 1


def test_differences_are_told(tmp_path: Path) -> None:
    """`-t d` writes the time since the frame before."""
    (tmp_path / "c.log").write_text("".join(f" (000.0{k * 37 % 97:02d}000)  can0  123   [1]  01\n" for k in range(400)))
    with pytest.raises(CaptureError, match="these are differences"):
        read(tmp_path / "c.log")


#: python-can writes no remote frames
MESSAGES = st.lists(
    st.tuples(st.integers(0, 10**9), st.integers(0, (1 << 29) - 1), st.booleans(), st.binary(max_size=8)),
    min_size=1,
    max_size=30,
)


def messages(drawn: list) -> list[can.Message]:
    times = sorted(t for t, *_ in drawn)
    return [
        can.Message(
            timestamp=times[i] * 1e-3,
            arbitration_id=identifier if extended else identifier & 0x7FF,
            is_extended_id=extended,
            data=data,
            channel=1,
        )
        for i, (_, identifier, extended, data) in enumerate(drawn)
    ]


@pytest.mark.parametrize("version", ["1.0", "2.1"])
@given(drawn=MESSAGES)
@settings(max_examples=25, deadline=None)
def test_trc_is_read_as_python_can_reads_it(
    version: str, drawn: list, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("trc") / "c.trc"
    with can.io.TRCWriter(path, channel=1) as writer:
        writer.file_version = can.io.TRCFileVersion.V1_0 if version == "1.0" else can.io.TRCFileVersion.V2_1
        for message in messages(drawn):
            writer.on_message_received(message)
    theirs = list(can.io.TRCReader(path))
    (ours,) = CaptureReader(path)
    assert ours.id.tolist() == [m.arbitration_id for m in theirs]
    assert ours.dlc.tolist() == [m.dlc for m in theirs]
    payloads = [bytes(p[:n]) for p, n in zip(ours.payload, ours.dlc, strict=True)]
    assert payloads == [bytes(m.data) for m in theirs]
    apart = ours.timestamp - np.array([m.timestamp for m in theirs])
    assert np.ptp(apart) < 1e-5  # the start of the recording, which only moves the axis


TRC = {
    "1.1": (";$FILEVERSION=1.1\n;$STARTTIME=37704.5364870833\n;---\n     1)      1059.9  Rx         0300  7  00 00 00 00 04 00 00\n     2)      1283.2  Rx         0400  2  00 00\n     3)      1298.9  Tx     00000500  1  08\n     4)      1323.0  Rx         0110  4  RTR\n", [0x300, 0x400, 0x500, 0x110]),
    "1.3": (";$FILEVERSION=1.3\n;$STARTTIME=37704.5364870833\n;---\n     1)      1059.900 1  Rx        0300 -  7    00 00 00 00 04 00 00\n     2)      1283.231 1  Rx        0400 -  2    00 00\n", [0x300, 0x400]),
    "2.0": (";$FILEVERSION=2.0\n;$STARTTIME=43008.920986006946\n;$COLUMNS=N,O,T,I,d,l,D\n;---\n      1      1059.900 DT     0300 Rx 7  00 00 00 00 04 00 00\n      2      1283.231 ST          Rx    00 00 00 08\n      3      1298.945 RR     0110 Rx 4\n", [0x300, 0x110]),
}  # fmt: skip


@pytest.mark.parametrize("version", TRC)
def test_each_version_of_trc_is_read_as_python_can_reads_it(version: str, tmp_path: Path) -> None:
    text, identifiers = TRC[version]
    (tmp_path / "c.trc").write_text(text)
    (frames,) = CaptureReader(tmp_path / "c.trc")
    theirs = list(can.io.TRCReader(tmp_path / "c.trc"))
    assert frames.id.tolist() == identifiers == [m.arbitration_id for m in theirs]
    assert np.diff(frames.timestamp) == pytest.approx(np.diff([m.timestamp for m in theirs]), abs=1e-5)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("      2      1283.231 FD     0300 Rx 12 00 00", "a CAN FD frame"),
        ("      2      1283.231 ER          Rx    04 00 01 15 00", "an error frame"),
        ("      2      1283.231 XX     0300 Rx 1  00", "is no type of a frame"),
        ("      2      1283.231 DT     0300 Rx 3  00", "1 bytes, but the DLC says 3"),
        ("      2           nan DT     0300 Rx 0", "its time, ID or length is no number"),
        ("      2      1283.231 DT       -5 Rx 0", "its time, ID or length is no number"),
        ("      2", "is no type of a frame|not a whole frame"),
    ],
)
def test_a_line_of_trc_that_is_no_frame_is_told(line: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "c.trc").write_text(TRC["2.0"][0] + line + "\n")
    with pytest.raises(CaptureError, match=reason):
        read(tmp_path / "c.trc")


def test_another_version_of_trc_and_mf4_are_told(tmp_path: Path) -> None:
    (tmp_path / "c.trc").write_text(";$FILEVERSION=3.0\n")
    with pytest.raises(CaptureError, match=r"version '3\.0' of TRC"):
        read(tmp_path / "c.trc")
    (tmp_path / "c.mf4").write_bytes(b"MDF     4.10    " + bytes(100))
    with pytest.raises(CaptureError, match="MF4 is not read: export"):
        read(tmp_path / "c.mf4")


# ---- buses -----------------------------------------------------------------------------------------------------------------


def on_two_buses(folder: Path, ending: str) -> tuple[Path, str]:
    """A log of 20 frames, IDs 0 to 19, on two buses by turns; and the name of the second."""
    path = folder / f"c.{ending}"
    if ending == "log":
        path.write_text("".join(f"({k}.5) can{k % 2} {k:03X}#{k:02X}\n" for k in range(20)))
        return path, "can1"
    with can.Logger(path) as writer:
        for k in range(20):
            writer(can.Message(timestamp=k + 0.5, arbitration_id=k, is_extended_id=False, data=[k], channel=k % 2))
    return path, "2"


@pytest.mark.parametrize("ending", ["log", "asc", "blf"])
def test_two_buses_are_never_one_stream(ending: str, tmp_path: Path) -> None:
    path, second = on_two_buses(tmp_path, ending)
    with pytest.raises(CaptureError, match=r"frames of more than one bus \(.*, .*\): --channel NAME"):
        read(path)
    assert read(path, channel=second)["id"].to_pylist() == list(range(1, 20, 2))
    with pytest.raises(CaptureError, match="no frames of bus 'can7'"):
        read(path, channel="can7")


def test_a_second_bus_is_found_on_its_line_and_lines_are_counted_past_it(tmp_path: Path) -> None:
    path = tmp_path / "c.log"
    path.write_text("(1.5) can0 001#00\n(1.6) can00 002#00\n(1.7) can0 003#0\n")
    with pytest.raises(CaptureError, match=r"\(can0, can00\)") as caught:
        read(path)
    assert caught.value.line == 2
    with pytest.raises(CaptureError, match="odd number of hex digits") as caught:
        read(path, channel="can0")
    assert caught.value.line == 3


# ---- packed files, and what is set aside ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, lambda d: lzma.compress(d[:90]) + lzma.compress(d[90:])]
)
def test_packed_files_are_read_as_they_were(pack, tmp_path: Path) -> None:
    text = "".join(f"({k}.5) can0 {k:03X}#{k:02X}\n" for k in range(50)).encode()
    (tmp_path / "c.log").write_bytes(pack(text))
    assert read(tmp_path / "c.log")["id"].to_pylist() == list(range(50))


@pytest.mark.parametrize("damage", ["cut", "flipped", "flood"])
def test_a_damaged_xz_is_one_line(damage: str, tmp_path: Path) -> None:
    data = bytearray(lzma.compress("".join(f"({k}.5) can0 {k:03X}#{k:02X}\n" for k in range(500)).encode()))
    if damage == "cut":
        del data[-20:]
    elif damage == "flipped":
        data[len(data) // 2] ^= 255
    else:
        data = bytearray(lzma.compress(b"(1.5) can0 001#00\n" + b"\n" * (1 << 26)))
    (tmp_path / "c.log").write_bytes(data)
    with pytest.raises(CaptureError, match="cannot be read to its end: "):
        read(tmp_path / "c.log")


def test_rows_that_are_set_aside_are_read_by_nobody_who_may_not_read_the_capture(tmp_path: Path) -> None:
    path = tmp_path / "c.log"
    path.write_text("(1.5) can0 001#00\n(1.6) can0 002#0\n")
    path.chmod(0o600)
    umask = os.umask(0)
    try:
        read(path, on_bad_rows="quarantine")
    finally:
        os.umask(umask)
    assert (tmp_path / "c.log.quarantine.csv").stat().st_mode & 0o777 == 0o600
    with pytest.raises(CaptureError, match="bad rows cannot be set aside"):
        read(path, on_bad_rows="quarantine", quarantine=path / "below" / "a file")
