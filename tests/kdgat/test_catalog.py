"""Which captures a dataset consists of, copies, checks, and downloads against a local server."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdgat.catalog import contents, datasets, download, listing
from kdgat.catalog.contents import Training
from kdgat.config import Config
from kdgat.dataset import sources
from kdgat.errors import KdgatError

HEADER = "timestamp,arbitration_id,data_field,attack\n"


def put(path: Path, rows: str = "1.0,1,00,0\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + rows)
    return path


def test_files_get_split_vehicle_and_attack(tmp_path: Path) -> None:
    folder = tmp_path / "set_01"
    names = {
        "train_01_attack_free/attack-free-1.csv": ("train", "impala", "benign"),
        "train_01_attack_free/accessory-2.csv": ("train", "impala", "benign"),
        "train_02_with_attacks/DoS-1.csv": ("train", "impala", "dos"),
        "test_02_unknown_vehicle_known_attack/rpm-accessory-1.csv": ("test_02", "traverse", "rpm-accessory"),
        "test_05_suppress/suppress-1.csv": ("test_05", "impala", "suppress"),
        "test_06_masquerade/masquerade-timed-4.csv": ("test_06", "impala", "masquerade-timed"),
    }
    for i, name in enumerate(names):
        put(folder / name, f"1.0,{i},00,0\n")
    put(folder / "notes/readme.csv")
    put(folder / "train_02_with_attacks/DoS-1.csv.quarantine.csv")
    (folder / "test_05_suppress/suppress-1.csv.intervals.json").write_text('{"intervals_s": [[0.0, 1.0]]}')
    captures = datasets.captures("set_01", tmp_path)
    assert {c.name: (c.split, c.vehicle, c.attack) for c in captures} == names
    assert [c.split == "train" for c in captures] == [True] * 3 + [False] * 3
    assert all(c.data_kind == "real" and c.dataset == "set_01" for c in captures)


def test_twin_in_train_is_the_one_that_stays(tmp_path: Path) -> None:
    test = put(tmp_path / "set_02/test_01_known_vehicle_known_attack/DoS-1.csv")
    train = tmp_path / "set_02/train_02_with_attacks/DoS-1.csv.gz"
    train.parent.mkdir(parents=True)
    train.write_bytes(gzip.compress(test.read_bytes()))
    one, two = datasets.captures("set_02", tmp_path)
    assert (one.split, one.duplicate_of, two.split) == ("train", "", "test_01") and two.duplicate_of == one.name
    assert one.sha256 == hashlib.sha256(train.read_bytes()).hexdigest() != two.sha256
    assert one.frames().equals(two.frames())


def test_several_folders_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for top, name in (("a", "train_02_with_attacks/DoS-1.csv"), ("b", "train_02_with_attacks/DoS-2.csv")):
        put(tmp_path / top / "set_01" / name, f"1.0,{top},00,0\n")
        put(tmp_path / top / "set_01/README.csv", f"1.0,{top},11,0\n")  # no capture: what it holds does not matter
    monkeypatch.setenv("KDGAT_DATA", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    names = ["train_02_with_attacks/DoS-1.csv", "train_02_with_attacks/DoS-2.csv"]
    assert [c.name for c in datasets.captures("set_01")] == names
    twin = put(tmp_path / "b/set_01" / names[0], "1.0,a,00,0\n")
    assert [c.name for c in datasets.captures("set_01")] == names, "the same capture in both counts once"
    put(twin, "1.0,c,00,0\n")
    with pytest.raises(KdgatError, match=r"b/set_01/train_02_with_attacks/DoS-1.csv and .* with different content"):
        datasets.captures("set_01")


def test_listing_captures_opens_none_of_them(tmp_path: Path) -> None:
    """A blind choice lists datasets whose test captures lie in two folders."""
    for top in "ab":
        put(tmp_path / top / "set_01/test_01_known_vehicle_known_attack/DoS-1.csv", f"1.0,{top},00,0\n")
    both = Path(f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert len(datasets.files("set_01", both)) == 1, "though their content differs"
    with pytest.raises(KdgatError, match="with different content"):
        datasets.captures("set_01", both)


def test_a_folder_counts_once_and_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert len(datasets.root_folders(Path(f"{tmp_path}:{tmp_path / 'link'}:"))) == 1
    for text in (":", "::"):
        with pytest.raises(KdgatError, match="names no folder of captures"):
            datasets.absolute_root(text)


def test_a_colon_separates_folders_and_the_error_says_so(tmp_path: Path) -> None:
    put(tmp_path / "a:b/set_01/train_02_with_attacks/DoS-1.csv")
    with pytest.raises(
        KdgatError, match=r"no folder .*`:` separates folders, so that one with `:` in its name cannot be listed"
    ):
        datasets.captures("set_01", tmp_path / "a:b")


def test_unknown_and_missing_datasets_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(KdgatError, match=r"no dataset is called 'x'; known: hcrl-sa, .*synthetic"):
        datasets.captures("x", tmp_path)
    with pytest.raises(KdgatError, match="no folder"):
        datasets.captures("set_03", tmp_path)
    (tmp_path / "set_03").mkdir()
    with pytest.raises(KdgatError, match="no captures"):
        datasets.captures("set_03", tmp_path)


def drive(
    path: Path, ids: range, n: int = 400, shift: float = 0.0, forged: tuple[int, ...] = (), seed: int = 0
) -> Path:
    """A drive of a car that sends `ids`; forged frames of identifier 0x555 stand before the frames `forged`."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        if k in forged:
            rows.append(f"{k * 0.01 + shift:.6f},555,FF,1\n")
        rows.append(f"{k * 0.01 + shift:.6f},{ids[k % len(ids)]:03X},{int(rng.integers(0, 256)):02X},0\n")
    return put(path, "".join(rows))


