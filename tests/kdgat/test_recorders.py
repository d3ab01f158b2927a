"""Logs of recorders as users have them: each read as python-can reads it, or told in one true line."""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
import os
from pathlib import Path

import can
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdgat.captures.parsers import mf4
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
        ("      2      1283.231 DT     0300 Rx 1  0G", "'0G' is not hexadecimal bytes"),
        ("      2", "is no type of a frame|not a whole frame"),
    ],
)
def test_a_line_of_trc_that_is_no_frame_is_told(line: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "c.trc").write_text(TRC["2.0"][0] + line + "\n")
    with pytest.raises(CaptureError, match=reason):
        read(tmp_path / "c.trc")


def test_another_version_of_trc_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.trc").write_text(";$FILEVERSION=3.0\n")
    with pytest.raises(CaptureError, match=r"version '3\.0' of TRC"):
        read(tmp_path / "c.trc")


# ---- BUSMASTER and Kvaser, which python-can does not read: as the sources of the programs that write them say -------------

BUSMASTER = """***BUSMASTER Ver 3.2.2***
***PROTOCOL CAN***
***NOTE: PLEASE DO NOT EDIT THIS DOCUMENT***
***[START LOGGING SESSION]***
***START DATE AND TIME 28:11:2026 23:59:59:998***
***HEX***
***SYSTEM MODE***
***START CHANNEL BAUD RATE***
***CHANNEL 1 - Kvaser - Kvaser Leaf Light HS #0 (Channel 0), Serial Number- 0, Firmware- 0x00000037 0x00020000 - 500000 bps***
***END CHANNEL BAUD RATE***
***START DATABASE FILES***
***END DATABASE FILES***
***<Time><Tx/Rx><Channel><CAN ID><Type><DLC><DataBytes>***
23:59:59:9985 Rx 1 0x023 s 1 40
23:59:59:9990 Tx 1 0x18FEF100 x 3 0A FF 00 
00:00:00:0005 Rx 1 0x110 sr 4
00:00:00:0020 Rx 1 0x7FF s 8 01 02 03 04 05 06 07 08
***END DATE AND TIME 29:11:2026 0:0:0:3***
***[STOP LOGGING SESSION]***
"""
BUSMASTER_DEC = BUSMASTER.replace("HEX", "DEC").replace("SYSTEM", "ABSOLUTE").partition("23:59:59:9985")[0] + (
    "0:0:0:0005 Rx 1 35 s 1 064\n27:0:1:0005 Rx 1 272 s 3 010 255 000\n"
)
CANKING = """Chn Identifier Flg   DLC  D0...1...2...3...4...5...6..D7       Time     Dir
 0    0000014B         1  00                                1675.570498 T
 0    00000065         5  01  00  00  00  0A                1675.572378 R
 0    18FEF100 X       8  60  00  00  5F  60  60  E2  F2    1675.573001 R
 0    00000110 R       4                                    1675.574001 R
Logging stopped.
"""
KVASER = """                              Kvaser Memorator Log
                              ====================

Settings:
   Format of data field: DEC
   Format of id field:   DEC
   CAN channel:          1 2 3 4 5

        Time Chan   Identifier Flags        DLC  Data                                    Counter
================================================================================================
    0,100000  Trigger (type=0x1, active=0x00, pre-trigger=0, post-trigger=-1)
    0,100000  1         331    Rx          1    0                                              1
    0,200000  1   419361024x   Tx          2   10 255                                          2
    0,250000  1         100    TxRq        1    0                                              3
    0,300000  1         272    Rx       R  4  RTR                                              4
"""
KVASER_CSV = """CSV CAN data
Converted from Kvaser Memorator at;2026-11-28 10:00:00

Format of data field;HEX
Format of id field;HEX
Timestamp Offset;             0.00000;seconds
Logging started at;2026-11-28 09:00:00
Time;Channel;id;Flags;DLC;Data0;Data1;Data2;Data3;Data4;Data5;Data6;Data7;Counter
0.10000;1;14b;2;1;00;;;;;;;;1
0.20000;1;18fef100;68;2;0a;ff;;;;;;;2
0.25000;1;100;130;1;00;;;;;;;;3
0.30000;1;110;3;4;;;;;;;;;4
"""
WRITTEN = {
    "busmaster": (BUSMASTER, [86399.9985, 86399.999, 86400.0005, 86400.002], [0x23, 0x18FEF100, 0x110, 0x7FF], ["40", "0aff00", "", "0102030405060708"]),
    "busmaster, decimal": (BUSMASTER_DEC, [0.0005, 97201.0005], [35, 272], ["40", "0aff00"]),
    "kvaser, CanKing": (CANKING, [1675.570498, 1675.572378, 1675.573001, 1675.574001], [0x14B, 0x65, 0x18FEF100, 0x110], ["00", "010000000a", "6000005f6060e2f2", ""]),
    "kvaser, plain text": (KVASER, [0.1, 0.2, 0.3], [331, 0x18FEF100, 272], ["00", "0aff", ""]),
    "kvaser, CSV": (KVASER_CSV, [0.1, 0.2, 0.3], [0x14B, 0x18FEF100, 0x110], ["00", "0aff", ""]),
}  # fmt: skip


