"""Freeze: same runs, same bytes; refusals; immutability; index and pointer."""

from __future__ import annotations

import hashlib
import json
import shutil
from types import SimpleNamespace

import fake_run
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from analysis import freeze as freezing
from analysis import verify
from analysis.checks.extension import extension
from analysis.checks.verification import verify_release
from analysis.freeze import FreezeError, Policy, check_extended, concatenate, freeze
from analysis.releases import runs
from analysis.releases.assemble import standing
from analysis.releases.release import Release
from kdgat import records
from kdgat.errors import KdgatError
from kdgat.paths import REPO

MODEL = "gbm-baseline"


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_runs_give_same_bytes_in_any_order_of_tasks(run, frozen):
    tables, weights = run
    parts = [{name: table} for name, table in tables.items()]
    halves = [{"metrics": tables["metrics"].slice(0, 100)}, {"metrics": tables["metrics"].slice(100)}]
    others = [p for p in parts if "metrics" not in p]
    freeze("a", concatenate([*halves, *others]), weights, root=frozen / "1")
    freeze("a", concatenate([*reversed(others), *reversed(halves)]), dict(reversed(weights.items())), root=frozen / "2")
    assert contents(frozen / "1" / "a") == contents(frozen / "2" / "a")


def test_release_holds_what_the_runs_held(run, release):
    tables, weights = run
    for name, table in tables.items():
        assert release.table(name).equals(records.validate(name, table))
    for path, data in weights.items():
        assert release.weight(f"weights/{path}") == data
    manifest = release.manifest
    assert manifest["seeds"] == [0, 1]
    assert manifest["code"]["commits"] == ["a" * 40]
    assert manifest["flow_runs"] == [fake_run.FLOW_RUN]
    assert manifest["datasets"]["hcrl-sa"]["data_hashes"] == tables["runs"]["data_hash"].unique().to_pylist()
    assert len(manifest["runs"]) == tables["runs"].num_rows


def test_rows_stated_by_several_tasks_are_kept_once_and_mismatches_refused(run):
    parameters = run[0]["parameters"]
    assert concatenate([{"parameters": parameters}] * 3)["parameters"].num_rows == parameters.num_rows
    other = parameters.set_column(
        parameters.schema.get_field_index("count"),
        parameters.schema.field("count"),
        pa.array([c + 1 for c in parameters["count"].to_pylist()], pa.int64()),
    )
    with pytest.raises(records.RecordError, match="parameters: two rows share the key"):
        concatenate([{"parameters": parameters}, {"parameters": other}])


def changed(tables, name, column, change):
    """The tables with every value of a column changed."""
    table = tables[name]
    at = table.schema.get_field_index(column)
    values = pa.array([change(v) for v in table[column].to_pylist()], table.schema.field(at).type)
    return tables | {name: table.set_column(at, table.schema.field(at), values)}


def of_model(tables, model, *, inverted=False):
    """The rows of one model, or (`inverted`) of all others; what belongs to no model is kept."""
    out = {}
    for name, table in tables.items():
        if name == "predictions":
            scored = records.scored_models(table)
            out[name] = table.select([c for c in table.column_names if c not in scored or (c == model) != inverted])
            continue
        for column in {"model", "other"} & set(table.column_names):
            of_it = pc.equal(table[column], model)
            table = table.filter(pc.invert(of_it) if inverted else of_it if column == "model" else pc.is_valid(of_it))
        out[name] = table
    runs = out["runs"]["run"]
    return out | {"hyperparameters": out["hyperparameters"].filter(pc.is_in(out["hyperparameters"]["run"], runs))}


def test_a_release_is_extended_by_a_model_of_fewer_seeds(run, frozen):
    tables, weights = run
    tables = {name: table for name, table in tables.items() if name != "differences"}  # a family of all models
    base = of_model(tables, MODEL, inverted=True)
    freeze("base", base, weights)
    more = of_model(tables, MODEL)
    more = {
        name: table for name, table in more.items() if name in ("runs", "hyperparameters", "metrics", "predictions")
    }
    few = {name: t.filter(pc.equal(t["seed"], 0)) if "seed" in t.column_names else t for name, t in more.items()}
    with pytest.raises(FreezeError, match="contradict each other"):  # a mean over two seeds, and one of them
        union = concatenate([base, few, {"summary": tables["summary"]}])
        freeze("wrong", union, weights, extended=Release.open("base"))
    assert concatenate([base, more])["predictions"].equals(records.validate("predictions", tables["predictions"]))
    whole = freeze("whole", tables, weights, extended=Release.open("base"))
    assert whole.manifest["extends"]["release"] == "base"
    assert verify_release(whole.path) == []
    anew = changed(tables, "benchmarks", "value", lambda v: 2 * v)  # of the machine of the freeze
    assert verify_release(freeze("anew", anew, weights, extended=Release.open("base")).path) == []
    other = changed(tables, "summary", "ci_low", lambda v: v and v / 2)
    freeze("other", other, weights, extended=Release.open("base"))
    assert any("summary" in p for p in extension(Release.open("other"), Release.open("other").contents()))


