"""Small captures that users really hand over (`tests/cases`): read as they are meant, or told in one true line."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdgat.captures.reader import CaptureReader, quarantined, read
from kdgat.errors import CaptureError
from kdgat.paths import REPO

CASES = REPO / "tests" / "cases"

#: file → times of its frames (s), or the line and a part of the reason that is told
RIGHT: dict[str, list[float] | tuple[int, str]] = {
    "asc/relative.asc": [0.01, 0.02, 0.04],
    "asc/noevents.asc": [0.01, 0.03],
    "asc/busmaster.asc": [0.01, 0.03],
    "asc/canfd_classic.asc": [0.01, 0.02, 0.03],
    "asc/txrq.asc": [0.01, 0.0201, 0.03],
    "asc/dlcD.asc": [0.01, 0.02, 0.03],
    "asc/negative.asc": [0.01, -0.0002, 0.03],
    "asc/comma_one.asc": [0.01, 0.02, 0.03],
    "asc/comment_first.asc": [0.01, 0.03],
    "asc/nodate.asc": [0.01, 0.03],
    "asc/tabs.asc": [0.01, 0.02, 0.025, 0.03],
    "asc/bom.asc": [0.01, 0.03],
    "asc/lower_rx.asc": [0.01, 0.02, 0.03],
    "asc/can1.asc": [0.01, 0.02, 0.021, 0.03],
    "asc/long.asc": [0.01, 0.02, 0.03],
    "asc/j1939.asc": (8, "a J1939 transport message"),
    "asc/symbolic.asc": (8, "a symbolic name in place of the ID"),
    "asc/utf16.asc": (1, "text in UTF-16: save it as UTF-8"),
    "asc/nothex.asc": (8, "'GG' is not a number of base 16"),
    "asc/short.asc": (8, "1 bytes, but the DLC says 2"),
    "asc/error.asc": (9, "an error frame, which is no traffic"),
    "blf/size0.blf": (0, "broken BLF: an object of 0 bytes"),
    "blf/size0_version9.blf": (0, "broken BLF: an object of 0 bytes"),
    "blf/nocontainer.blf": (0, "no log container"),
    "cut/bad_in_the_middle.log": (2, "'1' has an odd number of hex digits"),
    "allbad/only_fd.log": (1, "a CAN FD frame"),
    "clock/back.log": (0, "time steps back by 3.2 years at frame 1401: two recordings"),
    "clock/delta_td.log": (0, "1999 of 1999 frames have the time of the frame before"),
    "csv/cd_canxl.log": (1, "is not hexadecimal bytes"),
    "csv/cd_dot.log": [1.0],
    "csv/cd_fd.log": (1, "a CAN FD frame"),
    "csv/cd_len8.log": [1.0],
    "csv/cd_neg.log": (1, "no known capture format"),
    "csv/cd_nodot.log": [1.0, 2.0],
    "csv/cd_rtr8.log": [1.0, 1.0],
    "csv/cd_short.log": [1.0],
    "csv/cd_space.log": (1, "no known capture format"),
    "csv/hcrl_decimal.csv": [1478.1],
    "csv/hcrl_dlc9.csv": (2, "'9' is not a DLC from 0 to 8"),
    "csv/hcrl_header.csv": [1478.1],
    "csv/hcrl_lower.csv": [1478.1],
    "csv/hcrl_nolastnl.csv": [1478.1, 1478.2],
    "csv/hcrl_padded_end.csv": [1478.1, 1478.2],
    "csv/hcrl_padded_mid.csv": [1478.1, 1478.2],
    "csv/hcrl_quoted.csv": [1478.1],
    "csv/hcrl_semicolon.csv": [1478.1],
    "csv/hcrl_spaces.csv": [1478.1, 1478.2],
    "csv/hcrl_tab.csv": [1478.1, 1478.2],
    "csv/keyed_truncated.txt": (2, "fewer bytes than the DLC says"),
    "csv/lab_0x.csv": [1.0],
    "csv/lab_bool.csv": [1.0],
    "csv/lab_empty_data.csv": [1.0],
    "csv/lab_extra.csv": [1.0],
    "csv/lab_float.csv": [1.0, 1.1],
    "csv/lab_int_ts.csv": [1478.0],
    "csv/lab_na.csv": (3, "'na' is not a hexadecimal ID"),
    "csv/lab_neg.csv": (2, "'-0.5' is not a number of seconds"),
    "csv/lab_order.csv": [1.0],
    "csv/lab_quoted.csv": [1.0],
    "csv/lab_sci.csv": [0.0, 1.5e-05],
    "csv/lab_semicolon.csv": [1.0],
    "csv/lab_spaces.csv": [1.0],
    "csv/lab_upper.csv": [1.0],
    "csv/otids_remote.txt": [0.0, 0.000239, 0.0005],
}
#: 300 frames, 10 ms apart
LONG = ("blf/good.blf", "blf/dlc9.blf")


def test_every_case_has_its_right_value() -> None:
    files = {str(path.relative_to(CASES)) for path in CASES.rglob("*") if path.is_file()}
    assert files == {*RIGHT, *LONG}


@pytest.mark.parametrize("name", RIGHT)
def test_a_case_is_read_or_told(name: str) -> None:
    right = RIGHT[name]
    if isinstance(right, list):
        assert read(CASES / name)["timestamp"].to_pylist() == pytest.approx(right, abs=1e-9)
        return
    with pytest.raises(CaptureError) as caught:
        read(CASES / name)
    line, reason = right
    assert caught.value.line == line and reason in caught.value.reason
    assert "ends within" not in caught.value.reason


@pytest.mark.parametrize("name", LONG)
def test_a_classic_frame_with_a_dlc_over_8_holds_8_bytes(name: str) -> None:
    table = read(CASES / name)
    assert table.num_rows == 300 and set(table["dlc"].to_pylist()) == {8}


def test_labels_of_the_cases_are_those_that_are_written() -> None:
    for name, labels in {
        "csv/lab_float.csv": [0, 1],
        "csv/lab_bool.csv": [0],
        "csv/hcrl_padded_mid.csv": [0, 1],
        "csv/hcrl_spaces.csv": [0, 1],
        "csv/hcrl_lower.csv": [0],
        "csv/hcrl_header.csv": [0],
    }.items():
        assert read(CASES / name)["label"].to_pylist() == labels, name


def test_a_file_of_bad_rows_alone_has_no_frames_left(tmp_path: Path) -> None:
    path = tmp_path / "only_fd.log"
    path.write_bytes((CASES / "allbad" / "only_fd.log").read_bytes())
    with pytest.raises(CaptureError, match="no frames left"):
        read(path, on_bad_rows="quarantine")


GVRET = """Time Stamp,ID,Extended,Dir,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8
166064000,0000021A,false,Rx,0,8,FE,36,12,FE,69,05,07,AD,
166065500,18FEF100,true,Rx,0,2,01,02,,,,,,,
"""
PYTHON_CAN = """timestamp,arbitration_id,extended,remote,error,dlc,data
1483389946.197,0x90fa,1,0,0,6,x8oK/uLg
1483389946.298,0x12,0,1,0,4,
"""
CANEDGE = """TimestampEpoch;BusChannel;ID;IDE;DLC;DataLength;Dir;EDL;BRS;DataBytes
1593588107.408600;1;18FEF100;1;8;8;0;0;0;F07D84B1130A0003
1593588107.409400;1;0CF00400;1;3;3;0;0;0;F07D84
"""
CHALLENGE = """Timestamp,Arbitration_ID,DLC,Data,Class,SubClass
1597707827.157442,0F1,8,06 25 05 30 FF CF 53 55,Normal,Normal
1597707827.157890,0B1,4,00 11 22 33,Attack,Flooding
"""


@pytest.mark.parametrize(
    ("text", "times", "ids", "data", "labels"),
    [
        (GVRET, [166.064, 166.0655], [0x21A, 0x18FEF100], ["fe3612fe690507ad", "0102"], [0, 0]),
        (PYTHON_CAN, [1483389946.197, 1483389946.298], [0x90FA, 0x12], ["c7ca0afee2e0", ""], [0, 0]),
        (CANEDGE, [1593588107.4086, 1593588107.4094], [0x18FEF100, 0xCF00400], ["f07d84b1130a0003", "f07d84"], [0, 0]),
        (CHALLENGE, [1597707827.157442, 1597707827.15789], [0xF1, 0xB1], ["06250530ffcf5355", "00112233"], [0, 1]),
    ],
    ids=["GVRET", "python-can", "CANedge", "HCRL challenge"],
)
def test_files_of_other_recorders(text: str, times, ids, data, labels, tmp_path: Path) -> None:
    path = tmp_path / "capture.csv"
    path.write_text(text)
    reader = CaptureReader(path)
    (frames,) = reader
    assert reader.format == "table"
    assert frames.timestamp.tolist() == pytest.approx(times, abs=1e-7) and frames.id.tolist() == ids
    payloads = [bytes(p[:n]).hex() for p, n in zip(frames.payload, frames.dlc, strict=True)]
    assert payloads == data and frames.label.tolist() == labels


def test_two_buses_are_never_one_stream(tmp_path: Path) -> None:
    path = tmp_path / "capture.csv"
    path.write_text(GVRET.replace("true,Rx,0", "true,Rx,1"))
    with pytest.raises(CaptureError, match=r"more than one bus \(0, 1\): --channel NAME") as caught:
        read(path)
    assert caught.value.line == 3
    assert read(path, channel="1")["id"].to_pylist() == [0x18FEF100]


@pytest.mark.parametrize(
    ("scale", "reason"),
    [(1e3, "are times in milliseconds"), (1e-5, "more than a CAN bus carries")],
    ids=["milliseconds as seconds", "a unit too long"],
)
def test_another_unit_of_time_is_told(scale: float, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "capture.log"
    rows = (f"({k * 1e-3 * scale:.9f}) can0 123#{k % 256:02X}\n" for k in range(1, 1000))
    path.write_text("".join(rows))
    with pytest.raises(CaptureError, match=reason):
        read(path)


def test_times_as_32_bit_floats_are_told(tmp_path: Path) -> None:
    import numpy as np

    path = tmp_path / "capture.log"
    t = np.float32(1.6e9 + np.arange(1000) * 1e-3)
    path.write_text("".join(f"({x:.6f}) can0 123#00\n" for x in t))
    with pytest.raises(CaptureError, match="times are rounded"):
        read(path)


def test_a_table_with_a_bad_row_can_set_it_aside(tmp_path: Path) -> None:
    path = tmp_path / "capture.csv"
    path.write_text(CHALLENGE + "1597707827.2,XYZ,1,00,Normal,Normal\n")
    with pytest.raises(CaptureError, match="'XYZ' is not a hexadecimal ID") as caught:
        read(path)
    assert caught.value.line == 4
    table = read(path, on_bad_rows="quarantine")
    assert (table.num_rows, quarantined(table)) == (2, 1)
