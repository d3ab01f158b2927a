"""Write requirements.lock, the versions installed here as pip constraints, and with hashes what `make site` and `make audit` install.

The former has no hashes and no addresses: `torch==2.13.0` must be free to resolve to a CPU wheel where a machine offers one, and a
local version (+cpu) must not be asked for elsewhere. That wheel has another hash than PyPI's, and other dependencies (none of CUDA);
pip wants hashes for everything in one call or for nothing, so that whatever is installed beside torch goes without. The others
have those of every file that PyPI holds of a version, so of all platforms.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

from kdgat import atomic
from kdgat.errors import KdgatError, cli_without_arguments
from kdgat.paths import REPO

#: not dependencies of the project
_LEFT_OUT = {"kdgat", "pip", "setuptools", "wheel"}
#: downloads a binary while it installs
_UNLOCKED = {"quarto"}
#: extras that are installed without torch → the make target that does
_HASHED = {"paper": "make site", "audit": "make audit"}


def main() -> None:
    """Write both locks; raises `KdgatError` where something that the project names is not installed and would be dropped."""
    versions = {d.metadata["Name"].lower().replace("_", "-"): d.version.split("+")[0] for d in distributions()}
    if missing := sorted(declared() - versions.keys()):
        raise KdgatError(
            f"not installed, so that requirements.lock would lose it: {', '.join(missing)}; `make lock` installs every extra"
        )
    lines = [f"{name}=={version}" for name, version in sorted(versions.items()) if name not in _LEFT_OUT]
    header = "# Tested versions, for `pip install -c`; made by `make lock`. Python 3.11; limits, not requirements.\n"
    atomic.write_text(REPO / "requirements.lock", header + "\n".join(lines) + "\n")
    print(f"requirements.lock: {len(lines)} versions")
    for extra, target in _HASHED.items():
        text = hashed(extra)
        header = f"# What `{target}` installs (`pip install --require-hashes`); made by `make lock`.\n"
        atomic.write_text(REPO / f"requirements.{extra}.lock", header + text)
        print(f"requirements.{extra}.lock: {text.count('==')} versions, {text.count('sha256:')} hashes")


def declared() -> set[str]:
    """Names of what the project and its extras require, but for those of `_UNLOCKED`."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [needs for extra, needs in project["optional-dependencies"].items() if extra not in _UNLOCKED]
    needs = [*project["dependencies"], *(need for extra in extras for need in extra)]
    return {re.split(r"[<>=!~;\[ ]", need)[0].lower().replace("_", "-") for need in needs}


def hashed(extra: str) -> str:
    """Versions and hashes of an extra, its dependencies and the build backend, for every platform.

    Raises:
        KdgatError: uv cannot resolve them, or PyPI cannot be reached.
    """
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
    command = [
        str(Path(sys.executable).with_name("uv")),
        "pip",
        "compile",
        "--no-config",
        "--quiet",
        "--generate-hashes",
        "--universal",
    ]
    command += [
        "--no-header",
        "--no-annotate",
        "--python-version",
        "3.11",
        "--extra",
        extra,
        "-c",
        "requirements.lock",
    ]
    backend = "\n".join(project["build-system"]["requires"])
    done = subprocess.run([*command, "pyproject.toml", "-"], cwd=REPO, input=backend, capture_output=True, text=True)
    if done.returncode:
        raise KdgatError(f"uv: {' '.join(done.stderr.split())[:500]}")
    return done.stdout


if __name__ == "__main__":
    cli_without_arguments(main)
