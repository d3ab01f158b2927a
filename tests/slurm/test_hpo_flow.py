"""A search whose trials are SLURM jobs, two at a time on one journal; killed, and resumed. Minutes long."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPO, Cluster, until  # type: ignore[import-not-found]

from kdgat import search
from kdgat.config import override
from kdgat.presets import PRESET_FOLDER, preset, settings_lines

pytestmark = pytest.mark.skipif(not os.environ.get("KDGAT_SOAK"), reason="minutes long: make soak")
FLOW = REPO / "flows" / "hpo_flow.py"
TRIALS = 4
EPOCH = re.compile(r"trial (\d+): epoch (\d+)/3 ")
ENDED = re.compile(r"trial (\d+): (?:COMPLETE|PRUNED)")


@pytest.fixture
def three_epochs() -> Iterator[str]:
    """Name of a preset like `smoke`, with enough epochs to lag behind and to be killed between two of them."""
    name, settings = f"three_epochs_{os.getpid()}", {"training.epochs": 3}
    config = override(preset("smoke"), {**settings, "preset": name})
    file = PRESET_FOLDER / f"{name}.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(['base = "smoke"', f'config_hash = "{config.hash()}"', *settings_lines(settings), ""]))
    yield name
    file.unlink()


def test_a_killed_search_trains_no_trial_twice(
    cluster: Cluster, three_epochs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--study", "found", "--trials", str(TRIALS), "--dataset", "synthetic", "--preset", three_epochs]
    backend = ["--with", "srun:memory=3000", "--max-workers", "2"]
    head = cluster.start("run", *options, *backend, flow=FLOW)
    assert head.stdout is not None
    log = ""
    for line in head.stdout:
        log += line
        if ENDED.search(log) and {n for n, _ in EPOCH.findall(log)} - set(ENDED.findall(log)):
            break  # one has ended, another is between two epochs
    head.kill()
    head.communicate()
    until(lambda: not cluster.jobs("RUNNING", "PENDING", "COMPLETING"), 60)
    run = re.search(r"run-id (\d+)", log)
    assert run, log
    monkeypatch.setattr(search, "work_folder", lambda: Path(cluster.env["KDGAT_WORK"]))
    before = {t.number: t for t in search.existing("found").trials}
    ended = {str(n) for n, t in before.items() if t.state.name in search.OVER}
    assert ended and len(ended) < len(before), "one had ended, another had not"

    code, output = cluster.run("resume", "--origin-run-id", run[1], *backend, flow=FLOW, seconds=1500)
    assert code == 0, output
    trials = search.existing("found").trials
    assert [t.state.name in search.OVER for t in trials] == [True] * TRIALS, "none was given up, none is too many"
    assert all(trials[int(n)].value == before[int(n)].value for n in ended)
    assert not ended & {n for n, _ in EPOCH.findall(output)}, "what had ended is not trained again"
    assert max(Counter(EPOCH.findall(log + output)).values()) <= 2
    assert all(n <= 1 for n in Counter(t for t, e in EPOCH.findall(output) if (t, e) in EPOCH.findall(log)).values())
    begun, over = [str(t.datetime_start) for t in trials], [str(t.datetime_complete) for t in trials]
    assert any(begun[j] < over[i] for i in range(TRIALS) for j in range(i + 1, TRIALS)), "side by side"

    file = cluster.folder / "card"
    done = subprocess.run(
        [sys.executable, str(FLOW), "--no-pylint", "card", "get", "join", "--id", "search", str(file)],
        env=cluster.env, cwd=cluster.folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    shown = re.search(r'__MF_DATA__\["[^"]+"\] = "([^"]+)"', file.read_text())
    assert shown and b"History" in base64.b64decode(shown[1])
