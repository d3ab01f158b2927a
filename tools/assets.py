"""Fills `assets/`, the only folder that rendered pages load from: the release's tables, the traces, the JavaScript."""

from __future__ import annotations

import html
import shutil
from pathlib import Path

from analysis.release import Release
from kdgat.errors import cli

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write `assets/` anew from the release that is shown ($KDGAT_RELEASE, else `data/frozen/current`)."""
    release = Release.open()
    assets = ROOT / "assets"
    shutil.rmtree(assets, ignore_errors=True)
    shutil.copytree(ROOT / "paper" / "figures" / "dist", assets)
    (assets / "release").mkdir()
    for file in sorted(release.path.glob("*.parquet")):
        shutil.copyfile(file, assets / "release" / file.name)
    shutil.copyfile(release.path / "manifest.json", assets / "release" / "manifest.json")
    shutil.copyfile(ROOT / "trace.json", assets / "trace.json")
    name = html.escape(f"{release.name} {release.manifest_sha256}")
    (assets / "head.txt").write_text(f'<meta name="kdgat-release" content="{name}">\n')


if __name__ == "__main__":
    cli(main)