@pytest.fixture
def extended(run, frozen):
    """A release `whole` that extends `base`, of the same run."""
    tables, weights = run
    few = {file: data for file, data in weights.items() if "-s0" in file}
    base = freeze("base", tables, few)
    return freeze("whole", tables, weights, extended=base)


def ablated(tables, flow_run, n_seeds):
    """The tables with ablations of a flow run of its own: each level is run with so many seeds."""
    one = next(row for row in tables["runs"].to_pylist() if row["model"] == "gat-student")
    settings = [r for r in tables["hyperparameters"].to_pylist() if r["run"] == one["run"]]
    levels = sorted({(r["factor"], r["level"]) for r in tables["ablations"].to_pylist()})
    runs, hyperparameters = [], []
    for number, (factor, level) in enumerate(levels):
        for seed in range(n_seeds):
            run = f"{flow_run}/variant/{number * n_seeds + seed}/ablation"
            of_level = {"stage": "ablation", "model": f"gat-student ({factor}: {level})", "parameters": 1000}
            runs.append(one | of_level | {"run": run, "flow_run": flow_run, "seed": seed})
            hyperparameters += [r | {"run": run} for r in settings]
    more = {"runs": records.table("runs", runs), "hyperparameters": records.table("hyperparameters", hyperparameters)}
    return changed(concatenate([tables, more]), "ablations", "n_seeds", lambda _: n_seeds)


def test_ablations_repeated_with_more_seeds_stand_for_those_of_the_release_that_is_extended(run, frozen):
    tables, weights = run
    few, more = ablated(tables, "AblationFlow/1", 1), ablated(tables, "AblationFlow/2", 2)
    base = freeze("base", few, weights)
    assert standing(few, few)["runs"].equals(few["runs"])  # as many seeds are no more: what differs is refused
    whole = freeze("whole", concatenate([standing(few, more), more]), weights, extended=base)
    assert whole.table("ablations").equals(records.validate("ablations", more["ablations"]))
    assert "AblationFlow/1" not in whole.manifest["flow_runs"]
    assert verify_release(whole.path) == []
    kept = more["ablations"].filter(pc.not_equal(more["ablations"]["factor"], "edges"))
    assert standing(few, more | {"ablations": kept})["ablations"].num_rows == few["ablations"].num_rows


def test_a_changed_release_is_neither_extended_nor_taken_for_what_was(extended, frozen, capsys):
    base = Release.open("base")
    rows = changed(base.contents(), "parameters", "count", lambda n: n + 1)["parameters"]
    (frozen / "base" / "parameters.parquet").write_bytes(records.parquet_bytes(rows))
    with pytest.raises(KdgatError, match=r"parameters\.parquet was changed after the freeze"):
        check_extended("other", base, frozen)
    assert ["parameters.parquet was changed after the freeze" in p for p in verify_release(extended.path)] == [True]
    (frozen / "base" / "manifest.json").write_text("{")
    assert ["base: manifest.json is not JSON" in p for p in verify_release(extended.path)] == [True]
    shutil.rmtree(frozen / "base")
    assert verify.run(["whole"]) == 0  # also where none is shown
    assert "rows of base not compared: it is not here" in capsys.readouterr().out


