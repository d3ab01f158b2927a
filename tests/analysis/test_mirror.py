"""The tracker's log against the record: equal, differing, shorter, torn, missing."""

from __future__ import annotations

import json
import struct
import zlib

import pytest

from analysis import wandb_report
from analysis.checks import tracker
from kdgat import records
from kdgat.errors import KdgatError

pytest.importorskip("wandb")


def write_log(path, rows, *, finished=True):
    """A W&B log of `rows` (metric → value), framed as LevelDB does, records split over blocks."""
    from wandb.proto import wandb_internal_pb2

    out = bytearray(struct.pack("<4sHB", b":W&B", 0xBEE1, 0))
    messages = []
    for row in rows:
        record = wandb_internal_pb2.Record()
        for name, value in row.items():
            item = record.history.item.add()
            item.key, item.value_json = name, json.dumps(value)
        messages.append(record.SerializeToString())
    if finished:
        record = wandb_internal_pb2.Record()
        record.exit.exit_code = 0
        messages.append(record.SerializeToString())
    for message in messages:
        begin = True
        while begin or message:
            room = 32 * 1024 - len(out) % (32 * 1024)
            if room < 7:
                out += bytes(room)
                room = 32 * 1024
            part, message = message[: room - 7], message[room - 7 :]
            kind = (1 if not message else 2) if begin else (4 if not message else 3)
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + part), len(part), kind) + part
            begin = False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out)


@pytest.fixture
def tables(run):
    """Two mirrored runs with their curves."""
    runs = [r | {"tracker": "wandb", "tracker_id": f"id{i}"} for i, r in enumerate(run[0]["runs"].to_pylist()[:2])]
    names = {r["run"] for r in runs}
    curves = [r for r in run[0]["curves"].to_pylist() if r["run"] in names]
    return {"runs": records.table("runs", runs), "curves": records.table("curves", curves)}


def logged(tables, number):
    """What the tracker was told of a run, epoch by epoch, with a long text between."""
    run = tables["runs"].to_pylist()[number]["run"]
    rows = []
    for epoch in range(4):
        values = {
            r["metric"]: r["value"] for r in tables["curves"].to_pylist() if (r["run"], r["epoch"]) == (run, epoch)
        }
        rows += [values, {"note": "x" * 30_000}]
    return rows


def place(folder, number):
    return folder / "wandb" / f"offline-run-{number}" / f"run-id{number}.wandb"


def test_equal_values_pass_over_block_borders(tables, tmp_path):
    for number in (0, 1):
        write_log(place(tmp_path, number), logged(tables, number))
    assert tracker.check(tables, tmp_path) == []
    values, finished = tracker.history(place(tmp_path, 0))
    assert finished and len(values["train_loss"]) == 4


def test_a_differing_value_is_an_error(tables, tmp_path):
    rows = logged(tables, 0)
    rows[2]["train_loss"] += 0.001
    write_log(place(tmp_path, 0), rows)
    with pytest.raises(tracker.MirrorError, match=r"train_loss of epoch 1 is .* in W&B run id0"):
        tracker.check(tables, tmp_path)


def test_a_killed_or_missing_mirror_is_a_warning(tables, tmp_path):
    write_log(place(tmp_path, 0), logged(tables, 0)[:4], finished=False)
    warnings = tracker.check(tables, tmp_path)
    assert sorted(w.split(": ")[1] for w in warnings) == [
        "W&B run (killed) holds 2 of 4 values of train_loss",
        "W&B run (killed) holds 2 of 4 values of val_loss",
        "no log of W&B run id1 below the work folder",
    ]


def test_a_torn_tail_is_read_to_the_cut(tables, tmp_path):
    log = place(tmp_path, 0)
    write_log(log, logged(tables, 0))
    whole = log.read_bytes()
    log.write_bytes(whole[:70_000])
    values, finished = tracker.history(log)
    assert not finished and 1 <= len(values["train_loss"]) < 4
    damaged = bytearray(whole)
    damaged[60] ^= 1
    log.write_bytes(damaged)
    assert tracker.history(log) == ({}, False)
    log.write_bytes(b"PK\x03\x04")
    with pytest.raises(tracker.MirrorError, match="not a log of W&B"):
        tracker.history(log)


def test_a_report_at_wandb_shows_the_headline_and_the_runs_of_the_release(shared_release):
    report = wandb_report.definition(shared_release, "lab", "kd-gat")
    table, grid = report.blocks[1], report.blocks[3]
    assert table.text.count("GAT") == 0 and table.text.count("| hcrl-sa |") == 8, "four scenarios, two protocols"
    assert [runs.filters for runs in grid.runsets] == [
        f"Group == '{flow}'" for flow in shared_release.manifest["flow_runs"]
    ]
    assert [panel.title for panel in grid.panels] == ["train_loss"]
    assert shared_release.manifest_sha256 in report.description


def test_a_report_wants_a_key(monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(KdgatError, match="WANDB_API_KEY is not set"):
        wandb_report.run(None, None, None)