@pytest.mark.parametrize("what", WRITTEN)
def test_logs_of_busmaster_and_kvaser_are_read(what: str, tmp_path: Path) -> None:
    text, times, identifiers, data = WRITTEN[what]
    (tmp_path / "c.log").write_text(text)
    reader = CaptureReader(tmp_path / "c.log")
    (frames,) = reader
    assert reader.format == what.partition(",")[0]
    assert frames.timestamp.tolist() == pytest.approx(times, abs=1e-9) and frames.id.tolist() == identifiers
    assert [bytes(p[:n]).hex() for p, n in zip(frames.payload, frames.dlc, strict=True)] == data


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (BUSMASTER.replace("SYSTEM", "RELATIVE"), 14, "relative times: log in the mode"),
        (BUSMASTER.replace("9:9990", "9:999"), 15, "'999' behind the seconds is no number of four digits"),
        (BUSMASTER.replace("23:59:59:9990", "9" * 400 + ":59:59:9990"), 15, "of over 10 digits"),
        (BUSMASTER.replace("23:59:59:9990", "23:99:59:9990"), 15, "99:59 is no time"),
        (BUSMASTER.replace("Tx 1", "Tx " + "2" * 99), 15, f"one bus (1, {'2' * 20})"),
        (BUSMASTER.replace("0A FF", "1FF FF"), 15, "byte 511 over 255"),
        (BUSMASTER.replace("***HEX***\n", ""), 13, "nothing says what numbers or times mean"),
        (BUSMASTER.replace("***SYSTEM MODE***\n", ""), 13, "nothing says what numbers or times mean"),
        (BUSMASTER.replace("x 3", "x 4"), 15, "3 bytes, but the DLC says 4"),
        (BUSMASTER.replace("0x7FF s", "0x7FF fd"), 17, "not a frame of classic CAN"),
        (CANKING.replace("00000065 ", "101 "), 3, "numbers could be decimal"),
        (CANKING.replace("00000065  ", "00000065 F"), 3, "flags 'F': read are X and R"),
        (CANKING.replace("X       8", "X       9"), 0, ""),
        (CANKING.replace("         5  01", "         6  01"), 3, "fewer bytes than the DLC, which says 6"),
        (CANKING + " 0    00000000            ErrorFrame          29.095270 R\n", 7, "an error frame"),
        (CANKING.replace("0000014B         1", "0000014B" + 100_000 * " " + "!"), 2, "not a whole frame"),  # and in time
        (CANKING.replace(" 0    18FEF100", "      8FEF100"), 4, "not a whole frame"),
        (KVASER.replace("    0,200000  1", "    ,200000  1"), 13, "not a whole frame"),
        (KVASER.replace("10 255", "10 ff"), 13, "byte 'ff' is not a number of base 10"),
        (KVASER_CSV.replace("0.10000;", ";"), 9, "its time, bus or ID is no number"),
        (KVASER_CSV.replace("14b;2;1;", f"14b;2;{'9' * 5000};"), 9, "of over 10 digits"),
        (f"date Sat Nov 28 10:00:00 2026\nbase hex\n0.1 1 1 Rx d {'f' * 9000} 01\n", 3, "of over 10 digits"),
        (f"date Sat Nov 28 10:00:00 2026\nbase hex\n0.1 CANFD 1 Rx 1 0 0 1 {'9' * 9000} 01\n", 3, "of over 10 digits"),
        (f"time;id;dlc;data\n0.1;1;{'9' * 5000};01\n", 2, "of over 10 digits"),
        (KVASER.replace("Rx          1", "Rx    FB    1"), 12, "a CAN FD frame"),
        (KVASER.replace("   Format of id field:   DEC\n", ""), 11, "nothing says whether numbers are decimal"),
        (KVASER_CSV.replace("of id field", "of PGN field"), 9, "PGNs of J1939 in place of IDs"),
        (KVASER_CSV.replace("14b;2", ";34"), 9, "an error frame"),
        (KVASER_CSV.replace("14b;2", "14b;65538"), 9, "a CAN FD frame"),
        (KVASER_CSV.partition("Time;")[1] + KVASER_CSV.partition("Time;")[2], 2, "nothing says whether numbers are decimal"),
    ],
)  # fmt: skip
def test_what_could_mean_two_things_is_told(text: str, line: int, reason: str, tmp_path: Path) -> None:
    (tmp_path / "c.log").write_text(text)
    if not reason:  # a classic frame with a DLC of 9 holds 8 bytes
        assert read(tmp_path / "c.log").num_rows == 4
        return
    with pytest.raises(CaptureError) as caught:
        read(tmp_path / "c.log")
    assert caught.value.line == line and reason in caught.value.reason


