"""Keys, how values are written, tables, figures, traces and queries."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from analysis import prerender, sql, trace
from analysis.figures import statics
from analysis.figures.style import style
from analysis.freeze import freeze
from analysis.numbers import KeyUnknown, Numbers
from analysis.numbers.effects import windows_of
from analysis.numbers.trace import difference
from analysis.numbers.values import data_note
from analysis.reference import labels
from analysis.reference.format import by_metric, count, interval, plain
from analysis.reference.queries import queries
from analysis.tables import results
from kdgat import records
from kdgat.errors import KdgatError
from kdgat.evaluation.alarms import delays, rising

HEADLINE = "hcrl_sa.test_01.gat_student.zero_shot.f1"


@pytest.fixture(scope="module")
def numbers(shared_release):
    return Numbers(shared_release)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("f1", 0.5, "0.500"),
        ("f1", 1.0, "1.000"),
        ("f1", 0.99961, "0.9996"),
        ("f1", 0.999999, "0.9999"),  # never 1.000 for what is not exactly 1
        ("f1", None, "n/a"),
        ("false_alarms", 34.5, "34.5"),
        ("false_alarms", 1234.6, "1,235"),  # no decimal where it says nothing
        ("mcc", -0.12345, "-0.123"),
    ],
)
def test_metrics_as_text(metric, value, text):
    assert by_metric(metric, value) == text


def test_other_values_as_text():
    assert [plain(v) for v in (401.2, 0.5512, 12.34, 0, 98400, 0.00001234, None)] == [
        *("401", "0.551", "12.3", "0", "98,400", "0.000012", "n/a")
    ]
    assert count(1598906) == "1,598,906"
    assert interval("f1", 0.98, 1.0) == "0.980–1.000"


def test_a_key_of_a_metric(numbers, shared_release):
    number = numbers[HEADLINE]
    row = shared_release.rows(number.query)[0]
    assert number.value == row["mean"]
    assert (number.low, number.high, number.n_seeds) == (row["ci_low"], row["ci_high"], row["n_seeds"])
    assert numbers.markdown(HEADLINE) == (
        f'[{number.text}]{{.num data-key="{HEADLINE}" title="95 % interval {number.interval}, 2 seeds, '
        'runs KDGATFlow/1/gat/12/gat-student, KDGATFlow/1/gat/4/gat-student"}'
    )


def test_every_key_gives_what_its_query_gives(numbers, shared_release):
    con = shared_release.con()
    checked = 0
    for number in map(numbers.__getitem__, numbers.keys()):
        key = number.key
        assert number.text, key
        if number.query.startswith("select") and "summary" not in number.query and not key.startswith("config."):
            assert con.sql(number.query).fetchall()[0][0] == pytest.approx(number.value), key
            checked += 1
    assert checked > 100


def test_an_unknown_key_names_near_ones(numbers):
    with pytest.raises(KeyUnknown, match=f"nearest: {HEADLINE}"):
        numbers["hcrl_sa.test_01.gat_studnt.zero_shot.f1"]


def test_the_note_on_the_data():
    def note(**kinds: str) -> str:
        return data_note({name: {"data_kind": kind} for name, kind in kinds.items()})

    assert note(a="real") == "Results on real captures (a)."
    assert note(a="synthetic").startswith("Synthetic data:")
    assert "synthetic data (b)" in note(a="real", b="synthetic")


def test_what_others_printed_and_the_floor(numbers, shared_release):
    assert numbers["main.published.gat.test_02.f1"].value == 0.577
    assert numbers.markdown("main.published.gat.test_02.f1").startswith("[0.577]{.cited data-source=")
    rows = [r for r in shared_release.table("datasets").to_pylist() if r["split"] == "test_02"]
    windows, positives = (sum(r[c] for r in rows) for c in ("windows", "positives"))
    recall, precision = 1.0, positives / windows
    floor = numbers["hcrl_sa.test_02.floor_f1"]
    assert floor.value == pytest.approx(2 * recall * precision / (recall + precision))
    assert next(iter(shared_release.rows(floor.query)[0].values())) == pytest.approx(floor.value)


def test_operating_points_and_readings_have_keys(numbers, run, frozen):
    point = numbers["hcrl_sa.operating_points.gat_student.zero_shot.threshold"]
    (row,) = numbers.release.rows(point.query)
    assert next(iter(row.values())) == pytest.approx(point.value)
    tables, weights = run

    def row_of(reader: str, config: str, capture: str = "test_01/DoS-sonata.csv") -> dict:
        return {
            "dataset": "hcrl-sa", "scenario": "test_01", "capture": capture, "time": "2026-01-01T00:00:00Z",
            "reader": reader, "config_hash": config, "commit": "c",
        }  # fmt: skip

    rows = [
        row_of("F/1/evaluate/7", "a"),
        row_of("F/1/evaluate/7", "a", "test_01/fuzzing-soul.csv"),
        row_of("F/2/evaluate/9", "b"),
    ]
    values = Numbers(freeze("known", tables | {"readings": records.table("readings", rows)}, weights))
    assert [values[f"readings.{name}"].text for name in ("evaluations", "configurations", "commits", "first")] == [
        "2", "2", "1", "2026-01-01"
    ]  # fmt: skip
    unknown = Numbers(freeze("unknown", tables | {"readings": records.table("readings", [])}, weights))
    assert "readings.evaluations" not in unknown


def test_events_found_at_five_alarm_events_an_hour(numbers, shared_release):
    """Once more by trying every threshold, on one seed after the other."""
    number = numbers["hcrl_sa.pooled.gat_student.zero_shot.events_found_at_5_an_hour"]
    table = shared_release.table("predictions").to_pylist()
    shares = []
    for seed in range(2):
        rows = [r for r in table if (r["dataset"], r["protocol"], r["seed"]) == ("hcrl-sa", "zero-shot", seed)]
        labelled = {r["scenario"] for r in rows if r["injected"]}
        rows = sorted((r for r in rows if r["scenario"] in labelled), key=lambda r: (r["capture"], r["window"]))
        windows = windows_of(pa.Table.from_pylist(rows))
        scores, far = np.array([r["gat-student"] for r in rows]), windows.far()
        allowed = 5 * windows.duration[far].sum() / 3600
        for t in [*np.unique(scores)[::-1], -1.0]:
            if (rising(windows.recording, scores > t) & far).sum() > allowed:
                break
            found = np.isfinite(delays(windows, scores > t)).mean()
        shares.append(found)
    assert number.value == pytest.approx(np.mean(shares)) and 0 < number.value <= 1


def test_prerender_writes_the_keys_in_use_only(shared_release, tmp_path):
    page = tmp_path / "paper" / "index.qmd"
    page.parent.mkdir()
    page.write_text(
        f"F1 {{{{< var {HEADLINE} >}}}} on {{{{< var hcrl_sa.frames >}}}} frames, {{{{< var release.name >}}}}."
    )
    prerender.run(shared_release, tmp_path)
    import yaml

    variables = yaml.safe_load((tmp_path / "_variables.yml").read_text())
    assert sorted(variables) == ["hcrl_sa", "release"]
    assert variables["release"] == {"name": "shared"}
    assert "96,056" in variables["hcrl_sa"]["frames"]
    traces = json.loads((tmp_path / "trace.json").read_text())
    assert traces["manifest_sha256"] == shared_release.manifest_sha256
    entry = traces["numbers"][HEADLINE]
    assert {traces["runs"][r]["model"] for r in entry["runs"]} == {"gat-student"}
    assert list(traces["sources"]) == ["paper/index.qmd"]
    # what tables show can be traced too
    assert set(re.findall(r'data-key="([^"]+)"', results.main_table(shared_release))) <= traces["numbers"].keys()
    assert {p.stem for p in (tmp_path / "paper/figures/static").glob("*.svg")} == {s.name for s in statics.STATICS}


def test_prerender_stops_at_an_unknown_key(release, tmp_path):
    (tmp_path / "index.qmd").write_text("x\n\n{{< var release.nam >}}\n")
    with pytest.raises(KdgatError, match=r"^index\.qmd:3: .*nearest: release\.name, .* set KDGAT_RELEASE="):
        prerender.run(release, tmp_path)
    assert not (tmp_path / "_variables.yml").exists()


def test_the_main_table(shared_release, numbers):
    lines = results.main_table(shared_release).splitlines()
    assert lines[0] == (
        "| Model | Protocol | known car, known attack | new car, known attack | known car, new attack | new car, new attack |"
    )
    cited = [line for line in lines if "cited" in line]
    assert len(cited) == 2 and all("data-key" not in line for line in cited)
    column = [line.split("|")[3] for line in lines[2:] if "zero-shot" in line and "cited" not in line]
    values = {re.search(r'data-key="([^"]+)"', cell)[1]: cell for cell in column}
    best = max(numbers[k].value for k in values)
    assert {k for k, cell in values.items() if "**" in cell} == {k for k in values if numbers[k].value == best}
    assert not any("cited" in line for line in results.main_table(shared_release, "recall").splitlines())


def test_a_left_out_car_is_marked_where_its_sister_was_trained_on():
    left_out = {"split": "set_04-test_02", "known_vehicle": False, "sisters": "impala"}
    assert results.sister([left_out, left_out]) == " (sister of impala in training)"
    assert results.sister([left_out | {"known_vehicle": True}, {"split": "test_01"}]) == "", (
        "known, or of an older release"
    )
    assert labels.scenario("set_04-test_02") == "set 04 test 02"


def test_a_missing_cell_says_so(shared_release, numbers):
    assert results.cell(numbers, "hcrl_sa.test_09.gat_student.zero_shot.f1") == "n/a"


@pytest.mark.parametrize("static", statics.STATICS, ids=lambda s: s.name)
def test_figures_are_deterministic_and_name_their_data(shared_release, static):
    first = statics.svg(shared_release, static)
    assert first == statics.svg(shared_release, static)
    rows = shared_release.rows(queries()[static.query].sql)
    assert f"rows sha256 {statics.rows_hash(rows)}".encode() in first
    assert shared_release.manifest_sha256.encode() in first
    assert b"<text" not in first  # letters are paths: the same on every machine


def test_a_sum_of_floats_is_the_same_each_time(shared_release):
    """Else a rendered trace would differ from the next one's by a rounding, and `analysis.verify` would say so."""
    chance, n = np.random.default_rng(0), 400_000
    values = chance.standard_normal(n) * 10.0 ** chance.integers(-8, 8, n)  # so unlike in size that their order tells
    con = shared_release.con()
    con.register("many", pa.table({"part": chance.integers(0, 7, n), "value": values}))
    sums = "select part, sum(value) from many group by 1 order by 1"
    assert len({tuple(con.sql(sums).fetchall()) for _ in range(10)}) == 1


