"""`kdgat doctor`: what is installed, what is missing, what each missing part costs, how to get it.

Runs on a bare Python, before anything is installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kdgat.paths import REPO

#: extra of pyproject.toml → what cannot be done without it
EXTRAS = {
    "paper": "rendering the paper and the site",
    "train": "training, evaluating, `kdgat detect`",
    "cluster": "MLflow and Optuna; SLURM through ssh",
    "dev": "the test suite, `make lint`",
    "data": "captures and large releases from a remote of one's own (DVC)",
    "mf4": "captures in MF4",
    "explore": "the dashboards of `kdgat explore`",
    "notebook": "the same in Jupyter",
    "fuzz": "fuzzing guided by coverage",
    "audit": "the audit of dependencies, licences and unused code",
}


@dataclass(frozen=True)
class Program:
    """One program: what is lost without it, where it comes from, and which tests are left out (empty: none)."""

    cost: str
    remedy: str
    tests: str = ""


_SYSTEM = "make test-system"
PROGRAMS = {
    "git": Program("runs cannot say which commit they came from, so they cannot be frozen", "apt-get install git"),
    "node": Program("rendering the site's interactive figures", "Node 20: apt-get install nodejs npm on Debian 13, https://nodejs.org, or pixi"),
    "npm": Program("installing the figures' packages", "comes with Node"),
    "make": Program("the short commands; what they call can be typed", "apt-get install make"),
    "quarto": Program(
        "the released rendering; the draft renderer stands in, and every page says so", "pixi install",
        "comparing the draft with Quarto",
    ),
    "chromium": Program("tests in the browser, the README's pictures", _SYSTEM, "tests in the browser"),
    "pdftotext": Program("the check that the PDF's numbers are the release's", _SYSTEM, "comparing the PDF's numbers"),
    "slurmctld": Program("a SLURM of one node to try things on", _SYSTEM, "tests on a SLURM of one node"),
    "sbatch": Program("running on a cluster from this machine", "a login node of the cluster; docs/slurm.md"),
    "apptainer": Program("running in a container on a cluster", "the cluster's module, or https://apptainer.org"),
    "pixi": Program("conda-forge's Quarto, Node and Python in one step; pip and make do the same", "https://pixi.sh"),
}  # fmt: skip
#: without these nothing of the project works
NEEDED = ("python", "core packages", "work folder")


@dataclass(frozen=True)
class Finding:
    """One part: `state` is ok or missing; `detail` its version or place; `cost` and `remedy` only if missing."""

    part: str
    ok: bool
    detail: str
    cost: str = ""
    remedy: str = ""


def _absent(requirements: list[str]) -> list[str]:
    """Those requirements that are not installed, or in a version that is not asked for."""
    names = []
    for text in requirements:
        name = re.split(r"[<>=!~\[; ]", text)[0]
        try:
            have = version(name)
        except PackageNotFoundError:
            names.append(name)
            continue
        specifier = text.removeprefix(name).split("]")[-1]
        if not _fits(have, specifier):
            names.append(f"{name} {have} (wanted {specifier})")
    return names


def _fits(have: str, specifier: str) -> bool:
    """Whether a version is one that is asked for; without `packaging` (a bare Python) every version counts."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return True
    return SpecifierSet(specifier).contains(have, prereleases=True)


def _packages(part: str, requirements: list[str], cost: str, remedy: str) -> Finding:
    absent = _absent(requirements)
    shown = ", ".join(absent[:6]) + (f" and {len(absent) - 6} more" if len(absent) > 6 else "")
    detail = f"{len(requirements) - len(absent)} of {len(requirements)}" + (f"; not: {shown}" if absent else "")
    return Finding(part, not absent, detail, cost, remedy)


def _python(specifier: str) -> Finding:
    have = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", _fits(have, specifier), have, "everything", f"Python {specifier}")


def _captures() -> Finding:
    try:
        from kdgat.catalog import datasets
    except ImportError:
        return Finding("captures", False, "cannot be looked for without the core packages", "", "")
    names = [name for name in datasets.entries() if datasets.files(name)]
    return Finding(
        "captures", bool(names), f"{datasets.root_folder()}: {', '.join(names) or 'none'}",
        "training on real traffic; the built-in synthetic bus is used, and every page says so",
        "set KDGAT_DATA; `kdgat catalog` says what is missing and where it comes from",
    )  # fmt: skip


def _work_folder() -> Finding:
    folder = Path(os.environ.get("KDGAT_WORK") or REPO / ".kdgat").resolve()
    near = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(near).free / 1e9
    return Finding(
        "work folder", os.access(near, os.W_OK) and free > 1, f"{folder}, {free:.0f} GB free",
        "graph stores and checkpoints have no place", "set KDGAT_WORK to a folder with room",
    )  # fmt: skip


def _gpu() -> Finding:
    try:
        import torch

        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    except ImportError:
        names = []
    return Finding("GPU", bool(names), ", ".join(names) or "none", "nothing but time: the presets train on a CPU", "")


def findings() -> Iterator[Finding]:
    """Every part, in the order in which a new user needs them."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    yield _python(project["requires-python"])
    yield _packages("core packages", project["dependencies"], "everything", "pip install -c requirements.lock -e .")
    yield _work_folder()
    for extra, cost in EXTRAS.items():
        remedy = f"pip install -c requirements.lock -e '.[{extra}]'"
        yield _packages(f"extra {extra}", project["optional-dependencies"][extra], cost, remedy)
    modules = REPO / "paper" / "figures" / "node_modules"
    yield Finding("figure packages", modules.is_dir(), "paper/figures/node_modules", "rendering the site", "make site")
    for name, program in PROGRAMS.items():
        place = shutil.which(name)
        yield Finding(name, place is not None, place or "not on the PATH", program.cost, program.remedy)
    yield _captures()
    key = bool(os.environ.get("WANDB_API_KEY"))
    yield Finding(
        "W&B key", key, "set" if key else "not set", "runs stay offline; the run's own records are the truth anyway",
        "set WANDB_API_KEY",
    )  # fmt: skip
    yield _gpu()


def run(*, as_json: bool = False) -> int:
    """Print all findings, as text or JSON; return 1 if a part is missing without which nothing works."""
    parts = list(findings())
    missing = [f.part for f in parts if not f.ok]
    code = 1 if set(missing) & set(NEEDED) else 0
    if as_json:
        print(json.dumps([asdict(f) for f in parts], indent=1, ensure_ascii=False))
        return code
    for f in parts:
        print(f"{'ok     ' if f.ok else 'missing'}  {f.part:16} {f.detail}")
        if not f.ok:
            for title, text in (("without it", f.cost), ("to get it", f.remedy)):
                if text:
                    print(f"{'':26}{title}: {text}")
    print(f"\n{len(parts) - len(missing)} of {len(parts)} parts are there" + (f"; missing: {', '.join(missing)}" if missing else ""))  # fmt: skip
    return code