def test_only_what_anybody_can_compare_is_extended(run, extended, frozen, tmp_path):
    tables, weights = run
    some = {file: data for file, data in weights.items() if file != "hcrl-sa/gat-student-s0.onnx"}
    few = freeze("few", tables, some, extended=Release.open("base"))
    assert verify_release(few.path) == ["few: weights/hcrl-sa/gat-student-s0.onnx is not that of base"]
    with pytest.raises(FreezeError, match="local-1 is local and never published"):
        check_extended("other", freeze("local-1", tables, weights), frozen)
    with pytest.raises(FreezeError, match="only a release there is extended"):
        check_extended("other", Release.open("base"), tmp_path)
    with pytest.raises(FreezeError, match=r"demo-1 is of an older form, without datasets\.known_vehicle"):
        check_extended("other", Release(REPO / "data/frozen/demo-1"), REPO / "data/frozen")


@pytest.mark.parametrize(("one", "other"), [(0.25, 0.5), (0.5, float("nan")), (float("nan"), 0.5), (0.0, -0.0)])
def test_two_runs_that_score_windows_differently_are_refused(one, other, run):
    scores = {"predictions": run[0]["predictions"].slice(0, 50)}
    parts = [changed(scores, "predictions", MODEL, lambda _, value=value: value) for value in (one, other)]
    with pytest.raises(records.RecordError, match=f"score 50 windows differently with {MODEL}"):
        concatenate(parts)


def test_refusals_name_the_option_that_allows_them(run, frozen):
    tables, weights = run

    def with_runs(column, value, name="runs", every=False):
        table = tables[name]
        i = table.schema.get_field_index(column)
        values = [value, *([value] * (len(table) - 1) if every else table[column].to_pylist()[1:])]
        return tables | {
            name: table.set_column(i, table.schema.field(column), pa.array(values, table.schema.field(i).type))
        }

    synthetic = with_runs("data_kind", "synthetic", every=True)
    synthetic["datasets"] = with_runs("data_kind", "synthetic", "datasets", every=True)["datasets"]

    for changed, option, policy in (
        (with_runs("dirty", True), "--allow-dirty", Policy(allow_dirty=True)),
        (synthetic, "--allow-synthetic", Policy(allow_synthetic=True)),
        (with_runs("commit", "b" * 40), "--mixed-commits", Policy(mixed_commits="a fix of a plot")),
    ):
        with pytest.raises(FreezeError, match=option):
            freeze("r", changed, weights)
        assert not (frozen / "r").exists()
        freeze(f"r{option}", changed, weights, policy)
    assert Release.open("r--mixed-commits").manifest["mixed_commits_reason"] == "a fix of a plot"
    with pytest.raises(FreezeError, match="2 seeds, 3 asked"):
        freeze("r", tables, weights, Policy(min_seeds=3))


def test_contradicting_tables_are_refused(run, frozen):
    tables, weights = run
    confusion = tables["confusion"].to_pylist()
    confusion[0]["tp"] += 1
    with pytest.raises(FreezeError, match="contradict"):
        freeze("r", tables | {"confusion": records.table("confusion", confusion)}, weights)
    assert not (frozen / "r").exists()


def test_release_is_immutable_and_freezing_it_again_is_idempotent(run, other_run, release, frozen):
    before = contents(frozen)
    freeze("r1", *run)
    assert contents(frozen) == before
    with pytest.raises(FreezeError, match="immutable"):
        freeze("r1", *other_run)
    assert contents(frozen) == before


def test_interrupted_freeze_is_finished_by_the_next(run, release, frozen):
    (frozen / "index.json").unlink()
    (frozen / "current").unlink()
    (frozen / ".r9.half").mkdir()
    freeze("r1", *run, current=True)
    assert json.loads((frozen / "index.json").read_text())["r1"]["manifest_sha256"] == release.manifest_sha256
    assert (frozen / "current").read_text() == "r1\n"
    assert not (frozen / ".r9.half").exists()


def test_only_current_moves(run, other_run, release, frozen):
    freeze("r2", *other_run)
    assert Release.open().name == "r1"
    freeze("r3", *other_run, current=True)
    assert Release.open().name == "r3"
    freeze("local-7", *run)
    assert sorted(json.loads((frozen / "index.json").read_text())) == ["r1", "r2", "r3"]


def test_names_that_could_leave_the_folder_are_refused(run, frozen):
    for name in ("../x", "A", "a/b", "", ".x"):
        with pytest.raises(FreezeError, match="cannot name a release"):
            freezing.freeze(name, *run)


