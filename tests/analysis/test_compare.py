"""Compare: what counts as reproduced, and when two releases cannot be compared at all."""

from __future__ import annotations

import hashlib
import re

import pytest

from analysis import compare
from analysis.freeze import Policy, freeze
from analysis.releases.release import Release
from kdgat import records
from kdgat.errors import KdgatError


def replaced(tables, name, change):
    return tables | {name: records.table(name, [r | change(r) for r in tables[name].to_pylist()])}


def test_the_same_runs_are_reproduced_bit_by_bit(run, release, capsys):
    freeze("r2", *run)
    assert compare.run("r1", "r2") == 0
    out = capsys.readouterr().out
    assert "bit-equal: yes (promised" in out
    assert "64 of 64 reproduced within interval" in out
    assert re.search(
        r"^other metrics: \d+ within interval, 0 outside it; 0 differ and have no interval to be judged by$", out, re.M
    )


def test_another_training_is_judged_by_intervals(run, other_run, frozen, capsys):
    # trained elsewhere: bits are not promised
    freeze("r1", *run)
    freeze("r2", replaced(other_run[0], "runs", lambda r: {"machine": "another"}), other_run[1])
    compare.run("r1", "r2")
    out = capsys.readouterr().out
    assert "bit-equal: no\n" in out
    a, b = (Release.open(n) for n in ("r1", "r2"))
    judged = [r for r in compare.rows(a, b) if r.key[5] == "f1" and r.key[2] == "all"]
    # both draw from the same distribution, so nearly all must agree
    assert sum(bool(r.reproduced) for r in judged) >= 0.9 * len(judged)
    worst = min(judged, key=lambda r: r.difference)
    assert worst.low < worst.difference < worst.high


def test_a_metric_that_neither_has_is_refused(run, frozen):
    freeze("r1", *run)
    with pytest.raises(KdgatError, match=r"no metric is called 'no-such'; known: .*f1"):
        compare.run("r1", "r1", "no-such")


def test_other_results_where_bits_were_promised_fail(run, other_run, frozen, capsys):
    freeze("r1", *run)
    freeze("r2", *other_run)
    assert compare.run("r1", "r2") == 1
    assert "bit-equality was promised and does not hold" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("a", "b", "reproduced"),
    [
        ((0.9, 0.88, 0.92), (0.91, 0.89, 0.93), True),
        ((0.9, 0.89, 0.91), (0.95, 0.94, 0.96), False),
        ((0.9, 0.8, 1.0), (0.95, 0.94, 0.96), True),
        ((0.9, None, None), (0.9, None, None), True),
        ((0.9, None, None), (0.95, None, None), None),
        ((None, None, None), (None, None, None), True),
        ((None, None, None), (0.5, 0.4, 0.6), False),
    ],
)
def test_the_verdict_on_one_metric(a, b, reproduced):
    names = ("mean", "ci_low", "ci_high")
    first, second = (dict(zip(names, v, strict=True)) for v in (a, b))
    low, high = (None, None) if None in (a[0], b[0]) else compare._difference(first, second)
    assert compare.Row(("",) * 6, a[0], b[0], low, high).reproduced is reproduced


def test_one_name_finds_the_committed_release_it_reproduces(run, release, capsys):
    freeze("local-5", replaced(run[0], "runs", lambda r: {"started": "2026-02-02T00:00:00Z"}), run[1])
    assert compare.run("local-5") == 0
    out = capsys.readouterr().out
    assert out.startswith("r1 → local-5")
    assert re.search(r"^seed 0: (\d+) of \1 f1 equal to 0.0001$", out, re.MULTILINE)


def test_other_data_or_preset_is_not_a_reproduction(run, release, capsys):
    captures = replaced(run[0], "datasets", lambda r: {"sha256": "e" * 64} if r["split"] == "train" else {})
    training = [c for c in captures["datasets"].to_pylist() if c["split"] == "train"]
    lines = sorted(f"{c['capture']} {c['sha256']}" for c in training)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    other = replaced(captures, "runs", lambda r: {"data_hash": digest})
    freeze("local-6", other, run[1])
    assert compare.run("local-6") == compare.NOT_COMPARABLE
    assert "not a reproduction: no committed release has its configuration and data" in capsys.readouterr().out
    assert compare.run("r1", "local-6") == compare.NOT_COMPARABLE
    assert "not a reproduction: hcrl-sa: other captures" in capsys.readouterr().out
    smoke = replaced(run[0], "runs", lambda r: {"preset": "smoke"})
    freeze("local-7", smoke, run[1], Policy())
    assert compare.run("r1", "local-7") == compare.NOT_COMPARABLE
    assert "preset smoke, not demo" in capsys.readouterr().out
