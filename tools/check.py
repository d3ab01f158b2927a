"""`make test`: the suite, and by name what it could not run here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kdgat.doctor import PROGRAMS
from kdgat.store import REPO


def main() -> int:
    """Run pytest with one process a core."""
    data = os.environ.get("KDGAT_DATA")
    code = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", str(os.cpu_count() or 1), "--dist", "loadgroup", "-rs", *sys.argv[1:]],
        cwd=REPO,
    ).returncode
    missing = [f"{p.tests} ({p.remedy})" for name, p in PROGRAMS.items() if p.tests and shutil.which(name) is None]
    if not data or not (Path(data) / "hcrl-sa").is_dir():
        missing.append("tests on real captures (set KDGAT_DATA to their folder)")
    if missing:
        print("left out: " + "; ".join(missing), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
