"""The search for a configuration: workers side by side, killed trials, pruning, the best one as a preset."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small import CONFIG, small  # type: ignore[import-not-found]

from kdgat import presets, search
from kdgat.config import Training
from kdgat.errors import KdgatError
from kdgat.experiment import task
from kdgat.presets import preset
from kdgat.training import interrupt

WORKER = """
import sys
from kdgat import search
study = search.open_study("side", seed=int(sys.argv[1]))
for _ in range(10):
    trial = study.ask()
    x, idle = (trial.suggest_float(name, -1, 1) for name in ("x", "idle"))
    study.tell(trial, x**2)
"""


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (search, task):
        monkeypatch.setattr(module, "work_folder", lambda: tmp_path)
    for module in (search, presets):
        monkeypatch.setattr(module, "PRESET_FOLDER", tmp_path / "presets")


def test_workers_side_by_side_lose_no_trial(tmp_path: Path, repo: Path) -> None:
    env = {"KDGAT_WORK": str(tmp_path), "PYTHONPATH": str(repo), "PATH": "/usr/bin:/bin"}
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(seed)], env=env) for seed in (1, 2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    study = search.existing("side")
    assert search.over(study) == 20 and [t.number for t in study.trials] == list(range(20))
    assert len({t.params["x"] for t in study.trials}) == 20, "different proposals"
    shares = search.importances(study)
    assert set(shares) == {"x", "idle"} and shares["x"] > 0.6
    assert [row["best"] for row in search.history(study)] == sorted(
        (r["best"] for r in search.history(study)), reverse=True
    )


def test_trials_train_what_had_ended_is_not_trained_again_and_the_best_becomes_a_preset() -> None:
    base = CONFIG.model_copy(update={"training": Training(epochs=6)})
    study = search.open_study("trained")
    left = study.ask()  # as by a task that was killed, and whose code was another
    left.set_user_attr("slot", "Flow/1/0")
    done = [search.run_trial(study, "Flow/1", slot, base, small(CONFIG), 0) for slot in (0, 1, 1)]
    assert study.trials[0].state.name == "FAIL" and [d["number"] for d in done] == [1, 2, 2]
    assert done[0]["state"] == "COMPLETE" and set(done[0]["params"]) == set(search.SPACE)
    assert len(study.trials[1].intermediate_values) == 6 and search.over(study) == 2

    file = search.write_preset("trained", "found", "smoke")
    best = preset("found")
    assert best.training.learning_rate == study.best_params["training.learning_rate"] and best.preset == "found"
    file.write_text(file.read_text().replace('base = "smoke"', 'base = "demo"'))
    with pytest.raises(KdgatError, match="another configuration than its settings give"):
        preset("found")


def test_a_killed_trial_goes_on_from_its_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base, prepared = CONFIG.model_copy(update={"training": Training(epochs=4)}), small(CONFIG)
    whole = search.run_trial(search.open_study("whole", seed=3), "Flow/1", 0, base, prepared, 0)
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(interrupt, "asked", lambda: True)  # its time is over after the first epoch
        with pytest.raises(SystemExit) as stop:
            search.run_trial(search.open_study("killed", seed=3), "Flow/2", 0, base, prepared, 0)
    assert stop.value.code == interrupt.SAVED
    done = search.run_trial(search.open_study("killed", seed=99), "Flow/2", 0, base, prepared, 0)
    assert done == whole, "as if nothing had happened"
    epochs = [line.split(":")[1].split()[1] for line in capsys.readouterr().out.splitlines() if ": epoch " in line]
    assert epochs == ["1/4", "2/4", "3/4", "4/4"], "each epoch once"
    assert not list((tmp_path / "training").rglob("*.safetensors"))


def test_what_lags_behind_is_stopped_before_its_last_epoch() -> None:
    import optuna

    study = search.open_study("lag")
    ends = []
    for loss in (0.1, 0.2, 0.9, 0.8):
        trial = study.ask()
        reporter = search._reporter(trial, epochs=3)
        try:
            for epoch in range(3):
                reporter.log_metrics({"validation_loss": loss, "epoch": epoch})
            ends.append(3)
            study.tell(trial, loss)
        except optuna.TrialPruned:
            ends.append(max(study.trials[trial.number].intermediate_values))
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    assert ends[0] == 3 and ends[2] == ends[3] == 1
    assert [(row["state"], row["best"]) for row in search.history(study)][2:] == [("PRUNED", 0.1)] * 2


def test_before_a_trial_is_complete_there_is_no_best() -> None:
    import optuna

    study = search.open_study("begun")
    trial = study.ask()
    trial.report(0.5, 1)
    study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    assert search.history(study) == [{"trial": 0, "state": "PRUNED", "loss": 0.5, "best": None}]


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: search.existing("none"), "no study is called 'none'; known: none"),
        (lambda: search.path("../x"), "a study's name is letters"),
        (lambda: (search.open_study("empty"), search.write_preset("empty", "x", "demo")), "no trial was completed yet"),
    ],
)
def test_mistakes_are_one_line(call, complaint: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(KdgatError, match=complaint):
        call()
