"""`flows/kdgat_flow.py` with a configuration that trains in seconds, so that it can be killed often: the preset `smoke`."""

from __future__ import annotations

import sys
from pathlib import Path

if "start" in sys.argv:  # the task that chooses the configuration
    from kdgat import presets
    from tests.kdgat.small import CONFIG

    presets.PRESETS["smoke"] = CONFIG
if "evaluate" in sys.argv:
    from kdgat.experiment import examples

    examples.MAPPED = 12  # so few take no time to lay out

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "flows"))
import kdgat_flow

if __name__ == "__main__":
    kdgat_flow.main(kdgat_flow.KDGATFlow)
