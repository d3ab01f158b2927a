"""The flow as a user starts it: typed bare, from any folder, on real captures where there are some."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis.releases.release import Release
from kdgat.experiment.plan import default_dataset
from kdgat.synthetic.attacks import inject
from kdgat.synthetic.bus import BUS_RANGES
from kdgat.synthetic.vehicle import Vehicle
from kdgat.synthetic.write import write
from tests.security.planted import SECRETS, leaks

FLOW = "flows/kdgat_flow.py"


def clean_environment(**extra: str) -> dict[str, str]:
    """The user's environment without anything that helps Metaflow along."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW", "USER", "LOGNAME", "WANDB"))}
    return environment | {"OMP_NUM_THREADS": "1"} | extra


def run(repo: Path, cwd: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(repo / FLOW), *args],
        cwd=cwd,
        env=clean_environment(**env),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=1500,
    )


def test_help_answers_without_heavy_imports(repo: Path, tmp_path: Path) -> None:
    done = run(repo, tmp_path, "run", "--help")
    assert done.returncode == 0 and "--preset" in done.stdout + done.stderr
    done = run(repo, tmp_path, "show")
    assert done.returncode == 0 and "Step evaluate" in done.stdout
    code = f"import runpy, sys; sys.argv = ['x', '--help']\ntry: runpy.run_path({str(repo / FLOW)!r}, run_name='flow')\nexcept SystemExit: pass\nprint([m for m in ('torch', 'lightning', 'wandb', 'pyarrow', 'numba', 'numpy') if m in sys.modules])"
    probe = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(PYTHONPATH=str(repo / "flows")),
        capture_output=True,
        text=True,
    )
    assert probe.stdout.strip().endswith("[]"), probe.stdout + probe.stderr


def test_typed_bare_then_frozen(repo: Path, tmp_path: Path) -> None:
    """`python flows/kdgat_flow.py run`, then freeze, verify, score again from the weights; records equal W&B's mirror.

    Keys of trackers and stores are planted into the environment and searched for in everything that was left.
    """
    begin = time.time()
    dataset = default_dataset(None)  # hcrl-sa, or the synthetic bus where no captures are
    options = ["--preset", "smoke", "--seeds", "0,1", "--datasets", dataset]
    done = run(repo, tmp_path, "run", *options, WANDB_MODE="offline", **SECRETS)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-4000:]
    real = dataset != "synthetic"
    assert real or "SYNTHETIC" in output
    assert not list(tmp_path.iterdir()), "store and cards must not depend on the folder the flow is started from"
    number = re.search(r"run-id (\d+)", output)
    assert number
    release = f"local-{number[1]}"
    for command in (
        [
            "analysis.freeze",
            "--latest",
            "--release",
            release,
            "--allow-dirty",
            *([] if real else ["--allow-synthetic"]),
        ],
        ["analysis.verify", release],
        ["analysis.reproduce", "--level", "evaluate", "--release", release],
    ):
        step = subprocess.run(
            [sys.executable, "-m", *command], cwd=repo, env=clean_environment(), capture_output=True, text=True
        )
        assert step.returncode == 0, f"{command}: {step.stdout}{step.stderr}"
    _check_release(release, real)
    _check_evaluation(repo, release, tmp_path)
    from kdgat.runtime import work_folder

    fresh = [p for p in (work_folder() / "wandb-runs").rglob("run-*.wandb") if p.stat().st_mtime > begin]
    assert len(fresh) >= 14  # two seeds × (vgae, gat, fusion: teacher and student each; the baseline)
    assert not any(value in output for value in SECRETS.values())
    assert leaks(work_folder(), repo / ".metaflow", Release.open(release).path, since=begin) == []