def test_a_dataset_that_could_leave_the_folder_is_refused(run, frozen):
    """Before anything is written: a release that no reader would open must not exist."""
    tables, weights = run
    odd = {
        name: pa.table(
            [pa.array(["a b"] * len(t), pa.string()) if c == "dataset" else t[c] for c in t.column_names],
            schema=t.schema,
        )
        for name, t in tables.items()
        if "dataset" in t.column_names
    }
    with pytest.raises(KdgatError, match="refused path"):
        freezing.freeze("r1", tables | odd, weights)
    assert not (frozen / "r1").exists()


def test_the_command_prints_every_table_and_its_size(run, frozen, monkeypatch, capsys):
    """`kdgat freeze` on runs that are there; only reading them from Metaflow's store is left out."""
    from analysis.checks import tracker
    from analysis.releases import runs

    tables, weights = run
    monkeypatch.setattr(runs, "select", lambda *_, **__: [])
    monkeypatch.setattr(runs, "read", lambda _: ([tables], weights))
    monkeypatch.setattr(tracker, "check", lambda *_: [])
    assert freezing.run(freezing.Selection(["1"]), name="r1") == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in tables)
    parts = Release.open("r1").manifest["tables"]["predictions"]["parts"]
    assert f"{sum(part['bytes'] for part in parts):,} bytes" in printed


def test_readings_of_committed_releases_are_joined(run, frozen):
    tables, weights = run
    own = tables["readings"]
    earlier = own.to_pylist()[0] | {"time": "2025-12-31T00:00:00Z", "reader": "KDGATFlow/elsewhere/evaluate/1"}
    later = earlier | {"time": "2031-01-01T00:00:00Z"}
    other = records.table("readings", [earlier, later])
    freeze("before", {**tables, "readings": other}, weights, root=frozen)
    union = freezing.all_readings(tables, frozen)["readings"]
    rows = union.to_pylist()
    assert earlier in rows and later not in rows and len(rows) == own.num_rows + 1
    after = freeze("after", {**tables, "readings": union}, weights, root=frozen)
    assert freezing.all_readings(tables, frozen)["readings"].equals(union), "freezing again gives the same table"
    assert after.manifest["tables"]["readings"]["content_hash"] == records.content_hash(union)


def test_what_a_slurm_job_left_is_held_against_the_store(run, frozen, monkeypatch):
    tables, weights = run
    row = tables["runs"].to_pylist()[0]
    evidence = {"slurm_job": "41", "slurm_node": "node7", "slurm_allocation": '{"partition": "gpu"}'}
    rows = records.table("runs", [row | evidence, *tables["runs"].to_pylist()[1:]])
    with pytest.raises(FreezeError, match=r"ran as SLURM job 41, but its node, allocation or log is missing"):
        freeze("r", tables | {"runs": rows}, weights)

    notes = [SimpleNamespace(name="slurm-job-id", value="40"), SimpleNamespace(name="slurm-job-id", value="41")]
    task = SimpleNamespace(metadata=notes, stdout="epoch 1\n", stderr="")
    monkeypatch.setattr(
        runs, "_client", lambda: SimpleNamespace(Task={row["run"].rpartition("/")[0]: task}.__getitem__)
    )
    hashes = runs.log_hashes(rows.to_pylist())
    assert hashes == {row["run"]: hashlib.sha256(b"epoch 1\n").hexdigest()}
    release = freeze("r", tables | {"runs": freezing.with_logs(rows, hashes)}, weights)
    kept = {r["run"]: r for r in release.table("runs").to_pylist()}
    assert kept.pop(row["run"]) == row | evidence | {"log_hash": hashes[row["run"]]}
    assert {r["slurm_job"] for r in kept.values()} == {None}

    notes.append(SimpleNamespace(name="slurm-node", value="node8"))
    with pytest.raises(runs.RunError, match="slurm_node is node7 in its record and node8 in the store's note"):
        runs.log_hashes(rows.to_pylist())
    task.stdout, task.metadata = "", []
    with pytest.raises(runs.RunError, match="no output of its task"):
        runs.log_hashes(rows.to_pylist())


def test_records_from_before_a_column_was_added_can_be_frozen(run):
    rows = run[0]["runs"]
    late = ["slurm_job", "slurm_node", "slurm_allocation", "log_hash"]
    old, sink = rows.drop_columns(late), pa.BufferOutputStream()
    with pa.ipc.new_file(sink, old.schema) as writer:
        writer.write_table(old)
    assert records.load({"runs": sink.getvalue().to_pybytes()})["runs"].equals(rows)
