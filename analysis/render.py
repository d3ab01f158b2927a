"""`python -m analysis.render`: paper and site, with Quarto where it is installed, else as a draft from the same sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

from kdgat.errors import KdgatError, cli_without_arguments
from kdgat.paths import REPO


def render(release: str | None = None) -> None:
    """Fill `_site/` with paper and site of a release (None: the current one); prints where they are.

    Raises:
        KdgatError: the renderer failed; its own output says why.
    """
    begin = time.monotonic()
    quarto = shutil.which("quarto")
    command = [quarto, "render"] if quarto else [sys.executable, "-m", "tools.draft"]
    done = subprocess.run(command, cwd=REPO, env=os.environ | ({"KDGAT_RELEASE": release} if release else {}))
    if done.returncode:
        raise KdgatError(f"{'quarto render' if quarto else 'the draft renderer'} failed, see above")
    site = REPO / "_site"
    print(f"\nrendered in {time.monotonic() - begin:.0f} s{'' if quarto else ' (draft: Quarto is not installed)'}")
    print(f"  paper (PDF)  {site / 'paper' / 'index.pdf'}")
    print(f"  site         {site / 'index.html'}   to read it: python3 -m http.server -d {site}")


if __name__ == "__main__":
    cli_without_arguments(render)