IMPALA, TRAVERSE, SOUL = range(100, 120), range(102, 124), range(300, 320)


@pytest.fixture
def cars(tmp_path: Path) -> Path:
    """Captures of three cars, two of them sisters, in the folders of four datasets."""
    drive(tmp_path / "hcrl-sa/train_01_attack_free/attack-free-kia.csv", SOUL, seed=1)
    drive(tmp_path / "hcrl-sa/test_01_known_vehicle_known_attack/DoS-kia.csv", SOUL, forged=(50,), seed=2)
    drive(tmp_path / "set_01/train_02_with_attacks/DoS-1.csv", IMPALA, forged=(10, 11), seed=3)
    drive(tmp_path / "set_01/test_04_unknown_vehicle_unknown_attack/systematic-4.csv", TRAVERSE, forged=(9,), seed=4)
    drive(tmp_path / "set_02/train_01_attack_free/accessory-2.csv", TRAVERSE, seed=5)
    drive(tmp_path / "set_02/test_01_known_vehicle_known_attack/systematic-4.csv", TRAVERSE, forged=(9,), seed=4)
    drive(
        tmp_path / "set_04/test_02_unknown_vehicle_known_attack/rpm-2.csv",
        TRAVERSE,
        shift=0.001,
        forged=(7, 90),
        seed=5,
    )
    return tmp_path


def test_a_union_has_each_content_once(cars: Path, capsys: pytest.CaptureFixture) -> None:
    """Forged frames and shifted times make no other content; what training has seen is not scored."""
    train = sources.training_captures("universal", cars)
    assert {(c.name.split("/")[0], c.vehicle) for c in train} == {
        ("hcrl-sa", "soul"), ("set_01", "impala"), ("set_02", "traverse")
    }  # fmt: skip
    assert {c.split for c in train} == {"train"} and {c.dataset for c in train} == {"universal"}
    assert [c.split for c in sources.test_captures("universal", cars)] == ["hcrl-sa-test_01", "set_01-test_04"]
    assert "set_04/test_02_unknown_vehicle_known_attack/rpm-2.csv has the content of set_02/" in capsys.readouterr().out
    scored = sources.test_captures("universal-without-traverse", cars)
    splits = ["set_01-test_04", "set_02-left_out", "set_04-test_02"]
    assert [c.split for c in scored] == splits, "that car was not seen; with and without forged frames are two tests"
    assert {c.vehicle for c in sources.training_captures("universal-without-platform", cars)} == {"soul"}
    assert {c.vehicle for c in sources.training_captures("universal-without-traverse", cars)} == {"soul", "impala"}
    assert {c.vehicle for c in sources.training_captures("universal-without-impala", cars)} == {"soul", "traverse"}