def _check_evaluation(repo: Path, release: str, folder: Path) -> None:
    """The frozen weights, of rules and boosting too, on a capture that the release never saw."""
    rng = np.random.default_rng(5)
    frames = inject(Vehicle.draw(BUS_RANGES, rng).drive(20.0, rng), "dos", [(14.0, 17.0)], 0.0005, rng)
    (folder / "my-car").mkdir()
    write(frames, folder / "my-car" / "flood.csv", "labelled-csv")
    (folder / "my-car" / "notes.txt").write_text("nothing\n")
    done = subprocess.run(
        [sys.executable, "-m", "kdgat", "evaluate", "--release", release, "--data", str(folder), "--out", "out"],
        cwd=folder, env=clean_environment(PYTHONPATH=str(repo)), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "flood.csv: scored (zero-shot" in done.stderr and "notes.txt: cannot serve: " in done.stderr
    rows = pq.read_table(folder / "out" / "summary.parquet")
    assert rows.schema.metadata[b"status"] == b"not part of the release"
    summary = {
        (r["protocol"], r["model"]): r for r in rows.to_pylist() if r["metric"] == "roc_auc" and r["attack"] == "all"
    }
    models = {"gat-student", "gat-ensemble-student", "rule-online-baseline", "gbm-baseline", "rule-or-gat-student"}
    assert {p for p, _ in summary} >= {"zero-shot", "adapted"} and {m for _, m in summary} >= models
    assert summary["zero-shot", "gat-student"]["n_seeds"] == 2 and summary["zero-shot", "gbm-baseline"]["mean"] > 0.5


@pytest.mark.skipif(not os.environ.get("KDGAT_SOAK"), reason="minutes long: make soak")
def test_the_flow_trains_with_two_processes_a_model(repo: Path, tmp_path: Path) -> None:
    """As on two GPUs; here gloo between two CPU processes, which the site's settings ask for."""
    (tmp_path / "site.toml").write_text("[training]\ndevices = 2\nnodes = 5000\n")
    own = {"KDGAT_SITE": str(tmp_path / "site.toml"), "KDGAT_WORK": str(tmp_path / "work")}
    options = ["--datasets", "synthetic", "--preset", "smoke", "--seeds", "0", "--tracker", "none"]
    done = run(repo, tmp_path, "run", *options, METAFLOW_DATASTORE_SYSROOT_LOCAL=str(tmp_path), **own)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    models = re.findall(r"seed 0 ([\w-]+): epoch 1/1 ", done.stdout)
    assert models == ["vgae-teacher", "vgae-student", "gat-teacher", "gat-student"], "by the first process alone"


def _check_release(name: str, real: bool) -> None:
    release = Release.open(name)
    assert release.data_kind == ("real" if real else "synthetic")
    f1 = (
        release.con()
        .execute(
            "select scenario, model, n_seeds, mean, ci_low, ci_high from summary "
            "where metric = 'f1' and attack = 'all' and protocol = 'zero-shot'"
        )
        .fetchall()
    )
    assert {r[0] for r in f1} >= {"test_01", "test_02", "test_03", "test_04"}
    models = {f"{m}-{r}" for m in ("vgae", "gat", "fusion-dqn", "fusion-mean") for r in ("teacher", "student")}
    others = {"gbm-baseline", "rule-online-baseline", "rule-profile-baseline", "always-baseline", "rule-or-gat-student"}
    assert {r[1] for r in f1} >= models | others
    assert all(r[2] == 2 and r[3] is not None and r[4] <= r[5] for r in f1)
    runs = release.table("runs").to_pylist()
    assert all(r["commit"] and r["config_hash"] and r["data_hash"] and r["tracker_id"] for r in runs)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--datasets", "nowhere"], "no dataset is called 'nowhere'"),
        (["--preset", "huge"], "no preset is called 'huge'"),
        (["--tracker", "paper"], "no tracker is called 'paper'"),
        (["--seeds", "one"], "seeds are whole numbers"),
        (["--data", "/no/such/folder"], "no folder /no/such/folder"),
    ],
)
def test_bad_names_end_in_one_line(repo: Path, tmp_path: Path, arguments: list[str], line: str) -> None:
    done = run(repo, tmp_path, "run", "--preset", "smoke", *arguments, METAFLOW_DATASTORE_SYSROOT_LOCAL=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith(f"error: {line}"), done.stderr[-800:]
    assert "Traceback" not in done.stdout + done.stderr


def test_a_malformed_row_stops_the_flow_with_its_place(repo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "captures" / "hcrl-sa"
    good = "timestamp,arbitration_id,data_field,attack\n" + "1.0,12A,00FF,0\n" * 300
    for name in ("train_01_attack_free/attack-free-kia.csv", "test_01_known_vehicle_known_attack/DoS-kia.csv"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(good)
    bad = folder / "train_01_attack_free" / "attack-free-kia.csv"
    bad.write_text(good + "1.5,12A,00ZZ,0\n")
    done = run(
        repo, tmp_path, "run", "--preset", "smoke", "--seeds", "0", "--tracker", "none",
        "--data", str(tmp_path / "captures"), METAFLOW_DATASTORE_SYSROOT_LOCAL=str(tmp_path), KDGAT_WORK=str(tmp_path / "w"),
    )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "attack-free-kia.csv:302" in last, last
    assert "Traceback" not in done.stdout + done.stderr
    assert not list((tmp_path / "w" / "stores").glob("*")), "nothing half-written"