@pytest.mark.parametrize("what", WRITTEN)
def test_ends_of_lines_may_be_those_of_any_system(what: str, tmp_path: Path) -> None:
    text, _, identifiers, _ = WRITTEN[what]
    for end in ("\r\n", "\r"):
        (tmp_path / "c.log").write_bytes(text.replace("\n", end).encode())
        assert read(tmp_path / "c.log")["id"].to_pylist() == identifiers


def test_two_buses_of_busmaster_and_kvaser_are_never_one_stream(tmp_path: Path) -> None:
    for text, old, new in (
        (BUSMASTER, "Tx 1", "Tx 2"),
        (CANKING, " 0    18", " 2    18"),
        (KVASER_CSV, "0.20000;1", "0.20000;2"),
    ):
        (tmp_path / "c.log").write_text(text.replace(old, new))
        with pytest.raises(CaptureError, match="frames of more than one bus"):
            read(tmp_path / "c.log")
        assert read(tmp_path / "c.log", channel="2")["id"].to_pylist() == [0x18FEF100]


# ---- MF4 -------------------------------------------------------------------------------------------------------------------


def mf4_of(path: Path, messages: list[can.Message]) -> bytes:
    with can.MF4Writer(path) as writer:
        for message in messages:
            writer(message)
    return path.read_bytes()


def test_mf4_is_read_as_python_can_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "c.mf4"
    remote = can.Message(
        timestamp=1795827724.5, arbitration_id=0x110, is_extended_id=False, is_remote_frame=True, channel=1
    )
    begin = 1795827723.25
    drawn = [(k * 10, k * 12345 % (1 << 29), k % 2 == 1, bytes(range(k % 9))) for k in range(100)]
    written = messages(drawn)
    for message in written:
        message.timestamp += begin
    data = mf4_of(path, [*written, remote])
    # CANedge leaves a file that is not finalised
    path.write_bytes(b"UnFinMF " + data[8:60] + b"\1\0\0\0" + data[64:])
    (ours,) = CaptureReader(path)
    theirs = list(can.MF4Reader(path))
    assert ours.id.tolist() == [m.arbitration_id for m in theirs]
    payloads = [bytes(p[:n]) for p, n in zip(ours.payload, ours.dlc, strict=True)]
    assert payloads == [bytes(m.data) for m in theirs] and payloads[-1] == b""
    assert ours.timestamp - ours.timestamp[0] == pytest.approx(
        [m.timestamp - theirs[0].timestamp for m in theirs], abs=1e-6
    )


def test_a_damaged_mf4_ends_in_one_line_and_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = mf4_of(tmp_path / "c.mf4", messages([(k, k, False, b"x") for k in range(9)]))
    (tmp_path / "c.mf4").write_bytes(data[: len(data) // 2])
    with pytest.raises(CaptureError, match="broken MF4: asammdf cannot read it: "):
        read(tmp_path / "c.mf4")
    # a group that is its own successor: asammdf would read it for ever
    group = data.index(b"##DG")
    (tmp_path / "c.mf4").write_bytes(data[: group + 24] + group.to_bytes(8, "little") + data[group + 32 :])
    monkeypatch.setattr(mf4, "_SECONDS", 1)
    with pytest.raises(CaptureError, match="it takes more memory or time than its size allows"):
        read(tmp_path / "c.mf4")


@pytest.mark.parametrize("time", [math.nan, math.inf])
def test_a_time_that_is_not_finite_is_told(time: float, tmp_path: Path) -> None:
    begin, odd, end = messages([(k, k, False, b"x") for k in range(3)])
    odd.timestamp = time
    mf4_of(tmp_path / "c.mf4", [begin, odd, end])
    with pytest.raises(CaptureError, match="the time of frame 2 is not finite: the file is damaged"):
        read(tmp_path / "c.mf4")


def test_without_its_extra_mf4_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.mf4").write_bytes(b"MDF     4.10    " + bytes(100))
    monkeypatch.setattr(mf4, "find_spec", lambda name: None)
    with pytest.raises(CaptureError, match=r"needs the extra mf4: pip install .*\[mf4\]"):
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
    "pack",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lambda d: lzma.compress(d[:90]) + bytes(1 << 17) + lzma.compress(d[90:]),
    ],
)
def test_packed_files_are_read_as_they_were(pack, tmp_path: Path) -> None:
    text = "".join(f"({k}.5) can0 {k:03X}#{k:02X}\n" for k in range(50)).encode()
    (tmp_path / "c.log").write_bytes(pack(text))
    assert read(tmp_path / "c.log")["id"].to_pylist() == list(range(50))


@pytest.mark.parametrize(
    ("data", "by"),
    [(gzip.compress(bz2.compress(b"x")), "bz2"), (lzma.compress(lzma.compress(b"x")), "xz"), (b"PK\3\4\24\0", "zip")],
    ids=["bz2", "xz", "zip"],  # a gzip header holds the time: names made of it differ between processes
)
def test_what_is_packed_twice_or_an_archive_is_told(data: bytes, by: str, tmp_path: Path) -> None:
    (tmp_path / "c.log").write_bytes(data)
    with pytest.raises(CaptureError, match=f"packed by {by}: unpack it first"):
        read(tmp_path / "c.log")


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