def test_what_helped_to_choose_is_no_test_of_a_car_left_out(cars: Path) -> None:
    drive(cars / "set_02/train_01_attack_free/accessory-1.csv", TRAVERSE, seed=8)
    drive(cars / "set_02/train_02_with_attacks/untargeted_payload_fuzzing-1.csv", TRAVERSE, forged=(9,), seed=9)
    left_out = [c.name for c in sources.test_captures("universal-without-traverse", cars) if "left_out" in c.split]
    assert left_out == [
        "set_02/train_01_attack_free/accessory-2.csv",
        "set_02/train_02_with_attacks/untargeted_payload_fuzzing-1.csv",
    ]
    assert not any("left_out" in c.split for c in sources.test_captures("universal-without-impala", cars))


def test_a_union_trains_on_the_members_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(KdgatError, match=r"dataset universal: no training captures of hcrl-sa, set_01"):
        sources.training_captures("universal", tmp_path)
    drive(tmp_path / "set_04/test_02_unknown_vehicle_known_attack/rpm-2.csv", TRAVERSE)
    with pytest.raises(KdgatError, match="no training captures"):
        sources.training_captures("universal", tmp_path)
    drive(tmp_path / "set_02/train_01_attack_free/accessory-1.csv", TRAVERSE)
    assert len(sources.training_captures("universal", tmp_path)) == 1


def test_training_captures_are_listed_without_opening_a_test_folder(cars: Path) -> None:
    for name in ("set_01/test_04_unknown_vehicle_unknown_attack/systematic-4.csv", "hcrl-sa/test_01_x/DoS-kia.csv"):
        path = cars / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(cars / "nowhere")
    assert len(sources.training_captures("universal", cars)) == 3


def test_known_and_sister_cars_are_told_by_identifiers(cars: Path) -> None:
    train = sources.training_captures("universal-without-traverse", cars)
    training = Training.of((c, sources.benign_identifiers(c.frames())) for c in train)
    assert Training.from_dict(json.loads(json.dumps(training.to_dict()))) == training
    rows = {
        c.split: sources.dataset_row(c, c.frames(), Config(), training)
        for c in sources.test_captures("universal-without-traverse", cars)
    }
    facts = {split: (row["known_vehicle"], row["known_attack"], row["sisters"]) for split, row in rows.items()}
    assert facts == {
        "set_01-test_04": (False, False, "impala"),
        "set_02-left_out": (False, True, "impala"),
        "set_04-test_02": (False, False, "impala"),
    }


def test_listing_says_where_folders_and_identifiers_disagree(cars: Path, capsys: pytest.CaptureFixture) -> None:
    drive(cars / "set_02/test_03_known_vehicle_unknown_attack/gear-1.csv", SOUL, forged=(9,), seed=6)
    drive(cars / "set_02/test_02_unknown_vehicle_known_attack/rpm-1.csv", TRAVERSE, forged=(9,), seed=7)
    listing.listing(cars)
    out = capsys.readouterr().out.splitlines()
    lines = {
        next(w for w in line.split() if w.startswith("test_0") and "/" in w): line
        for line in out
        if " injected  test_" in line
    }
    assert "sister of impala in training" in lines["test_04_unknown_vehicle_unknown_attack/systematic-4.csv"]
    assert "folder" not in lines["test_03_known_vehicle_unknown_attack/gear-1.csv"].split("by identifiers")[1]
    assert "the folder says known vehicle" in lines["test_03_known_vehicle_unknown_attack/gear-1.csv"]
    other = lines["test_02_unknown_vehicle_known_attack/rpm-1.csv"]
    assert "by identifiers it is known" in other and "by training it is unknown" in other
    assert "its identifiers are those of traverse, not of forester" in other
    drive(cars / "set_03/test_01_known_vehicle_known_attack/DoS-1.csv", TRAVERSE, forged=(9,), seed=8)
    (report,) = listing.listed_all(cars)["set_03"]
    assert report.notes == ("its identifiers are those of traverse, not of silverado",), "a car is told across datasets"


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=6))
def test_a_recording_is_contained_where_its_frames_stand_in_order(longer: list[int], shorter: list[int]) -> None:
    slow = any(list(chosen) == shorter for chosen in combinations(longer, len(shorter)))
    assert contents.contains(np.array(longer, np.uint64), np.array(shorter, np.uint64)) == slow


def test_synthetic_dataset_needs_no_files() -> None:
    captures = sources.captures("synthetic")
    assert {c.split for c in captures} >= {"train", "test_01", "test_04"}
    assert all(c.data_kind == "synthetic" and c.frames().num_rows for c in captures)


