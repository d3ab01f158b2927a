"""Growth never breaks a committed release: with one of everything added, each is read, verified, compared and rendered.

`make test` tries the oldest release, `make soak` all of them, with the whole rendering and the scores from the weights.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.prerender import UNVERIFIED
from analysis.releases.release import Release
from kdgat.paths import REPO
from tests.growth.grow import grow
from tests.rendering import copy_sources

FROZEN = REPO / "data" / "frozen"
RELEASES = sorted(json.loads((FROZEN / "index.json").read_text()))
SOAK = bool(os.environ.get("KDGAT_SOAK"))
NOVEL = """
from kdgat import records
from kdgat.config import Config
from kdgat.presets import preset
from kdgat.evaluation import methods, registry as metrics
from kdgat.models import registry
assert "novel-baseline" in registry.scored() and "novel" in metrics.metrics()
assert {"novel"} <= set(records.PROTOCOLS) and "novel" in records.TABLES
assert methods.METHOD == "novel" and Config().novel == 3
print(preset("paper").hash())
"""


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources in which one of everything has been added."""
    return grow(copy_sources(REPO, tmp_path_factory.mktemp("grown")))


def run(grown: Path, *command: str, **environment: str) -> str:
    """Output of a command in the grown tree, over the releases of this one."""
    env = {k: v for k, v in os.environ.items() if k not in ("KDGAT_RELEASE", "PYTHONPATH")}
    env |= {"KDGAT_FROZEN": str(FROZEN), "QUARTO_PYTHON": sys.executable} | environment
    done = subprocess.run([sys.executable, *command], cwd=grown, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_everything_is_added_and_the_chosen_configuration_keeps_its_hash(grown: Path) -> None:
    from kdgat.presets import preset

    assert run(grown, "-c", NOVEL).strip() == preset("paper").hash()


@pytest.mark.parametrize("name", RELEASES if SOAK else RELEASES[:1])
def test_a_committed_release_is_verified_and_compared(grown: Path, name: str) -> None:
    assert run(grown, "-m", "analysis.verify", name).startswith(f"release {name}: ok (")
    report = run(grown, "-m", "analysis.compare", name, name)
    assert "bit-equal: yes" in report and "NOT reproduced" not in report


@pytest.mark.parametrize("name", RELEASES if SOAK else RELEASES[:1])
def test_every_page_has_its_numbers_tables_and_figures(grown: Path, name: str) -> None:
    shown = {"KDGAT_RELEASE": name, UNVERIFIED: Release(FROZEN / name).manifest_sha256}  # verified above
    if SOAK:
        run(grown, "-m", "tools.draft", **shown)
        assert (grown / "_site" / "paper" / "index.pdf").is_file()
    else:
        assert f"release {name}: " in run(grown, "-m", "analysis.prerender", **shown)


@pytest.mark.skipif(not SOAK, reason="minutes long: make soak")
@pytest.mark.parametrize("name", RELEASES)
def test_the_frozen_weights_give_the_frozen_scores(grown: Path, name: str, captures_root: Path) -> None:
    out = run(
        grown, "-m", "analysis.reproduce", "--level", "evaluate", "--release", name, "--dataset", "hcrl-sa",
        KDGAT_DATA=str(captures_root),
    )  # fmt: skip
    assert "problems" not in out
