"""Settings of a site, and the command line that they become."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdgat.errors import KdgatError
from kdgat.paths import REPO
from kdgat.runtime import configure
from kdgat.settings import Environment, Request, Settings, read, workers

configure()

from metaflow.decorators import StepDecorator  # noqa: E402
from metaflow.plugins.resources_decorator import ResourcesDecorator  # noqa: E402
from metaflow.plugins.timeout_decorator import TimeoutDecorator  # noqa: E402

from metaflow_extensions.kdgat.plugins.srun import decorator  # noqa: E402
from metaflow_extensions.kdgat.plugins.srun.command import inside, srun  # noqa: E402


def test_the_example_is_valid_and_shows_every_setting(repo: Path) -> None:
    text = (repo / "conf" / "site.example.toml").read_text()
    site = read(repo / "conf" / "site.example.toml")
    assert site.srun.request("gat").gpus == "a100:1" and site.srun.request("gat").time == "2:00:00"
    for table in (Settings, Request, Environment):
        for name in table.model_fields:
            assert name in text, f"{name} is not in the example"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[srun]\nqueue = 'x'", "srun.queue: Extra inputs are not permitted"),
        ("[srun.steps.vgae]\ntime = 'long'", "--with srun, step vgae: time: String should match pattern"),
        ("[srun]\npartition = 'gpu --wrap=x'", "srun.partition: String should match pattern"),
        ("[srun\n", "Expected"),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "site.toml").write_text(text)
    with pytest.raises(KdgatError) as error:
        read(tmp_path / "site.toml")
    assert complaint in str(error.value) and "\n" not in str(error.value)


def test_what_is_asked_goes_before_the_step_and_the_step_before_the_default(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("[srun]\ntime = 60\nmemory = 1\n[srun.steps.gat]\nmemory = 2\n")
    site = read(tmp_path / "site.toml").srun
    assert site.request("vgae") == Request(time="60", memory=1)
    assert site.request("gat") == Request(time="60", memory=2)
    assert site.request("gat", memory="3", time=None) == Request(time="60", memory=3)


def asked(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], *decos: StepDecorator, **own: object
) -> Request:
    """What a step `gat` with these decorators asks for under these settings."""
    monkeypatch.setattr(decorator, "settings", lambda: Settings.model_validate({"srun": settings}))
    one = decorator.SrunDecorator(attributes=own)
    return one._request("gat", [one, *decos])


def test_resources_and_timeout_are_the_jobs_unless_the_site_or_the_command_line_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resources = ResourcesDecorator(attributes={"cpu": 4, "memory": 900, "gpu": 2})
    limit = TimeoutDecorator(attributes={"minutes": 90})
    limit.init()
    request = asked(monkeypatch, {"memory": 1, "time": 5}, resources, limit)
    assert request == Request(cpus=4, memory=900, gpus="2", time="91")
    request = asked(
        monkeypatch, {"steps": {"gat": {"gpus": "a100:1", "cpus": 8}}}, resources, limit, time="10:00", cpus=6
    )
    assert request == Request(cpus=6, memory=900, gpus="a100:1", time="10:00")


def test_only_what_is_asked_for_stands_on_the_command_line() -> None:
    assert srun(Request(signal=0), "n") == [
        "srun", "--job-name=n", "--ntasks=1", "--nodes=1", "--kill-on-bad-exit=1", "--input=none", "--quiet",
    ]  # fmt: skip
    line = srun(Request(gpus="a100:2", memory=5, time="1:00", signal=90), "n")
    assert {"--gres=gpu:a100:2", "--mem=5M", "--time=1:00", "--signal=USR1@90"} <= set(line)


def test_a_worker_runs_in_the_image_with_its_folders_after_the_set_up_lines() -> None:
    environment = Environment(setup=("module load x",), image=Path("/i.sif"), bind=("/data",))
    words = inside(environment, "1", [Path("/repo")], ["/usr/bin/python3", "-u", "a flow.py"])
    assert words[:2] == ["bash", "-lc"] and words[3] == "task"
    assert words[2].splitlines() == [
        "module load x",
        f"exec apptainer exec --nv --bind=/repo --bind=/data --env=PYTHONPATH={REPO} /i.sif python -u 'a flow.py' \"$@\"",
    ]


def test_as_many_tasks_at_once_as_the_backend_bears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METAFLOW_DEFAULT_DECOSPECS", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert workers(["flow.py", "run"]) == 3
    assert workers(["flow.py", "run", "--datasets", "/srun/data"]) == 3
    assert workers(["flow.py", "run", "--with", "srun:time=5"]) == workers(["flow.py", "--with=slurm", "run"]) == 32
    monkeypatch.setenv("METAFLOW_DEFAULT_DECOSPECS", "retry srun:time=5")
    assert workers(["flow.py", "run"]) == 32


def test_a_flow_with_wrong_settings_ends_in_one_line(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("[srun]\nqueue = 'x'\n")
    env = os.environ | {"KDGAT_SITE": str(tmp_path / "site.toml")}
    command = [sys.executable, str(repo / "flows" / "kdgat_flow.py"), "show"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "srun.queue" in done.stderr, done.stderr