@pytest.mark.parametrize("static", statics.STATICS, ids=lambda s: s.name)
def test_figures_of_nothing_say_so(static):
    with style():
        assert "no" in static.draw([]).axes[0].texts[0].get_text()


def test_trace_leads_to_runs_code_and_data(shared_release, numbers, capsys, monkeypatch):
    monkeypatch.setenv("KDGAT_FROZEN", str(shared_release.path.parent))
    assert trace.run(HEADLINE, "shared") == 0
    out = capsys.readouterr().out
    for part in (
        "95 % interval",
        "KDGATFlow/1/gat/4/gat-student",
        "a" * 40,
        shared_release.table("runs")["data_hash"][0].as_py(),
        "recompute   kdgat ",
    ):
        assert part in out
    assert trace.run("main.parameters.gat_teacher", "shared") == 0
    assert "claim       paper/" in (out := capsys.readouterr().out)
    assert "{{<" not in out
    assert trace.run(HEADLINE, "shared", as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["numbers"][HEADLINE]["value"] == numbers[HEADLINE].value


def test_trace_says_how_a_configuration_differs_from_its_preset():
    assert difference({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4}) == {"a.c": [2, 3], "d": [None, 4]}


@pytest.mark.parametrize("query", queries().values(), ids=queries())
def test_every_named_query_gives_rows(shared_release, query):
    assert shared_release.rows(query.sql)


def test_sql_command(shared_release, capsys, monkeypatch):
    monkeypatch.setenv("KDGAT_FROZEN", str(shared_release.path.parent))
    assert sql.run("select count(*) as n from runs", "shared") == 0
    assert capsys.readouterr().out == "n\n14\n(1 rows)\n"
    assert sql.run("captures", "shared", "json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 8
    assert sql.run("select 1 as a, null as b", "shared", "csv") == 0
    assert capsys.readouterr().out == "a,b\n1,\n"
    assert sql.run("select 1.5 as a, sum(frames) as b from datasets", "shared", "json") == 0
    assert json.loads(capsys.readouterr().out) == [{"a": 1.5, "b": 96056}]
    with pytest.raises(KdgatError, match="no query is called 'nosuch'"):
        sql.run("nosuch", "shared")
    with pytest.raises(KdgatError, match="query failed"):
        sql.run("select nonsense from runs", "shared")


def test_parquet_is_read_by_an_older_engine_as_it_is(shared_release):
    """The browser's DuckDB 0.9.1 knows snappy, flat columns and format 2.6; anything else it would silently drop."""
    con = duckdb.connect()
    for file in sorted(Path(shared_release.path).rglob("*.parquet")):
        kinds = con.sql(f"select distinct compression from parquet_metadata('{file}')").fetchall()
        assert kinds == [("SNAPPY",)], file.name
