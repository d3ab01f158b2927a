"""The other tracker: runs in a local database of MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdgat.errors import KdgatError
from kdgat.tracking import trackers


def test_a_training_is_one_run_with_its_group_stage_parents_and_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    opened = trackers.start(
        "mlflow", name="gat-student-x-s0", group="Flow/1", stage="gat", config={"seed": 0}, parents=["gat-teacher-x-s0"]
    )
    opened.log("train_loss", [0.5, 0.25])
    opened.finish({"parameters": 7.0})

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = client.get_run(opened.id)
    assert run.info.status == "FINISHED" and run.data.params == {"seed": "0"}
    assert (run.data.tags["group"], run.data.tags["stage"]) == ("Flow/1", "gat")
    assert run.data.tags["parents"] == "gat-teacher-x-s0" and run.data.metrics["parameters"] == 7
    assert [m.value for m in client.get_metric_history(opened.id, "train_loss")] == [0.5, 0.25]


def test_a_server_that_is_not_there_or_goes_away_ends_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow.exceptions import MlflowException

    monkeypatch.setenv("KDGAT_WORK", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nobody listens
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    opened = trackers.start("mlflow", name="n", group="Flow/1", config={"seed": 0})
    assert f"The run is kept in {tmp_path / 'mlflow.db'}" in capsys.readouterr().err

    def gone(**_: object) -> None:
        raise MlflowException("no answer")

    monkeypatch.setattr(opened.logger.experiment, "log_batch", gone)
    opened.log("train_loss", [0.5, 0.25])
    opened.finish({"parameters": 7.0})
    assert capsys.readouterr().err.count("warning: no answer The rest of this run is not mirrored") == 1


def test_the_models_that_a_model_learns_from() -> None:
    assert trackers.learned_from("vgae-teacher") == []
    assert trackers.learned_from("gat-student") == ["gat-teacher", "vgae-student"]
    assert trackers.learned_from("fusion-dqn-student") == ["fusion-dqn-teacher", "vgae-student", "gat-student"]
    assert trackers.learned_from("gbm-baseline") == []


def test_an_unknown_tracker_is_refused() -> None:
    with pytest.raises(KdgatError, match="no tracker is called 'paper'"):
        trackers.start("paper", name="x", group="y", config={})
