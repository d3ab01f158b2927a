"""`flows/kdgat_flow.py` with a configuration that trains in seconds, so that it can be killed often: the preset `smoke`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

FLOWS = Path(__file__).resolve().parents[2] / "flows"

if "run" in sys.argv:
    from kdgat import config
    from tests.kdgat.small import CONFIG

    config.PRESETS["smoke"] = CONFIG
if "evaluate" in sys.argv:
    from kdgat import evaluate

    evaluate.MAPPED = 12  # so few are laid out without UMAP, which would be compiled by every task anew
sys.path.insert(0, str(FLOWS))
runpy.run_path(str(FLOWS / "kdgat_flow.py"), run_name="__main__")
