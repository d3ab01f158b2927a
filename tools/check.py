"""`make test`: the suite, and by name what it could not run here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kdgat.store import REPO

#: program or path → what is left out without it, and how to get it
NEEDED = {
    "chromium": ("tests in the browser", "make test-system"),
    "pdftotext": ("comparing the PDF's numbers", "make test-system"),
    "slurmctld": ("tests on a SLURM of one node", "make test-system"),
    "quarto": ("comparing the draft with Quarto", "pixi, or pip install '.[quarto]' where its download is reachable"),
}


def main() -> int:
    """Run pytest with one process a core."""
    data = os.environ.get("KDGAT_DATA")
    code = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", str(os.cpu_count() or 1), "--dist", "loadgroup", "-rs", *sys.argv[1:]],
        cwd=REPO,
    ).returncode
    missing = [f"{what} ({how})" for name, (what, how) in NEEDED.items() if shutil.which(name) is None]
    if not data or not (Path(data) / "hcrl-sa").is_dir():
        missing.append("tests on real captures (set KDGAT_DATA to their folder)")
    if missing:
        print("left out: " + "; ".join(missing), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
