"""What a stranger hands over: small files that grow, names that are markup, servers that lie, text that a terminal obeys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import import_results
from analysis.freeze import freeze
from analysis.releases import release as releases
from analysis.releases import runs
from analysis.releases.release import Release
from kdgat import records, runtime, terminal
from kdgat.captures import attack_intervals
from kdgat.captures.frames import Frames
from kdgat.captures.quarantine import BadRow, write_quarantine
from kdgat.captures.reader import read
from kdgat.catalog import datasets, download
from kdgat.config import Config, override
from kdgat.errors import CaptureError, KdgatError
from kdgat.synthetic import commands
from tests.analysis.fake_run import make
from tests.mutation import mutations


def frames(n: int = 400) -> Frames:
    t = np.arange(n) * 0.01
    return Frames(
        t, np.full(n, 0x100, np.uint32), np.full(n, 8, np.uint8), np.zeros((n, 8), np.uint8), np.zeros(n, np.uint8)
    )


# ---- Parquet -------------------------------------------------------------------------------------------------------------


def peak(code: str) -> tuple[str, int]:
    """Output of Python code, and the most memory (MB) that it took.

    `ru_maxrss` would count what the process was started from, since it outlives exec.
    """
    peak = "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    done = subprocess.run([sys.executable, "-c", f"import sys\n{code}\n{peak}"], capture_output=True, text=True)
    *lines, rss = (done.stdout or "0").split("\n")[:-1]
    return "\n".join(lines) + done.stderr, int(rss) // 1024


def test_a_capture_whose_ids_are_long_texts_is_refused_unread(tmp_path):
    table = frames(60_000).to_table()
    ids = pa.DictionaryArray.from_arrays(np.zeros(60_000, np.int32), pa.array(["1" * 1_000_000]))
    pq.write_table(table.set_column(1, "id", ids), tmp_path / "c.parquet")
    assert (tmp_path / "c.parquet").stat().st_size < 2_000_000
    message, used = peak(
        "from kdgat.captures.reader import read\nfrom kdgat.errors import CaptureError\n"
        f"try: read({str(tmp_path / 'c.parquet')!r})\nexcept CaptureError as e: print(e)"
    )
    assert "column 'id' is byte_array: no numbers" in message and used < 2500  # unfolded, the texts would take 60 GB


def test_a_release_whose_texts_unfold_to_a_flood_is_refused(tmp_path, monkeypatch):
    release = freeze("r1", *make(), root=tmp_path)
    runs = release.table("runs")
    at = runs.column_names.index("machine")
    machine = pa.array(["x" * 900] * runs.num_rows)
    mutations.refit(release.path, "runs", runs.set_column(at, runs.schema.field(at), machine))
    assert Release(release.path).table("runs").num_rows == runs.num_rows
    monkeypatch.setattr(releases, "MAX_TEXT_BYTES", 5_000)
    with pytest.raises(KdgatError, match="unfolds to up to"):
        Release(release.path).table("runs")


# ---- intervals beside a capture -------------------------------------------------------------------------------------------


def beside(folder: Path, text: str) -> Path:
    capture = folder / "c.parquet"
    pq.write_table(frames().to_table(), capture)
    capture.with_name(capture.name + attack_intervals.SUFFIX).write_text(text)
    return capture


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"intervals_s": [[0, 1' + "0" * 400 + "]]}", "a number of 401 digits"),
        ('{"intervals_s": [[0, 1e999]]}', "an interval from 0 to inf s"),
        ('{"intervals_s": [[0, "a"]]}', "could not convert"),
        ('{"intervals_s": 3}', "no intervals of an attack"),
    ],
)
def test_intervals_that_are_none_are_one_line(tmp_path, text, reason):
    capture = beside(tmp_path, text)
    with pytest.raises(CaptureError, match=reason):
        attack_intervals.labelled(read(capture), capture)


def test_many_intervals_label_as_each_by_itself(tmp_path):
    rng = np.random.default_rng(0)
    begin = rng.random(2000) * 4
    intervals = np.column_stack([begin, begin + rng.random(2000) * 0.01])
    capture = beside(tmp_path, json.dumps({"intervals_s": intervals.tolist()}))
    labels = attack_intervals.labelled(read(capture), capture)["label"].to_numpy()
    t = np.arange(400) * 0.01
    assert (
        labels == ((t[:, None] >= intervals[:, 0]) & (t[:, None] < intervals[:, 1])).any(1)
    ).all() and 0 < labels.sum() < 400


def test_labels_beside_a_capture_are_hashed_with_it(tmp_path):
    capture = beside(tmp_path, '{"intervals_s": [[0, 1]]}')
    first = datasets.hashes(capture)
    beside(tmp_path, '{"intervals_s": [[0, 2]]}')
    assert datasets.hashes(capture) != first
    capture.with_name(capture.name + attack_intervals.SUFFIX).unlink()
    assert datasets.hashes(capture)[0] not in first


# ---- names and text --------------------------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>", "`x`{=html}", "![](kdgat/paths.py)", "[x](javascript:1)", "a\x1b[2Ja", "a\u202eb", "$(id)",
    "a|b", "{{< include x >}}", "a\\input{x}", "a\nb", "x" * 1001,
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_table_holds_a_name_that_is_markup(name):
    row = {"dataset": "d", "model": "gat-student", "layer": "head.0", "shape": "2x2", "count": 4}
    assert records.table("parameters", [row]).num_rows == 1
    for column in ("dataset", "model", "layer"):
        with pytest.raises(records.RecordError, match="characters that no such text has"):
            records.table("parameters", [row | {column: name}])


def test_a_terminal_obeys_no_name(capsys):
    terminal.error("no release 'a\x1b[2J\u202eb\x07'")
    assert capsys.readouterr().err == "error: no release 'a\\x1b[2J\\u202eb\\x07'\n"


def test_no_cell_of_a_quarantine_file_is_a_formula(tmp_path):
    rows = [BadRow(1, "row", "odd", c) for c in ("=1+1", " @x", "+1", "-1", "a\x1bb", "plain")]
    write_quarantine(tmp_path / "q.csv", rows, tmp_path)
    lines = (tmp_path / "q.csv").read_text().splitlines()[1:]
    assert [line.split(",")[3] for line in lines] == ["'=1+1", "' @x", "'+1", "'-1", "a\\x1bb", "plain"]


# ---- numbers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["37", "-0.1", "1e308", "1e999", "nan"])
def test_no_imported_f1_is_beyond_what_f1_is(tmp_path, value):
    (tmp_path / "r.csv").write_text(f"dataset,scenario,model,metric,value\nd,s,m,f1,{value}\n")
    with pytest.raises(CaptureError, match="value: "):
        import_results.parse(tmp_path / "r.csv")


@pytest.mark.parametrize(("setting", "value"), [("gat_student.dropout", float("nan")), ("training.epochs", -1)])
def test_no_setting_is_nan_or_negative(setting, value):
    with pytest.raises(KdgatError, match=f"setting {setting}"):
        override(Config(), {setting: value})


@pytest.mark.parametrize("seconds", [float("nan"), -1.0, 0.0, 1e12])
def test_a_capture_of_no_length_is_not_written(tmp_path, seconds):
    with pytest.raises(KdgatError, match="a capture lasts"):
        commands.write_capture(tmp_path / "c.log", "candump", "dos", 0.001, seconds, 0)
    with pytest.raises(KdgatError, match="an attack lasts"):
        commands.evaders(0.001, seconds, 1, 0)
    assert not list(tmp_path.iterdir())


# ---- servers ----------------------------------------------------------------------------------------------------------------


class Hostile:
    """A server that answers every listing with what it was given, and every file with more than it announced."""

    def __init__(self, answer: object) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = answer(self.server.server_port) if callable(answer) else answer
                if isinstance(text, str) and text.startswith("to "):
                    self.send_response(302)
                    self.send_header("Location", text[3:])
                    self.end_headers()
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write((text if isinstance(text, str) and "src" in self.path else "x" * 1000).encode())

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


def listing(path: object, size: object = 3, **more: object) -> str:
    return json.dumps({"values": [{"type": "commit_file", "path": path, "size": size}], **more})


#: what a server answers → what is said
ANSWERS = {
    "a list": ("[]", "list indices"),
    "a number": ("3", "not subscriptable"),
    "nesting": ("[" * 100_000, "recursion"),
    "a folder above": (listing("set_04/../../x.csv"), "strange file name"),
    "a number for a name": (listing(7), "strange file name '7'"),
    "a number for a page": (listing("set_04/x.csv", next=7), "strange next page '7'"),
    "a word for a size": (listing("set_04/x.csv", "many"), "strange size"),
    "a negative size": (listing("set_04/x.csv", -1), "strange size"),
    "petabytes": (listing("set_04/x.csv", 1 << 50), "strange size"),
    "more than announced": (listing("set_04/x.csv"), "longer than the 3 bytes"),
    "a next page on disk": (listing("set_04/x.csv", next="file:///etc/passwd"), "strange next page"),
    "the same page again": (lambda port: listing("set_04/x.csv", next=f"http://127.0.0.1:{port}/x?src"), "strange next page"),
    "a redirect to a file": ("to file:///etc/passwd", "leads to|not allowed"),
    "a redirect to ftp": ("to ftp://127.0.0.1/x", "leads to"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_hostile_server_ends_in_one_line(tmp_path, kind):
    answer, reason = ANSWERS[kind]
    server = Hostile(answer)
    try:
        with pytest.raises(KdgatError, match=rf"set_04 cannot be fetched \(.*({reason}).*\); by hand"):
            download.fetch("set_04", tmp_path, api=server.url, raw=server.url)
    finally:
        server.server.shutdown()
    assert not list(tmp_path.rglob("*.csv"))


# ---- shared computers ----------------------------------------------------------------------------------------------------


def test_what_metaflow_keeps_and_unpickles_lies_in_the_work_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path / "work"))
    monkeypatch.delenv("METAFLOW_CLIENT_CACHE_PATH", raising=False)
    runtime.configure()
    assert os.environ["METAFLOW_CLIENT_CACHE_PATH"] == str(tmp_path / "work" / "metaflow-client")


def test_a_blob_that_somebody_put_into_metaflows_cache_is_not_unpickled(tmp_path, monkeypatch):
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    runtime.configure()
    from metaflow.client import filecache

    monkeypatch.setattr(filecache, "FileBlobCache", filecache.FileBlobCache)  # as it was, afterwards
    runs.check_blobs.__wrapped__()
    cache = filecache.FileBlobCache(filecache.FileCache(cache_dir=str(tmp_path / "cache")), "local")
    key = sha1(b"an artifact").hexdigest()
    cache.store_key(key, b"an artifact")
    assert cache.load_key(key) == b"an artifact"
    (blob,) = (tmp_path / "cache").rglob(f"{key}.blob")
    blob.write_bytes(b"another pickle")
    assert cache.load_key(key) is None
