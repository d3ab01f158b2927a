"""What travels to a cluster that does not see this checkout (`--with slurm`).

Metaflow's code package is the folder of the flow alone. `travelling` adds what the flow imports and reads, laid out as in
the checkout, so that a task there finds the same files and the hash of the code it ran is the checkout's; and a note of
the commit, since no git goes along.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

from metaflow import package_sources

from kdgat import atomic, provenance
from kdgat.paths import REPO
from kdgat.runtime import work_folder
from kdgat.settings import backends

Flow = TypeVar("Flow", bound=type)
SOURCES = ("kdgat", "flows", "data/catalog.toml", "data/choice.toml", "conf/presets", "requirements.lock")


def asked(arguments: Sequence[str]) -> bool:
    """Whether a command line begins a run whose tasks go to another computer by ssh."""
    return bool({"run", "resume"} & set(arguments)) and "slurm" in backends(arguments)


def travelling(flow: Flow) -> Flow:
    """Decorates a flow whose code has to travel; where it has not, this does nothing."""
    if not asked(sys.argv):
        return flow
    note = work_folder() / provenance.NOTE
    atomic.write_text(note, json.dumps({"commit": provenance.commit(), "dirty": provenance.dirty()}) + "\n")
    there: list[Any] = [(str(REPO / name), name) for name in SOURCES if (REPO / name).exists()]
    return package_sources([*there, (str(note), provenance.NOTE)], suffixes=(".py", ".toml", ".lock", ".json"))(flow)