def test_real_dataset_is_as_the_catalog_says(captures_root: Path, capsys: pytest.CaptureFixture) -> None:
    assert listing.listing(captures_root) == 0
    out = capsys.readouterr().out
    assert "13 captures, 1,908,595 frames, 183,314 injected" in out and out.count("as expected") == 14
    assert "copy of train_01_attack_free/attack-free-kia.csv" in out and "fetch set_04" in out
    assert "the folder says" not in out and "7 training captures (impala, sonata, soul), 7 test captures" in out


def test_listing_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    put(tmp_path / "hcrl-sa/train_02_with_attacks/DoS-kia.csv")
    put(tmp_path / "set_01/train_02_with_attacks/DoS-2.csv", "1.0,1,0,0\n")
    put(tmp_path / "set_02/test_01_known_vehicle_known_attack/DoS-9.csv")
    assert listing.listing(tmp_path) == 1
    out = capsys.readouterr().out
    assert "not as expected: hcrl-sa/train_02_with_attacks/DoS-kia.csv: frames 1, not 181901" in out
    assert "not as expected: set_01/train_02_with_attacks/DoS-2.csv: line 2" in out
    assert "1 captures stand in more than one dataset, 1 of them in train and in test" in out
    assert "not there: train_01_attack_free/attack-free-kia.csv" in out


def test_command_line(tmp_path: Path) -> None:
    def run(*args: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "kdgat.catalog", *args], capture_output=True, text=True, check=False
        )

    assert run("--root", str(tmp_path)).stdout.count("missing.") == 6
    refused = run("fetch", "nothing")
    assert refused.returncode == 2 and "Traceback" not in refused.stderr


FILES = {f"train_01_attack_free/attack-free-{i}.csv": HEADER.encode() + b"1.0,1,00,0\n" * 5000 * i for i in (1, 2)}


class Server:
    """Bitbucket's listing and raw files of one repository; the first answer to a file breaks off in its middle."""

    def __init__(self, ranges: bool = True) -> None:
        self.sent = dict.fromkeys(FILES, 0)
        self.requests: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                server.requests.append(self.path + " " + self.headers.get("Range", ""))
                if "/src/" in self.path:
                    self.answer(json.dumps(server.page(self.path)).encode())
                    return
                name = self.path.split("/set_02/")[1]
                data, status = FILES[name], 200
                if ranges and "Range" in self.headers:
                    data, status = data[int(self.headers["Range"][6:-1]) :], 206
                cut = len(data) // 2 if server.sent[name] == 0 else len(data)
                server.sent[name] += 1
                self.answer(data, status, cut)

            def answer(self, data: bytes, status: int = 200, cut: int | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[:cut])

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def page(self, path: str) -> dict:
        if "train" not in path:
            folder = {"type": "commit_directory", "path": "set_02/train_01_attack_free"}
            return {"values": [folder, {"type": "commit_file", "path": "set_02/README.md", "size": 3}]}
        files = [{"type": "commit_file", "path": f"set_02/{n}", "size": len(d)} for n, d in FILES.items()]
        if "page=2" in path:
            return {"values": files[1:]}
        return {"values": files[:1], "next": f"{self.url}{path.split('?')[0]}?page=2"}

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_fetch_goes_on_where_it_broke_off(ranges: bool, tmp_path: Path) -> None:
    server = Server(ranges)
    try:
        for _ in range(2):
            download.fetch("set_02", tmp_path, api=server.url, raw=server.url)
        for name, data in FILES.items():
            assert (tmp_path / "set_02" / name).read_bytes() == data
    finally:
        server.close()
    raw = [r for r in server.requests if "/raw/" in r]
    assert len(raw) == 4 and sum("bytes=" in r for r in raw) == 2, "each file twice, and not again by the second fetch"
    assert not list(tmp_path.rglob("*.part"))


def test_fetch_refuses_another_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(iter(FILES))
    monkeypatch.setitem(datasets.entries()["set_02"], "expected", {name: {"sha256": "0" * 64}})
    server = Server()
    try:
        with pytest.raises(KdgatError, match=r"sha256 .* by hand: .*set_02/"):
            download.fetch("set_02", tmp_path, api=server.url, raw=server.url)
    finally:
        server.close()
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_fetch_without_network_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KdgatError) as caught:
        download.fetch("set_04", tmp_path, api="http://127.0.0.1:9", raw="http://127.0.0.1:9")
    message = str(caught.value)
    assert "10.11583/DTU.24805533" in message and str(tmp_path / "set_04") in message and "CC BY 4.0" in message
