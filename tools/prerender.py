"""What happens before a page is rendered, by Quarto or by the draft renderer; any python3 runs it, in the root.

1. Finds the project's environment (`.venv`, else the running interpreter if it has the `paper` extra): nothing has
   to be activated.
2. `analysis.prerender`: the numbers, traces and static figures of the release that is shown.
3. Bundles the JavaScript and puts everything that a page loads into `assets/`.

Stops with the one command that mends it where the environment or the JavaScript packages are missing.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # Quarto starts this file by its path, before `kdgat.paths` can be imported
NEEDED = ("pyarrow", "duckdb", "matplotlib", "nbclient", "yaml")


def stop(reason: str) -> None:
    """One line, exit code 2."""
    print(f"error: {reason}; run `make site` once, it installs what is needed", file=sys.stderr)
    sys.exit(2)


def environment() -> None:
    """Continue in the project's own interpreter."""
    python = ROOT / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        os.execv(python, [str(python), __file__])
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        stop(f"no .venv, and {sys.executable} lacks {', '.join(missing)}")


def main() -> None:
    """Numbers, traces, figures and JavaScript, in `assets/` and in the files that pages include."""
    environment()
    os.chdir(ROOT)
    figures = ROOT / "paper" / "figures"
    needed = json.loads((figures / "package.json").read_text())["dependencies"]
    if missing := [name for name in needed if not (figures / "node_modules" / name).is_dir()]:
        stop(f"JavaScript packages are not installed: {', '.join(missing)}")
    steps = (
        [sys.executable, "-m", "analysis.prerender"],
        ["node", "build.mjs"],
        [sys.executable, "-m", "tools.assets"],
    )
    for command, folder in zip(steps, (ROOT, figures, ROOT), strict=True):
        try:
            subprocess.run(command, cwd=folder, check=True)
        except FileNotFoundError:
            stop(f"`{command[0]}` is not installed")
        except subprocess.CalledProcessError as error:
            sys.exit(error.returncode)


if __name__ == "__main__":
    main()
