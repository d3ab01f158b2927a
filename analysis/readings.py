"""How often the test folders were read up to a release: the log that `evaluate` appends to, counted when runs are frozen."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TypedDict

from kdgat.errors import KdgatError

#: the log in the work folder; see `kdgat.evaluate.log_reading`
LOG = "test-readings.jsonl"


class Readings(TypedDict):
    """Counts over the log up to the last reading of the release's own runs: the same runs give the same counts."""

    evaluations: int
    configurations: int
    commits: int
    first: str
    last: str


def count(log: Path, flow_runs: Collection[str]) -> Readings | None:
    """What the log says up to the last line of one of `flow_runs` (`<flow>/<id>`); None where none of them is in it.

    Raises:
        KdgatError: a line is not what `evaluate` writes.
    """
    if not log.is_file():
        return None
    lines = []
    for number, text in enumerate(log.read_text(encoding="utf-8").splitlines(), 1):
        try:
            line = json.loads(text)
            lines.append({key: str(line[key]) for key in ("time", "config", "commit", "run")})
        except (ValueError, KeyError, TypeError):
            raise KdgatError(f"{log}, line {number}: not a reading of a test capture") from None
    own = [i for i, line in enumerate(lines) if line["run"].startswith(tuple(f"{run}/" for run in flow_runs))]
    if not own:
        return None
    seen = lines[: own[-1] + 1]
    times = sorted(line["time"] for line in seen)
    return {
        "evaluations": len({line["run"] for line in seen}),
        "configurations": len({line["config"] for line in seen}),
        "commits": len({line["commit"] for line in seen}),
        "first": times[0],
        "last": times[-1],
    }
