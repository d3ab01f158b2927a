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


def places(root: Path) -> tuple[list[Path], list[Path]]:
    """List what a pre-render reads, the release apart, and what it writes, both as files that are there."""
    sources = [
        root / "index.qmd",
        root / "CITATION.cff",
        root / "_quarto.yml",
        root / "requirements.lock",
        root / "conf" / "site.toml",
    ]
    for folder in ("paper", "analysis", "kdgat", "tools", "docs"):
        sources += (root / folder).rglob("*")
    skipped = ("node_modules", "__pycache__", "dist", "static", "diagrams")
    read = [p for p in sources if p.is_file() and not set(skipped) & set(p.relative_to(root).parts)]
    outputs = [root / name for name in ("_variables.yml", "claims.json", "trace.json")]
    for folder in ("assets", "paper/figures/static", "paper/figures/diagrams"):
        outputs += (root / folder).rglob("*")
    return read, [p for p in outputs if p.is_file()]


def state(root: Path, release: str) -> dict[str, list[list[object]]]:
    """Size and time of every file that a pre-render reads and writes: what tells whether there is anything to do.

    Args:
        root: of the project.
        release: name of the one that is shown; empty: the current one.
    """
    frozen = root / "data" / "frozen"
    name = release or (
        (frozen / "current").read_text(encoding="utf-8").strip() if (frozen / "current").is_file() else ""
    )
    read, outputs = places(root)
    read += [p for p in (frozen / "current", frozen / "index.json", frozen / name / "manifest.json") if p.is_file()]

    def stamps(files: list[Path]) -> list[list[object]]:
        stats = ((p.relative_to(root).as_posix(), p.stat()) for p in sorted(files))
        return [[path, stat.st_size, stat.st_mtime_ns] for path, stat in stats]

    return {"read": [[name, 0, 0], *stamps(read)], "written": stamps(outputs)}


def main() -> None:
    """Numbers, traces, figures and JavaScript, in `assets/` and in the files that pages include; nothing where all are up to date."""
    environment()
    os.chdir(ROOT)
    release = os.environ.get("KDGAT_RELEASE", "")
    stamp = ROOT / ".kdgat" / "prerendered.json"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == json.dumps(state(ROOT, release)):
        print("nothing has changed since the last pre-render")
        return
    figures = ROOT / "paper" / "figures"
    needed = json.loads((figures / "package.json").read_text(encoding="utf-8"))["dependencies"]
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
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(json.dumps(state(ROOT, release)), encoding="utf-8")


if __name__ == "__main__":
    main()
